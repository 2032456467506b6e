// config, step number and learning rate → the numbers of one Update, worked out in double.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/kernels.h"
#include "soma/config.h"

namespace soma {

/// What an optimizer remembers besides its arrays (state_arrays in operations.h). A checkpoint must keep it.
struct OptimizerState {
  double mu_product = 1;  ///< nadam: Π μ_i over the steps made
  bool operator==(const OptimizerState&) const = default;
};

/// How a kind of optimizer moves a parameter: adamw as adam, since weight decay is decoupled for every kind.
UpdateRule rule_of(OptimizerConfig::Kind kind);

/// One optimizer step as the schedule sees it.
struct StepRequest {
  std::int64_t step = 1;           ///< t, counted from 1
  double rate = 0;                 ///< learning rate of this step
  std::optional<double> momentum;  ///< instead of the config's momentum or beta1 (one_cycle)
  double gradient_scale = 1;       ///< from averaging and clip_scale; applied before clip_value
};

/// Step t as an Update; moves `state` on, so it is called once per step, in order. The definitions are PyTorch's: bias
/// corrections use the current β; nadam's μ_t = β1·(1 − 0.96^(t·momentum_decay)/2). elastic_net λ adds λ to l1 and 2λ to l2.
/// weight_decay is decoupled for every kind, and reaches every parameter. T is float or double.
template <class T>
Update<T> update_for(const OptimizerConfig& config, OptimizerState& state, const StepRequest& request);

/// The same step for biases and batch norm, which l1, l2 and elastic_net spare.
template <class T>
Update<T> without_penalties(Update<T> update) {
  update.l1 = update.l2 = 0;
  return update;
}

/// The factor that brings a gradient of L2 norm `norm` to at most clip_norm, as torch.nn.utils.clip_grad_norm_ does:
/// clip_norm / (norm + 1e-6), never above 1. 1 when clip_norm is 0.
double clip_scale(double clip_norm, double norm);

}  // namespace soma
