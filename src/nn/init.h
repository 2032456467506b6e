// a seed → first weights in the published order, whatever the layout inside.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/plan.h"

namespace soma {

/// Parameter `index` of the plan's list. Weights as the node's Init (or the network's) asks; biases 0, or uniform like the
/// weights when the kind is `uniform`; batch-norm scale and running variance 1, shift and running mean 0. A pure function of
/// (seed, index).
Tensor first_values(const Plan& plan, std::size_t index, std::uint64_t seed);

}  // namespace soma
