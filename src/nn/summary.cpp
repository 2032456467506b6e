// ResolvedNetwork → its layers' names, arrays, arithmetic and memory.
#include <array>

#include "nn/resolve.h"
#include "nn/visit.h"

namespace soma {
namespace {

struct Arithmetic {
  const Shape& x;
  const Shape& y;
  std::size_t inputs;

  std::int64_t operator()(const Linear& linear) const { return 2 * x[0] * linear.out; }
  std::int64_t operator()(const Conv2d& conv) const {
    return 2 * elements(y) * (x[0] / conv.groups) * conv.kernel_h * conv.kernel_w;
  }
  std::int64_t operator()(const Pool& pool) const { return elements(y) * pool.size_h * pool.size_w; }
  std::int64_t operator()(const GlobalAveragePool&) const { return elements(x); }
  std::int64_t operator()(const BatchNorm&) const { return 2 * elements(y); }
  std::int64_t operator()(const Dropout&) const { return 0; }
  std::int64_t operator()(const AlphaDropout&) const { return 0; }
  std::int64_t operator()(const Flatten&) const { return 0; }
  std::int64_t operator()(const Add&) const { return static_cast<std::int64_t>(inputs - 1) * elements(y); }
  std::int64_t operator()(const Concat&) const { return 0; }
  std::int64_t operator()(const Activation& activation) const {
    return activation.kind == Activation::Kind::identity ? 0 : elements(y);
  }
  // The maximum, the difference from it, e^x, their sum, the division: five passes.
  std::int64_t operator()(const Softmax&) const { return 5 * elements(y); }
};

}  // namespace

std::vector<ParameterShape> parameter_shapes(const ResolvedNetwork& network) {
  std::vector<ParameterShape> all;
  const auto sources = wiring(network.spec);
  for (std::size_t i = 0; i < network.spec.nodes.size(); ++i) {
    const Node& node = network.spec.nodes[i];
    const std::int64_t source = sources[i].front();
    const Shape& x = source < 0 ? network.spec.input : network.shapes[static_cast<std::size_t>(source)];
    if (const auto* linear = std::get_if<Linear>(&node.layer)) {
      all.push_back({node.name + ".weight", {linear->out, x[0]}});
      if (linear->bias) all.push_back({node.name + ".bias", {linear->out}});
    } else if (const auto* conv = std::get_if<Conv2d>(&node.layer)) {
      all.push_back({node.name + ".weight", {conv->out, x[0] / conv->groups, conv->kernel_h, conv->kernel_w}});
      if (conv->bias) all.push_back({node.name + ".bias", {conv->out}});
    } else if (std::holds_alternative<BatchNorm>(node.layer)) {
      all.push_back({node.name + ".weight", {x[0]}});
      all.push_back({node.name + ".bias", {x[0]}});
      all.push_back({node.name + ".running_mean", {x[0]}, false});
      all.push_back({node.name + ".running_var", {x[0]}, false});
    }
  }
  return all;
}

std::vector<LayerSummary> summarise(const ResolvedNetwork& network) {
  constexpr std::int64_t bytes = sizeof(float);
  std::vector<LayerSummary> rows;
  const auto sources = wiring(network.spec);
  const auto parameters = parameter_shapes(network);
  auto parameter = parameters.begin();
  for (std::size_t i = 0; i < network.spec.nodes.size(); ++i) {
    const Node& node = network.spec.nodes[i];
    const std::int64_t source = sources[i].front();
    const Shape& x = source < 0 ? network.spec.input : network.shapes[static_cast<std::size_t>(source)];
    const Shape& y = network.shapes[i];
    LayerSummary row{
        node.name,          layer_kind(node.layer), y, 0, std::visit(Arithmetic{x, y, sources[i].size()}, node.layer),
        bytes * elements(y)};
    for (; parameter != parameters.end() && parameter->name.substr(0, parameter->name.rfind('.')) == node.name; ++parameter) {
      if (parameter->trained) row.parameters += elements(parameter->shape);
      row.memory_bytes += bytes * elements(parameter->shape);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace soma
