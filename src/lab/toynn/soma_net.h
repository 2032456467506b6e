// a net's sizes → its config, rows and first weights; the same net on soma's own engine.
#pragma once

#include "lab/toynn/platform.h"
#include "soma/train.h"

namespace soma {

/// The published networks: 4-1600-2600-1600-2500-1 and 4-3-4-5-1.
enum class ToySize { large, small };

/// Everything the platforms share.
struct ToySetting {
  Config config;  ///< plain gradient descent; batch, threads and epochs are the platform's
  RunData data;   ///< the 120 training rows, standardised
  ToyRows rows;   ///< the same as the network sees them
  ToyLayers layers;
  bool iris = true;  ///< false: rows of the same shape, drawn from a seed
};
Result<ToySetting> toy_setting(ToySize size);

/// soma's trainer and network, fused and vectorised; `threads` = 0 takes all cores. Its batches come in an order of their own:
/// train() takes the next one, whatever rows are named.
Result<std::unique_ptr<ToyPlatform>> make_soma(const ToySetting& setting, std::int64_t batch, double rate, int threads);

}  // namespace soma
