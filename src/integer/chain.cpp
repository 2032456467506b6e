// a network → the groups of layers that 8-bit inference computes at once, or the layer that has no form in 8 bits.
#include "integer/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace soma {
namespace {

bool does_nothing(const Layer& layer) {
  const auto* activation = std::get_if<Activation>(&layer);
  return std::holds_alternative<Dropout>(layer) || std::holds_alternative<AlphaDropout>(layer) ||
         std::holds_alternative<Flatten>(layer) || (activation != nullptr && activation->kind == Activation::Kind::identity);
}

bool is_relu(const Layer& layer) {
  const auto* activation = std::get_if<Activation>(&layer);
  return activation != nullptr && activation->kind == Activation::Kind::relu;
}

bool is_max_pool(const Layer& layer) {
  const auto* pool = std::get_if<Pool>(&layer);
  return pool != nullptr && pool->kind == Pool::Kind::max;
}

bool has_weights(const Layer& layer) { return std::holds_alternative<Linear>(layer) || std::holds_alternative<Conv2d>(layer); }

/// 255 · 127 for every weight of an output must stay below 2^31 with room for the bias.
constexpr double kLargestSum = std::numeric_limits<std::int32_t>::max();

}  // namespace

Result<Int8Chain> int8_chain(const ResolvedNetwork& network) {
  const auto& nodes = network.spec.nodes;
  const auto wrong = [&](std::size_t i, std::string_view wanted, std::string_view got, std::string_view next) {
    return Error{Error::Kind::data, fmt::format("int8: layer '{}': wanted {}, got {}; try {}", nodes[i].name, wanted, got, next)};
  };
  const auto sources = wiring(network.spec);
  std::size_t last = nodes.size();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (sources[i].size() != 1 || sources[i][0] != static_cast<std::int64_t>(i) - 1)
      return wrong(i, "one layer after the other", layer_kind(nodes[i].layer) + " of others than the one before",
                   "the model in real numbers");
    if (has_weights(nodes[i].layer)) last = i;
  }
  if (last == nodes.size() || !std::holds_alternative<Linear>(nodes[last].layer))
    return wrong(last == nodes.size() ? 0 : last, "a network that ends in a linear layer and its activation",
                 layer_kind(nodes[last == nodes.size() ? 0 : last].layer), "adding a linear layer");

  Int8Chain chain;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Layer& layer = nodes[i].layer;
    if (does_nothing(layer)) continue;
    if (i > last) {
      if (!std::holds_alternative<Activation>(layer) && !std::holds_alternative<Softmax>(layer))
        return wrong(i, "activations or softmax behind the last linear layer", layer_kind(layer), "leaving it out");
      chain.tail.push_back(i);
    } else if (has_weights(layer)) {
      const auto* conv = std::get_if<Conv2d>(&layer);
      if (conv != nullptr && conv->groups != 1)
        return wrong(i, "groups = 1", fmt::format("groups = {}", conv->groups), "the model in real numbers");
      chain.groups.push_back({i, {}, false});
    } else if (is_relu(layer) && !chain.groups.empty()) {
      chain.groups.back().relu = true;
    } else if (is_max_pool(layer) && !chain.groups.empty()) {
      chain.groups.back().pools.push_back(i);
    } else {
      return wrong(i, "relu, max_pool, flatten or dropout between linear and conv2d layers", layer_kind(layer),
                   "relu there, or the model in real numbers");
    }
  }
  return chain;
}

LayerArrays arrays_of(const Model& model, const std::string& node) {
  LayerArrays arrays;
  for (const Tensor& tensor : model.parameters) {
    if (tensor.name == node + ".weight") arrays.weight = &tensor;
    if (tensor.name == node + ".bias") arrays.bias = &tensor;
  }
  return arrays;
}

std::int64_t grid_place(float value, float scale) {
  return std::llrint(std::clamp(static_cast<double>(value) / static_cast<double>(scale), -0x1p40, 0x1p40));
}

float sum_scale(const QuantizedLayer& layer, std::size_t output) { return layer.input.scale * layer.weight_scales[output]; }

std::string quantization_problem(const Model& model, const Int8Chain& chain, const ResolvedNetwork& network) {
  const auto& layers = model.quantization->layers;
  if (layers.size() != chain.groups.size())
    return fmt::format("wanted scales for {} layers, got {}; try quantizing again", chain.groups.size(), layers.size());
  const auto is_scale = [](float scale) { return std::isnormal(scale) && scale > 0; };
  for (std::size_t g = 0; g < layers.size(); ++g) {
    const QuantizedLayer& layer = layers[g];
    const std::string& name = network.spec.nodes[chain.groups[g].node].name;
    const auto wrong = [&](std::string_view what) { return fmt::format("layer '{}': {}; try quantizing again", name, what); };
    if (layer.node != name) return wrong(fmt::format("wanted its scales, got those of '{}'", layer.node));
    const LayerArrays arrays = arrays_of(model, name);
    const auto outputs = static_cast<std::size_t>(arrays.weight->shape[0]), depth = arrays.weight->values.size() / outputs;
    if (layer.weight_scales.size() != outputs)
      return wrong(fmt::format("wanted {} scales of weights, got {}", outputs, layer.weight_scales.size()));
    if (!is_scale(layer.input.scale) || layer.input.zero < 0 || layer.input.zero > 255)
      return wrong(
          fmt::format("wanted a scale above 0 and a zero in 0 to 255, got {} and {}", layer.input.scale, layer.input.zero));
    if (chain.groups[g].relu && g + 1 < layers.size() && layers[g + 1].input.zero != 0)
      return wrong(fmt::format("wanted a zero of 0 behind its relu, got {}", layers[g + 1].input.zero));
    for (std::size_t c = 0; c < outputs; ++c) {
      if (!is_scale(layer.weight_scales[c]) || !is_scale(sum_scale(layer, c)))
        return wrong(fmt::format("wanted scales above 0, got {} for the weights of output {}", layer.weight_scales[c], c));
      double largest = 0, sum = 0;
      for (std::size_t k = 0; k < depth; ++k) {
        const auto q = grid_place(arrays.weight->values[c * depth + k], layer.weight_scales[c]);
        if (q < -127 || q > 127) return wrong(fmt::format("wanted weights of at most 127 steps, got {}", q));
        largest += 255.0 * static_cast<double>(std::abs(q));
        sum += static_cast<double>(q);
      }
      double bias = -layer.input.zero * sum;
      if (arrays.bias != nullptr) bias += static_cast<double>(grid_place(arrays.bias->values[c], sum_scale(layer, c)));
      if (largest + std::abs(bias) > kLargestSum)
        return wrong(fmt::format("wanted sums below 2^31, got up to {:.0f}", largest + std::abs(bias)));
      if (g + 1 < layers.size() &&
          static_cast<double>(sum_scale(layer, c)) > kFinest * static_cast<double>(layers[g + 1].input.scale))
        return wrong(fmt::format("wanted sums in finer steps than its output's {}, got {}", layers[g + 1].input.scale,
                                 sum_scale(layer, c)));
    }
  }
  return "";
}

}  // namespace soma
