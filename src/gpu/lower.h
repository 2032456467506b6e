// a plan and what a run adds to it → the dispatches of a training step and of a pass without training.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "gpu/dispatch.h"
#include "nn/plan.h"
#include "soma/config.h"

namespace soma::gpu {

/// What a step depends on besides the plan.
struct Settings {
  LossConfig loss;
  bool values = false;       ///< a target is a number for each output, not a label
  bool row_weights = false;  ///< targets say how much their rows count
  UpdateRule optimizer = UpdateRule::adam;
  double clip_norm = 0;
  std::uint64_t seed = 0;   ///< of dropout
  std::int64_t tables = 0;  ///< of bytes, for number i that of i % tables; 0: samples are floats
  bool canaries = false;    ///< each range has a guard of 64 numbers or more; parameters, where the plan leaves them room
};

/// Numbers that a sample has in the arena `targets`.
inline std::int64_t target_numbers(const Settings& settings, std::int64_t outputs) {
  return (settings.values ? outputs : 1) + (settings.row_weights ? 1 : 0);
}

/// Where the parts of a pass lie in the arena `work`. Values, and gradients of values, are told by their offset in the plan.
struct Place {
  std::int64_t offset = 0, size = 0;
};

struct Program {
  std::vector<Dispatch> step;        ///< gather, forward, loss, backward, update
  std::vector<Dispatch> last_step;   ///< the same, and the gradients of the parameters are kept
  std::vector<Dispatch> evaluation;  ///< gather, forward and loss without training
  std::vector<Place> values;         ///< of the plan's values
  std::vector<Place> gradients;      ///< of the plan's values; size 0 where nobody wants one
  std::vector<float> loss_table;
  std::array<std::int64_t, kArenas> sizes{};  ///< of parameters to work and of loss_table, in numbers
};

/// The plan is one for training.
[[nodiscard]] Program lower(const Plan& plan, const Settings& settings);

/// Few samples and many weights: then a product is one pass over the weights.
inline bool few_rows(const LinearStep& step, std::int64_t max_batch) {
  return max_batch <= 16 && step.in * step.out >= 65536 && step.out >= 16;
}

}  // namespace soma::gpu
