// whether gradients were finite, step by step → the factor that lifts small gradients into the range of half precision.
#pragma once

#include <cstdint>

namespace soma {

/// Dynamic loss scaling (Micikevicius et al. 2018, "Mixed precision training", with the numbers of PyTorch's GradScaler): the
/// gradient of the loss is multiplied by `value`, and the step by its inverse. A step whose gradient is not finite is left out
/// and halves it; kPatience steps in a row without one double it. Powers of two, so scaling itself rounds nothing.
struct LossScale {
  static constexpr std::int64_t kPatience = 2000;
  static constexpr double kLeast = 0x1p-14;  ///< below, it was not the scale

  double value = 65536;
  std::int64_t good_steps = 0;  ///< since value changed
  std::int64_t left_out = 0;    ///< steps, in all

  void after(bool finite) {
    left_out += finite ? 0 : 1;
    if (finite && ++good_steps < kPatience) return;
    value *= finite ? 2 : 0.5;
    good_steps = 0;
  }
};

}  // namespace soma
