// Model → an ONNX file: preprocessing, then one operator (or a few) per layer, arrays beside them, the rest as metadata.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/sha256.h"
#include "model/check.h"
#include "model/onnx.h"
#include "model/onnx_bytes.h"
#include "model/seal.h"
#include "nn/resolve.h"
#include "nn/visit.h"

namespace soma {
namespace {

void set_window(onnx::NodeProto& node, const std::vector<std::int64_t>& kernel, std::int64_t stride_h, std::int64_t stride_w,
                std::int64_t padding_h, std::int64_t padding_w) {
  set_attribute(node, "kernel_shape", kernel);
  set_attribute(node, "pads", std::vector<std::int64_t>{padding_h, padding_w, padding_h, padding_w});
  set_attribute(node, "strides", std::vector<std::int64_t>{stride_h, stride_w});
}

/// One layer → operators from the values `x` to the value `y`.
class LayerWriter {
 public:
  /// `input`, `output`: shapes of a sample of its first value and of what it makes.
  LayerWriter(GraphBuilder& graph, const Model& model, const Node& node, std::vector<std::string> x, std::string y, Shape input,
              Shape output)
      : graph_(graph),
        model_(model),
        node_(node),
        x_(std::move(x)),
        y_(std::move(y)),
        input_(std::move(input)),
        output_(std::move(output)) {
    graph_.making(output_);
  }

  void operator()(const Linear& linear) const {
    set_attribute(graph_.add("Gemm", with_arrays(linear.bias), y_), "transB", std::int64_t{1});
  }
  void operator()(const Conv2d& conv) const {
    onnx::NodeProto& node = graph_.add("Conv", with_arrays(conv.bias), y_);
    set_attribute(node, "dilations", std::vector<std::int64_t>{conv.dilation_h, conv.dilation_w});
    set_attribute(node, "group", conv.groups);
    set_window(node, {conv.kernel_h, conv.kernel_w}, conv.stride_h, conv.stride_w, conv.padding_h, conv.padding_w);
  }
  void operator()(const Pool& pool) const {
    const bool max = pool.kind == Pool::Kind::max;
    if (!max && (pool.padding_h > 0 || pool.padding_w > 0)) {
      // Zeros of their own count in every reader; count_include_pad does not.
      const std::int64_t h = pool.padding_h, w = pool.padding_w;
      graph_.making({input_[0], input_[1] + 2 * h, input_[2] + 2 * w});
      graph_.add("Pad", {x_[0], graph_.integers(node_.name + ".pads", {0, 0, h, w, 0, 0, h, w})}, inner("padded"));
      graph_.making(output_);
      set_window(graph_.add("AveragePool", {inner("padded")}, y_), {pool.size_h, pool.size_w}, pool.stride_h, pool.stride_w, 0,
                 0);
      return;
    }
    onnx::NodeProto& node = graph_.add(max ? "MaxPool" : "AveragePool", x_, y_);
    set_window(node, {pool.size_h, pool.size_w}, pool.stride_h, pool.stride_w, pool.padding_h, pool.padding_w);
  }
  void operator()(const GlobalAveragePool&) const { graph_.add("GlobalAveragePool", x_, y_); }
  void operator()(const BatchNorm& norm) const {
    std::vector<std::string> inputs = with_arrays(true);
    inputs.push_back(node_.name + ".running_mean");
    inputs.push_back(node_.name + ".running_var");
    onnx::NodeProto& node = graph_.add("BatchNormalization", inputs, y_);
    set_attribute(node, "epsilon", static_cast<float>(norm.epsilon));
    set_attribute(node, "momentum", static_cast<float>(1 - norm.momentum));
  }
  void operator()(const Dropout&) const { graph_.add("Identity", x_, y_); }
  void operator()(const AlphaDropout&) const { graph_.add("Identity", x_, y_); }
  void operator()(const Flatten&) const { set_attribute(graph_.add("Flatten", x_, y_), "axis", std::int64_t{1}); }
  void operator()(const Add&) const { graph_.add(x_.size() == 2 ? "Add" : "Sum", x_, y_); }
  void operator()(const Concat&) const { set_attribute(graph_.add("Concat", x_, y_), "axis", std::int64_t{1}); }
  void operator()(const Softmax& softmax) const {
    set_attribute(graph_.add(softmax.log ? "LogSoftmax" : "Softmax", x_, y_), "axis", std::int64_t{1});
  }
  void operator()(const Activation& activation) const {
    const float alpha = static_cast<float>(activation.alpha);
    switch (activation.kind) {
      case Activation::Kind::identity:
        graph_.add("Identity", x_, y_);
        return;
      case Activation::Kind::relu:
        graph_.add("Relu", x_, y_);
        return;
      case Activation::Kind::leaky_relu:
        set_attribute(graph_.add("LeakyRelu", x_, y_), "alpha", alpha);
        return;
      case Activation::Kind::elu:
        set_attribute(graph_.add("Elu", x_, y_), "alpha", alpha);
        return;
      case Activation::Kind::selu:
        graph_.add("Selu", x_, y_);
        return;
      case Activation::Kind::sigmoid:
        graph_.add("Sigmoid", x_, y_);
        return;
      case Activation::Kind::tanh:
        graph_.add("Tanh", x_, y_);
        return;
      case Activation::Kind::softplus:
        graph_.add("Softplus", x_, y_);
        return;
      case Activation::Kind::silu:
        graph_.add("Sigmoid", x_, inner("sigmoid"));
        graph_.add("Mul", {x_[0], inner("sigmoid")}, y_);
        return;
      case Activation::Kind::gelu:
        // x·Φ(x) = x·(1 + erf(x/√2))/2: opset 17 has no operator of its own.
        graph_.add("Div", {x_[0], graph_.floats("soma.root2", {}, std::array{std::sqrt(2.0F)})}, inner("scaled"));
        graph_.add("Erf", {inner("scaled")}, inner("erf"));
        graph_.add("Add", {inner("erf"), graph_.floats("soma.one", {}, std::array{1.0F})}, inner("sum"));
        graph_.add("Mul", {x_[0], inner("sum")}, inner("product"));
        graph_.add("Mul", {inner("product"), graph_.floats("soma.half", {}, std::array{0.5F})}, y_);
        return;
    }
  }

