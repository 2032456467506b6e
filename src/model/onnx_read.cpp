// an ONNX file → Model: soma's own by their metadata, others by their operators. Trusts nothing in the file.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "core/text.h"
#include "model/check.h"
#include "model/onnx.h"
#include "model/onnx_bytes.h"
#include "model/onnx_file.h"
#include "model/onnx_names.h"
#include "nn/resolve.h"

namespace soma {
namespace {

/// The shape of one sample at the graph's only input that is no array of weights.
Result<Shape> input_shape(const onnx::GraphProto& graph, const GraphArrays& arrays, std::string_view who) {
  const auto wrong = [&](std::string_view what) {
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted one input of floats [batch, features], [batch, height, width] or [batch, "
                             "channels, height, width], got {}; try exporting again",
                             who, what)};
  };
  const onnx::ValueInfoProto* input = nullptr;
  for (const onnx::ValueInfoProto& value : graph.input()) {
    if (arrays.find(value.name()) != nullptr) continue;  // before IR 4 arrays were listed as inputs, too
    if (input != nullptr) return wrong(fmt::format("'{}' and '{}'", input->name(), value.name()));
    input = &value;
  }
  if (input == nullptr) return wrong("none");
  const auto& type = input->type().tensor_type();
  constexpr std::array numbers = {onnx::TensorProto::FLOAT, onnx::TensorProto::DOUBLE, onnx::TensorProto::FLOAT16,
                                  onnx::TensorProto::BFLOAT16, onnx::TensorProto::UINT8};
  if (std::find(numbers.begin(), numbers.end(), type.elem_type()) == numbers.end())
    return wrong(fmt::format("elements of ONNX type {}", type.elem_type()));
  const int rank = type.shape().dim_size();
  if (rank < 2 || rank > 4) return wrong(fmt::format("{} extents", rank));
  Shape shape;
  if (rank == 3) shape.push_back(1);
  for (int i = 1; i < rank; ++i) {
    const auto& extent = type.shape().dim(i);
    if (!extent.has_dim_value() || extent.dim_value() < 1 || extent.dim_value() > std::numeric_limits<std::int32_t>::max())
      return wrong(extent.has_dim_value() ? fmt::format("an extent of {}", extent.dim_value())
                                          : fmt::format("an extent '{}' that is not fixed", extent.dim_param()));
    shape.push_back(extent.dim_value());
  }
  return shape;
}

std::map<std::string, std::string> metadata_of(const onnx::ModelProto& proto) {
  std::map<std::string, std::string> words;
  for (const auto& entry : proto.metadata_props()) words.emplace(entry.key(), entry.value());
  return words;
}

/// What soma wrote: the metadata say which layers, the arrays lie under their published names.
Result<Model> own_model(const std::map<std::string, std::string>& words, const Shape& input, const GraphArrays& arrays,
                        std::string_view who) {
  const auto wrong = [&](std::string_view what) { return Error{Error::Kind::data, fmt::format("{}: {}", who, what)}; };
  auto model = read_metadata(words, input, arrays, who);
  if (!model) return model;
  auto network = resolve(model->network);
  if (!network) return wrong(network.error().message);
  const auto shapes = parameter_shapes(*network);
  if (model->quantization)
    for (const Node& node : network->spec.nodes) {
      const auto* linear = std::get_if<Linear>(&node.layer);
      const auto* conv = std::get_if<Conv2d>(&node.layer);
      if (linear == nullptr && conv == nullptr) continue;
      const auto weight =
          std::find_if(shapes.begin(), shapes.end(), [&](const auto& each) { return each.name == node.name + ".weight"; });
      const bool bias = linear != nullptr ? linear->bias : conv->bias;
      if (const auto read = read_quantized(node.name, weight->shape, bias, arrays, *model, who); !read) return read.error();
    }
  for (const ParameterShape& wanted : shapes) {
    if (model->quantization) break;  // only layers with scales have arrays, or model_problem says so
    const onnx::TensorProto* array = arrays.find(wanted.name);
    if (array == nullptr) return wrong(fmt::format("array '{}' is missing; try saving the model again", wanted.name));
    if (extents(*array) != wanted.shape || array->data_type() != onnx::TensorProto::FLOAT)
      return wrong(
          fmt::format("array '{}' wants floats {}, got {}", wanted.name, to_string(wanted.shape), to_string(extents(*array))));
    model->parameters.push_back({wanted.name, wanted.shape, float_values(*array)});
  }
  if (const std::string problem = model_problem(*model, *network); !problem.empty()) return wrong(problem);
  model->network = std::move(network->spec);
  return model;
}

/// Of soma's own: one input that is no array, one output.
TensorNames names_of(const onnx::GraphProto& graph) {
  TensorNames names;
  const auto is_array = [&](const std::string& name) {
    return std::any_of(graph.initializer().begin(), graph.initializer().end(),
                       [&](const auto& array) { return array.name() == name; });
  };
  for (const onnx::ValueInfoProto& value : graph.input())
    if (!is_array(value.name())) names.input = value.name();
  if (graph.output_size() > 0) names.output = graph.output(0).name();
  return names;
}

Result<Model> understood(const onnx::ModelProto& proto, std::string_view who, TensorNames& names) {
  if (proto.functions_size() > 0)
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted plain operators, got function '{}'; try exporting with functions inlined", who,
                             proto.functions(0).name())};
  auto arrays = GraphArrays::create(proto.graph(), who);
  if (!arrays) return arrays.error();
  const auto input = input_shape(proto.graph(), *arrays, who);
  if (!input) return input.error();
  names = names_of(proto.graph());
  const auto words = metadata_of(proto);
  const auto mark = words.find("soma.graph");
  if (mark != words.end() && mark->second == fingerprint(proto.graph())) return own_model(words, *input, *arrays, who);
  return import_graph(proto, *input, std::move(*arrays), who, names);
}

/// Names in a foreign file may hold anything; a message stays one line.
Result<Model> to_model(const onnx::ModelProto& proto, std::string_view who, TensorNames& names) {
  auto model = understood(proto, who, names);
  if (!model) return Error{model.error().kind, one_line(model.error().message)};
  return model;
}

}  // namespace

Result<Model> parse_onnx(std::string_view bytes, std::string_view who, Changed changed) {
  onnx::ModelProto proto;
  if (const auto parsed = parse_model(bytes, who, changed, proto); !parsed) return parsed.error();
  TensorNames names;
  return to_model(proto, who, names);
}

Result<Model> read_onnx(const std::filesystem::path& file, Changed changed) {
  TensorNames names;
  return read_onnx(file, changed, names);
}

Result<Model> read_onnx(const std::filesystem::path& file, Changed changed, TensorNames& names) {
  onnx::ModelProto proto;
  if (const auto read = read_model(file, changed, proto); !read) return read.error();
  return to_model(proto, file.string(), names);
}

}  // namespace soma
