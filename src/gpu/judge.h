// a network + a GPU → how far its every value, gradient and moved parameter there is from double precision on the CPU.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gpu/engine.h"

namespace soma::gpu {

/// One network with everything random that a step depends on.
struct Trial {
  std::string name;
  NetworkSpec network;
  LossConfig loss = {.kind = LossConfig::Kind::quadratic};
  UpdateRule rule = UpdateRule::adam;
  OptimizerConfig optimizer;  ///< penalties and clipping
  std::int64_t batch = 5, rows = 5;
  bool values = false, row_weights = false;  ///< as Settings has them
};

/// What came out: the largest error of each kind, in units of ε times the largest magnitude of its array and the length of its
/// longest sum; up to 1 is what rounding explains. `fault` names what was written that should not be, or was not that should.
struct Verdict {
  std::string name;
  double values = 0, gradients = 0, parameter_gradients = 0, moved = 0, loss = 0;
  std::string fault;
  [[nodiscard]] bool sound() const {
    return fault.empty() && values <= 1 && gradients <= 1 && parameter_gradients <= 1 && moved <= 1 && loss <= 1;
  }
};

/// What the GPU's step of a trial is lowered with: canaries, and the seed of the step in double precision.
[[nodiscard]] Settings settings_of(const Trial& trial);
/// And from: guards between its parameters.
[[nodiscard]] Result<Plan> plan_of(const Trial& trial);

/// A training step on the GPU beside one in double precision with the reference kernels. Every array has guards (canaries.h),
/// what is written starts as NaN, and what is only read has to stay.
[[nodiscard]] Result<Verdict> judge(std::unique_ptr<Device>& device, const Trial& trial);

/// Small networks of ugly sizes that make every shader run in every mode.
[[nodiscard]] std::vector<Trial> trials();

}  // namespace soma::gpu