 private:
  std::string inner(const char* part) const { return node_.name + "." + part; }
  std::vector<std::string> with_arrays(bool bias) const {
    if (model_.quantization)
      for (const QuantizedLayer& layer : model_.quantization->layers)
        if (layer.node == node_.name) {
          auto inputs = write_quantized(model_, layer, x_[0], input_, graph_);
          graph_.making(output_);
          return inputs;
        }
    std::vector<std::string> inputs = {x_[0], node_.name + ".weight"};
    if (bias) inputs.push_back(node_.name + ".bias");
    return inputs;
  }

  GraphBuilder& graph_;
  const Model& model_;
  const Node& node_;
  std::vector<std::string> x_;
  std::string y_;
  Shape input_, output_;
};

void declare(onnx::ValueInfoProto& value, const std::string& name, const Shape& sample) {
  value.set_name(name);
  auto& tensor = *value.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx::TensorProto::FLOAT);
  tensor.mutable_shape()->add_dim()->set_dim_param("batch");
  for (const std::int64_t extent : sample) tensor.mutable_shape()->add_dim()->set_dim_value(extent);
}

/// Layers in order. A dropout does nothing here, so whoever reads it reads what it reads; only as the last one it leaves an
/// operator, because the graph's output needs one that makes it.
void write_layers(const Model& model, const ResolvedNetwork& network, const std::string& input, GraphBuilder& graph) {
  const auto sources = wiring(network.spec);
  std::vector<std::string> values;
  for (std::size_t i = 0; i < network.spec.nodes.size(); ++i) {
    const Node& node = network.spec.nodes[i];
    std::vector<std::string> x;
    for (const std::int64_t source : sources[i]) x.push_back(source < 0 ? input : values[static_cast<std::size_t>(source)]);
    const bool last = i + 1 == network.spec.nodes.size();
    const bool drops = std::holds_alternative<Dropout>(node.layer) || std::holds_alternative<AlphaDropout>(node.layer);
    values.push_back(last ? "output" : drops ? x[0] : node.name + ".y");
    const std::int64_t first = sources[i].empty() ? -1 : sources[i][0];
    const Shape& read = first < 0 ? network.spec.input : network.shapes[static_cast<std::size_t>(first)];
    if (last || !drops)
      std::visit(LayerWriter(graph, model, node, std::move(x), values.back(), read, network.shapes[i]), node.layer);
  }
}

}  // namespace

Result<std::string> to_onnx(const Model& model, std::string_view who) {
  const auto wrong = [&](std::string_view what) { return Error{Error::Kind::data, fmt::format("{}: {}", who, what)}; };
  const auto network = resolve(model.network);
  if (!network) return network.error();
  if (const std::string problem = model_problem(model, *network); !problem.empty()) return wrong(problem);

  onnx::ModelProto proto;
  proto.set_ir_version(kIrVersion);
  proto.set_producer_name("soma");
  proto.set_producer_version(sealed_version());

  onnx::GraphProto& graph = *proto.mutable_graph();
  graph.set_name(model.name.empty() ? "network" : model.name);
  declare(*graph.add_input(), "input", model.input);
  declare(*graph.add_output(), "output", network->shapes.back());
  GraphBuilder builder(graph);  // the output stands already, so nothing is said of it twice
  write_layers(model, *network, write_preprocess(model.preprocess, model.input, builder), builder);

  if (!model.quantization)
    for (const Tensor& tensor : model.parameters) builder.floats(tensor.name, tensor.shape, tensor.values);

  try {
    auto words = write_metadata(model, network->spec);
    words["soma.graph"] = fingerprint(graph);
    for (const auto& [key, value] : words) {
      onnx::StringStringEntryProto& entry = *proto.add_metadata_props();
      entry.set_key(key);
      entry.set_value(value);
    }
    onnx::StringStringEntryProto& seal = *proto.add_metadata_props();
    seal.set_key(std::string(kSealKey));
    seal.set_value(std::string(kSha256Digits, '0'));
  } catch (const nlohmann::json::type_error&) {
    return wrong("wanted names in UTF-8, got other bytes; try renaming classes, columns or layers");
  }
  std::string bytes;
  if (proto.ByteSizeLong() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    return wrong(fmt::format("ONNX wants at most 2 GiB, the model has {} bytes; try a smaller network", proto.ByteSizeLong()));
  SOMA_REQUIRE(proto.SerializeToString(&bytes));
  bytes += onnx_end();
  const auto seal = onnx_seal(bytes);
  SOMA_REQUIRE(seal.has_value());
  bytes.replace(*seal, kSha256Digits, seal_of(bytes, *seal));
  return bytes;
}

Result<void> write_onnx(const Model& model, const std::filesystem::path& file) {
  const auto bytes = to_onnx(model, file.string());
  if (!bytes) return bytes.error();
  return write_file(file, *bytes);
}

}  // namespace soma
