// a layer of the Go service + a team → the same layer as soma runs it: a plan of one step on soma's kernels.
#include "lab/go_service/soma_layer.h"

#include <algorithm>

namespace soma {

Net<float> make_soma_layer(const ServiceLayer& layer, const Kernels<float>& kernels, Team& team) {
  Net<float> net(make_plan(resolve(layer.spec()).value(), 1, PlanFor::inspection).value(), kernels, team);
  std::vector<Tensor> parameters = net.published(net.parameters());
  for (Tensor& each : parameters) each.values = each.shape.size() > 1 ? layer.weights() : layer.bias();
  net.set(net.parameters(), parameters).value();
  std::ranges::copy(layer.input(), net.input());
  return net;
}

}  // namespace soma
