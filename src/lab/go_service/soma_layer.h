// a layer of the Go service + a team → the same layer as soma runs it: a plan of one step on soma's kernels.
#pragma once

#include "core/team.h"
#include "lab/go_service/service_layers.h"
#include "nn/net.h"

namespace soma {

/// Weights and input loaded; forward() then works out the layer, images channels last. Borrows the team.
Net<float> make_soma_layer(const ServiceLayer& layer, const Kernels<float>& kernels, Team& team);

}  // namespace soma
