// a preset's name → what an experiment trains on: MNIST, or the built-in digits where it is not found.
#pragma once

#include <cstdint>

#include "soma/config.h"
#include "soma/lab.h"
#include "soma/train.h"

namespace soma {

struct PresetWork {
  Config config;
  RunData data;
  bool mnist = true;  ///< false: digits stand in for it
};

/// What a report says when digits stand in.
inline constexpr const char* kWithoutMnist =
    "MNIST was not found: soma's built-in digits stand in for it, and nothing is said about published accuracy. "
    "soma data fetch mnist gets it.";

/// `limit`: samples to train on; 0 = all (of digits in a quick run, 6000).
[[nodiscard]] Result<PresetWork> load_preset_work(const char* preset_name, const LabOptions& options, std::int64_t limit = 0);

}  // namespace soma
