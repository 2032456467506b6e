// an ONNX file → Model: soma's own by their metadata, others by their operators. Trusts nothing in the file.
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <limits>

#include "core/file.h"
#include "core/text.h"
#include "model/check.h"
#include "model/onnx.h"
#include "model/onnx_bytes.h"
#include "model/seal.h"
#include "nn/resolve.h"

namespace soma {
namespace {

constexpr std::size_t kMostBytes = std::numeric_limits<std::int32_t>::max();
constexpr int kDeepestMessage = 64;
constexpr int kMostNodes = 10'000;
constexpr std::string_view kUnsealedVersion = "0.1.0";

Result<void> parse_message(std::string_view bytes, std::string_view who, onnx::ModelProto& proto) {
  const auto wrong = [&](std::string_view what) { return Error{Error::Kind::data, fmt::format("{}: {}", who, one_line(what))}; };
  if (bytes.size() > kMostBytes) return wrong(fmt::format("wanted at most {} bytes, got {}", kMostBytes, bytes.size()));
  const google::protobuf::LogSilencer silence;  // the library never prints
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  in.SetRecursionLimit(kDeepestMessage);
  if (!proto.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage() || !proto.has_graph() || !proto.has_ir_version())
    return wrong("wanted an ONNX model, got other or damaged bytes; try another file");
  if (proto.ir_version() < 3 || proto.ir_version() > 13)
    return wrong(fmt::format("wanted ONNX IR version 3 to 13, got {}; try exporting with opset {}", proto.ir_version(), kOpset));
  if (proto.graph().node_size() > kMostNodes)
    return wrong(fmt::format("wanted at most {} operators, got {}; try a smaller model", kMostNodes, proto.graph().node_size()));
  if (proto.functions_size() > 0)
    return wrong(fmt::format("wanted plain operators, got function '{}'; try exporting with functions inlined",
                             proto.functions(0).name()));
  return {};
}

bool by_soma(const onnx::ModelProto& proto) {
  const auto& words = proto.metadata_props();
  return proto.producer_name() == "soma" ||
         std::any_of(words.begin(), words.end(), [](const auto& word) { return word.key().starts_with("soma."); });
}

/// parse_message, of a file that is as soma wrote it or that soma did not write.
Result<void> parse_sealed(std::string_view bytes, std::string_view who, Changed changed, onnx::ModelProto& proto) {
  const auto seal = onnx_seal(bytes);
  if (seal && changed == Changed::refuse)
    if (const auto holds = hold_seal(bytes, *seal, who); !holds) return holds;
  if (const auto parsed = parse_message(bytes, who, proto); !parsed) return parsed;
  const bool needs_seal = by_soma(proto) && proto.producer_version() != kUnsealedVersion;
  if (!seal && needs_seal && changed == Changed::refuse) return seal_is_gone(who);
  return {};
}

/// The shape of one sample at the graph's only input that is no array of weights.
Result<Shape> input_shape(const onnx::GraphProto& graph, const GraphArrays& arrays, std::string_view who) {
  const auto wrong = [&](std::string_view what) {
    return Error{Error::Kind::data, fmt::format("{}: wanted one input of floats [batch, features] or [batch, channels, height, "
                                                "width], got {}; try exporting again",
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
  if (type.elem_type() != onnx::TensorProto::FLOAT) return wrong(fmt::format("elements of ONNX type {}", type.elem_type()));
  if (type.shape().dim_size() != 2 && type.shape().dim_size() != 4)
    return wrong(fmt::format("{} extents", type.shape().dim_size()));
  Shape shape;
  for (int i = 1; i < type.shape().dim_size(); ++i) {
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

Result<Model> understood(const onnx::ModelProto& proto, std::string_view who) {
  auto arrays = GraphArrays::create(proto.graph(), who);
  if (!arrays) return arrays.error();
  const auto input = input_shape(proto.graph(), *arrays, who);
  if (!input) return input.error();
  const auto words = metadata_of(proto);
  const auto mark = words.find("soma.graph");
  if (mark != words.end() && mark->second == fingerprint(proto.graph())) return own_model(words, *input, *arrays, who);
  return import_graph(proto, *input, std::move(*arrays), who);
}

/// Names in a foreign file may hold anything; a message stays one line.
Result<Model> to_model(const onnx::ModelProto& proto, std::string_view who) {
  auto model = understood(proto, who);
  if (!model) return Error{model.error().kind, one_line(model.error().message)};
  return model;
}

}  // namespace

Result<Model> parse_onnx(std::string_view bytes, std::string_view who, Changed changed) {
  onnx::ModelProto proto;
  if (const auto parsed = parse_sealed(bytes, who, changed, proto); !parsed) return parsed.error();
  return to_model(proto, who);
}

Result<Model> read_onnx(const std::filesystem::path& file, Changed changed) {
  onnx::ModelProto proto;
  {
    const auto bytes = read_file(file, kMostBytes);
    if (!bytes) return bytes.error();
    if (const auto parsed = parse_sealed(*bytes, file.string(), changed, proto); !parsed) return parsed.error();
  }
  return to_model(proto, file.string());
}

}  // namespace soma
