// a seed → first weights in the published order, whatever the layout inside.
#include "nn/init.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "nn/resolve.h"

namespace soma {
namespace {

double variance(const Init& init, double fan_in, double fan_out) {
  switch (init.kind) {
    case Init::Kind::he:
      return 2 / fan_in;
    case Init::Kind::xavier:
      return 2 / (fan_in + fan_out);
    case Init::Kind::lecun:
      return 1 / fan_in;
    case Init::Kind::automatic:
    case Init::Kind::uniform:
      break;
  }
  return 0;
}

/// True when the network's input comes to a node through layers without weights alone.
bool reads_input(const NetworkSpec& spec, const std::vector<std::vector<std::int64_t>>& sources, std::size_t node) {
  return std::any_of(sources[node].begin(), sources[node].end(), [&](std::int64_t source) {
    if (source < 0) return true;
    const Layer& layer = spec.nodes[static_cast<std::size_t>(source)].layer;
    const bool weights = std::holds_alternative<Linear>(layer) || std::holds_alternative<Conv2d>(layer);
    return !weights && reads_input(spec, sources, static_cast<std::size_t>(source));
  });
}

/// What `automatic` means for a node. Inputs are no activations: half of them are not 0, and a narrow row under a wide layer
/// drawn by `he` is a random function that training has to undo (docs/training.md has the figures).
Init chosen(Init init, const NetworkSpec& spec, std::size_t node) {
  if (init.kind != Init::Kind::automatic) return init;
  const bool first = std::holds_alternative<Linear>(spec.nodes[node].layer) && reads_input(spec, wiring(spec), node);
  if (first) return {Init::Kind::xavier, Init::Distribution::uniform};
  init.kind = Init::Kind::he;
  return init;
}

}  // namespace

Tensor first_values(const Plan& plan, std::size_t index, std::uint64_t seed) {
  const Parameter& p = plan.parameters[index];
  const NetworkSpec& spec = plan.network.spec;
  const Init init = chosen(spec.nodes[p.node].init.value_or(spec.init), spec, p.node);
  Tensor tensor{p.name, p.shape, std::vector<float>(static_cast<std::size_t>(elements(p.shape)), 0.0f)};
  if (p.role == Parameter::Role::scale || p.role == Parameter::Role::running_variance)
    tensor.values.assign(tensor.values.size(), 1.0f);
  const bool drawn = p.role == Parameter::Role::weight || (p.role == Parameter::Role::bias && init.kind == Init::Kind::uniform);
  if (!drawn) return tensor;

  const double kernel = static_cast<double>(p.kernel_h * p.kernel_w);
  const bool flat = p.shape.size() == 2;  // a linear layer's rows already count every input
  const double fan_in = static_cast<double>(p.rows());
  const double fan_out = static_cast<double>(p.out) * (flat ? 1 : kernel);
  const double deviation = std::sqrt(variance(init, fan_in, fan_out));
  const double half_width = std::sqrt(3.0) * deviation;
  const std::uint32_t numbers = stream(Stream::weights, index);
  for (std::size_t i = 0; i < tensor.values.size(); ++i) {
    double value;
    if (init.kind == Init::Kind::uniform)
      value = init.min + random_unit(seed, numbers, i) * (init.max - init.min);
    else if (init.distribution == Init::Distribution::normal)
      value = deviation * random_normal(seed, numbers, i);
    else
      value = half_width * (2 * random_unit(seed, numbers, i) - 1);
    tensor.values[i] = static_cast<float>(value);
  }
  return tensor;
}

}  // namespace soma
