// Model ↔ ONNX graph: the parts of it, and who makes each.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/onnx_proto.h"
#include "soma/error.h"
#include "soma/model.h"

namespace soma {

struct TensorNames;

inline constexpr std::int64_t kOpset = 17, kIrVersion = 8;
inline constexpr std::int64_t kOldestIr = 3, kNewestIr = 14;
inline constexpr std::int64_t kOldestOpset = 7, kNewestOpset = 27;  // that importing understands

/// Nodes and arrays of a graph under construction.
class GraphBuilder {
 public:
  explicit GraphBuilder(onnx::GraphProto& graph) : graph_(graph) {}

  /// Appends an operator; its only output is `output`, which also names it. Returned for attributes.
  onnx::NodeProto& add(std::string_view op, const std::vector<std::string>& inputs, const std::string& output);

  /// What the operators added from here on make, for the graph's value_info: samples of this shape, or one array where there is
  /// no batch. Until it is called nothing is said.
  void making(const Shape& extents, onnx::TensorProto::DataType type = onnx::TensorProto::FLOAT, bool batch = true);

  /// Named arrays; adding a name twice adds it once. Return the name.
  std::string floats(const std::string& name, const Shape& shape, std::span<const float> values);
  std::string integers(const std::string& name, const std::vector<std::int64_t>& values);
  std::string signed_bytes(const std::string& name, const Shape& shape, const std::vector<std::int8_t>& values);
  std::string unsigned_byte(const std::string& name, std::uint8_t value);
  std::string integers32(const std::string& name, const std::vector<std::int32_t>& values);

 private:
  onnx::TensorProto* array(const std::string& name, const Shape& shape, onnx::TensorProto::DataType type);

  onnx::GraphProto& graph_;
  std::optional<onnx::TypeProto> makes_;
};

void set_attribute(onnx::NodeProto& node, std::string_view name, std::int64_t value);
void set_attribute(onnx::NodeProto& node, std::string_view name, const std::vector<std::int64_t>& values);
void set_attribute(onnx::NodeProto& node, std::string_view name, float value);

/// The arrays of a graph by name, checked before they are handed out.
class GraphArrays {
 public:
  /// Fails on arrays named twice, kept in other files, sparse, or whose bytes are not as many as their extents say.
  [[nodiscard]] static Result<GraphArrays> create(const onnx::GraphProto& graph, std::string_view who);

  [[nodiscard]] const onnx::TensorProto* find(const std::string& name) const;
  void add(const std::string& name, const onnx::TensorProto* array) { arrays_[name] = array; }

 private:
  std::map<std::string, const onnx::TensorProto*> arrays_;
};

/// "" or what is wrong with the array: its type, its extents, its length.
std::string array_problem(const onnx::TensorProto& array);

/// Of an array without problem: its extents; its values, empty when it holds another type.
Shape extents(const onnx::TensorProto& array);
std::vector<float> float_values(const onnx::TensorProto& array);
std::vector<std::int64_t> integer_values(const onnx::TensorProto& array);
/// Of 8 bits, signed or not, or of 32.
std::vector<std::int32_t> small_integer_values(const onnx::TensorProto& array);

/// Preprocessing as operators from `input` on; returns the name of the last value.
std::string write_preprocess(const Preprocess& preprocess, const Shape& raw, GraphBuilder& graph);

/// A layer's input through 8 bits and its arrays as the integers they stand for: QuantizeLinear and DequantizeLinear around them.
/// `input` is the shape of a sample of x. Returns what the layer's operator reads.
std::vector<std::string> write_quantized(const Model& model, const QuantizedLayer& layer, const std::string& x,
                                         const Shape& input, GraphBuilder& graph);
/// The arrays that write_quantized left → scales, and the layer's parameters appended to the model's.
[[nodiscard]] Result<void> read_quantized(const std::string& node, const Shape& weight, bool bias, const GraphArrays& arrays,
                                          Model& model, std::string_view who);

/// Model without arrays ↔ metadata words; writing throws nlohmann's type_error for names not in UTF-8. The numbers of the
/// preprocessing steps stay in the graph's arrays.
std::map<std::string, std::string> write_metadata(const Model& model, const NetworkSpec& resolved);
[[nodiscard]] Result<Model> read_metadata(const std::map<std::string, std::string>& words, const Shape& input,
                                          const GraphArrays& arrays, std::string_view who);

/// A word that changes when another tool has changed the operators.
std::string fingerprint(const onnx::GraphProto& graph);

/// A graph other tools made → Model, by its operators alone, and the name of what its layers make.
[[nodiscard]] Result<Model> import_graph(const onnx::ModelProto& proto, const Shape& input, GraphArrays arrays,
                                         std::string_view who, TensorNames& names);

/// Layers that a graph, or part of one, is made of.
struct Layers {
  NetworkSpec network;
  std::vector<Tensor> parameters;
  bool input_last = false, output_last = false;  ///< images of the graph have their channels last there
};

/// Whether such operators are layers, under conditions that import_layers checks.
[[nodiscard]] bool may_be_layer(const onnx::NodeProto& op);

/// A graph of one output, and one input that holds samples of this shape (channels first, or last where its operators turn them)
/// → layers. `understood`: how many of its operators are layers, where not all are.
[[nodiscard]] Result<Layers> import_layers(const onnx::ModelProto& proto, const Shape& input, GraphArrays arrays,
                                           std::string_view who, std::size_t& understood);

}  // namespace soma
