// a layer's scales and parameters ↔ integers between QuantizeLinear and DequantizeLinear.
#include <fmt/format.h>

#include <array>

#include "integer/chain.h"
#include "model/onnx.h"

namespace soma {
namespace {

template <class T>
std::vector<T> places(const Tensor& tensor, std::span<const float> scales) {
  std::vector<T> values;
  values.reserve(tensor.values.size());
  const std::size_t depth = tensor.values.size() / scales.size();
  for (std::size_t i = 0; i < tensor.values.size(); ++i)
    values.push_back(static_cast<T>(grid_place(tensor.values[i], scales[i / depth])));
  return values;
}

/// One scale per output, which is the first axis.
std::string dequantized(GraphBuilder& graph, const std::string& array, const Shape& extents, const std::vector<float>& scales) {
  const Shape shape = {static_cast<std::int64_t>(scales.size())};
  graph.making(extents, onnx::TensorProto::FLOAT, false);
  set_attribute(graph.add("DequantizeLinear", {array, graph.floats(array + "_scale", shape, scales)}, array + "_real"), "axis",
                std::int64_t{0});
  return array + "_real";
}

std::vector<float> sum_scales(const QuantizedLayer& layer) {
  std::vector<float> scales;
  for (std::size_t c = 0; c < layer.weight_scales.size(); ++c) scales.push_back(sum_scale(layer, c));
  return scales;
}

/// Floats of integers that stand on their grid.
Tensor on_grid(const std::string& name, const Shape& shape, const std::vector<std::int32_t>& places,
               std::span<const float> scales) {
  Tensor tensor{name, shape, {}};
  tensor.values.reserve(places.size());
  const std::size_t depth = places.size() / scales.size();
  for (std::size_t i = 0; i < places.size(); ++i)
    tensor.values.push_back(static_cast<float>(static_cast<double>(places[i]) * static_cast<double>(scales[i / depth])));
  return tensor;
}

}  // namespace

std::vector<std::string> write_quantized(const Model& model, const QuantizedLayer& layer, const std::string& x,
                                         const Shape& input, GraphBuilder& graph) {
  const std::string& node = layer.node;
  const std::vector<std::string> to_bytes = {x, graph.floats(node + ".x_scale", {}, std::array{layer.input.scale}),
                                             graph.unsigned_byte(node + ".x_zero", static_cast<std::uint8_t>(layer.input.zero))};
  graph.making(input, onnx::TensorProto::UINT8);
  graph.add("QuantizeLinear", to_bytes, node + ".x_bytes");
  graph.making(input);
  graph.add("DequantizeLinear", {node + ".x_bytes", to_bytes[1], to_bytes[2]}, node + ".x_real");
  const LayerArrays arrays = arrays_of(model, node);
  graph.signed_bytes(arrays.weight->name, arrays.weight->shape, places<std::int8_t>(*arrays.weight, layer.weight_scales));
  std::vector<std::string> inputs = {node + ".x_real",
                                     dequantized(graph, arrays.weight->name, arrays.weight->shape, layer.weight_scales)};
  if (arrays.bias != nullptr) {
    const std::vector<float> scales = sum_scales(layer);
    graph.integers32(arrays.bias->name, places<std::int32_t>(*arrays.bias, scales));
    inputs.push_back(dequantized(graph, arrays.bias->name, arrays.bias->shape, scales));
  }
  return inputs;
}

Result<void> read_quantized(const std::string& node, const Shape& weight, bool bias, const GraphArrays& arrays, Model& model,
                            std::string_view who) {
  std::string problem;
  const auto array = [&](const std::string& name, onnx::TensorProto::DataType type, const Shape& shape) {
    const onnx::TensorProto* found = arrays.find(name);
    if (problem.empty() && (found == nullptr || found->data_type() != type || extents(*found) != shape))
      problem =
          fmt::format("{}: array '{}' wants {} of ONNX type {}, got {}; try exporting the model again", who, name,
                      shape.empty() ? "one number" : to_string(shape), static_cast<int>(type),
                      found == nullptr ? "none" : fmt::format("{} of type {}", to_string(extents(*found)), found->data_type()));
    return problem.empty() ? found : nullptr;
  };
  const auto done = [&] { return Error{Error::Kind::data, problem}; };
  const Shape outputs = {weight[0]};
  QuantizedLayer layer{node, {}, {}};
  const auto* scale = array(node + ".x_scale", onnx::TensorProto::FLOAT, {});
  const auto* zero = array(node + ".x_zero", onnx::TensorProto::UINT8, {});
  const auto* weights = array(node + ".weight", onnx::TensorProto::INT8, weight);
  const auto* scales = array(node + ".weight_scale", onnx::TensorProto::FLOAT, outputs);
  const auto* biases = bias ? array(node + ".bias", onnx::TensorProto::INT32, outputs) : nullptr;
  const auto* steps = bias ? array(node + ".bias_scale", onnx::TensorProto::FLOAT, outputs) : nullptr;
  if (!problem.empty()) return done();
  layer.input = {float_values(*scale)[0], small_integer_values(*zero)[0]};
  layer.weight_scales = float_values(*scales);
  model.parameters.push_back(on_grid(node + ".weight", weight, small_integer_values(*weights), layer.weight_scales));
  if (bias) {
    if (float_values(*steps) != sum_scales(layer)) {
      problem = fmt::format(
          "{}: array '{}.bias_scale' wants x_scale · weight_scale, got other numbers; try exporting the model again", who, node);
      return done();
    }
    model.parameters.push_back(on_grid(node + ".bias", outputs, small_integer_values(*biases), sum_scales(layer)));
  }
  model.quantization->layers.push_back(std::move(layer));
  return {};
}

}  // namespace soma
