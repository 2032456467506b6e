// names, numbers and attributes → operators and arrays of an ONNX graph, and back.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "core/half_float.h"
#include "model/onnx.h"

namespace soma {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is written as it lies in memory");

constexpr std::int64_t kMostElements = std::numeric_limits<std::int32_t>::max();

template <class T>
std::vector<T> raw(const onnx::TensorProto& array) {
  std::vector<T> values(array.raw_data().size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), array.raw_data().data(), array.raw_data().size());
  return values;
}

/// Bytes of one element in raw_data, 0 for types soma does not read; and how many elements lie in the typed field.
std::size_t element_bytes(const onnx::TensorProto& array) {
  switch (array.data_type()) {
    case onnx::TensorProto::FLOAT:
    case onnx::TensorProto::INT32:
      return 4;
    case onnx::TensorProto::INT64:
    case onnx::TensorProto::DOUBLE:
      return 8;
    case onnx::TensorProto::FLOAT16:
    case onnx::TensorProto::BFLOAT16:
      return 2;
    case onnx::TensorProto::BOOL:
    case onnx::TensorProto::INT8:
    case onnx::TensorProto::UINT8:
      return 1;
    default:
      return 0;
  }
}

std::int64_t typed_elements(const onnx::TensorProto& array) {
  switch (array.data_type()) {
    case onnx::TensorProto::FLOAT:
      return array.float_data_size();
    case onnx::TensorProto::INT64:
      return array.int64_data_size();
    case onnx::TensorProto::DOUBLE:
      return array.double_data_size();
    default:
      return array.int32_data_size();
  }
}

}  // namespace

onnx::NodeProto& GraphBuilder::add(std::string_view op, const std::vector<std::string>& inputs, const std::string& output) {
  onnx::NodeProto& node = *graph_.add_node();
  node.set_op_type(std::string(op));
  node.set_name(output);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  const bool declared =
      std::any_of(graph_.output().begin(), graph_.output().end(), [&](const auto& value) { return value.name() == output; });
  if (makes_ && !declared) {
    onnx::ValueInfoProto& value = *graph_.add_value_info();
    value.set_name(output);
    *value.mutable_type() = *makes_;
  }
  return node;
}

void GraphBuilder::making(const Shape& extents, onnx::TensorProto::DataType type, bool batch) {
  auto& tensor = *makes_.emplace().mutable_tensor_type();
  tensor.set_elem_type(type);
  if (batch) tensor.mutable_shape()->add_dim()->set_dim_param("batch");
  for (const std::int64_t extent : extents) tensor.mutable_shape()->add_dim()->set_dim_value(extent);
}

onnx::TensorProto* GraphBuilder::array(const std::string& name, const Shape& shape, onnx::TensorProto::DataType type) {
  for (const auto& known : graph_.initializer())
    if (known.name() == name) return nullptr;
  onnx::TensorProto& made = *graph_.add_initializer();
  made.set_name(name);
  made.set_data_type(type);
  for (const std::int64_t extent : shape) made.add_dims(extent);
  return &made;
}

std::string GraphBuilder::floats(const std::string& name, const Shape& shape, std::span<const float> values) {
  SOMA_REQUIRE(static_cast<std::size_t>(elements(shape)) == values.size());
  if (auto* made = array(name, shape, onnx::TensorProto::FLOAT)) made->set_raw_data(values.data(), values.size_bytes());
  return name;
}

std::string GraphBuilder::integers(const std::string& name, const std::vector<std::int64_t>& values) {
  if (auto* made = array(name, {static_cast<std::int64_t>(values.size())}, onnx::TensorProto::INT64))
    made->set_raw_data(values.data(), values.size() * sizeof(std::int64_t));
  return name;
}

std::string GraphBuilder::signed_bytes(const std::string& name, const Shape& shape, const std::vector<std::int8_t>& values) {
  SOMA_REQUIRE(static_cast<std::size_t>(elements(shape)) == values.size());
  if (auto* made = array(name, shape, onnx::TensorProto::INT8)) made->set_raw_data(values.data(), values.size());
  return name;
}

std::string GraphBuilder::unsigned_byte(const std::string& name, std::uint8_t value) {
  if (auto* made = array(name, {}, onnx::TensorProto::UINT8)) made->set_raw_data(&value, 1);
  return name;
}

std::string GraphBuilder::integers32(const std::string& name, const std::vector<std::int32_t>& values) {
  if (auto* made = array(name, {static_cast<std::int64_t>(values.size())}, onnx::TensorProto::INT32))
    made->set_raw_data(values.data(), values.size() * sizeof(std::int32_t));
  return name;
}

void set_attribute(onnx::NodeProto& node, std::string_view name, std::int64_t value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(std::string(name));
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
}

void set_attribute(onnx::NodeProto& node, std::string_view name, const std::vector<std::int64_t>& values) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(std::string(name));
  attribute.set_type(onnx::AttributeProto::INTS);
  for (const std::int64_t value : values) attribute.add_ints(value);
}

void set_attribute(onnx::NodeProto& node, std::string_view name, float value) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(std::string(name));
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
}

std::string array_problem(const onnx::TensorProto& array) {
  const auto told = [&](std::string_view what) { return fmt::format("array '{}' {}", array.name(), what); };
  if (array.data_location() == onnx::TensorProto::EXTERNAL || array.external_data_size() > 0) {
    std::string place = "another file";
    for (const auto& entry : array.external_data())
      if (entry.key() == "location") place = "'" + entry.value() + "'";
    return told(fmt::format("lies in {}, wanted it in the model's own file; try exporting without external data", place));
  }
  if (array.has_segment()) return told("comes in segments, wanted it whole; try exporting it again");
  std::int64_t count = 1;
  for (const std::int64_t extent : array.dims()) {
    if (extent < 0 || (extent > 0 && count > kMostElements / extent))
      return told(fmt::format("has an extent of {}, wanted at most {} elements in all", extent, kMostElements));
    count *= extent;
  }
  if (array.data_type() == onnx::TensorProto::STRING)
    return array.string_data_size() == count
               ? ""
               : told(fmt::format("wanted {} elements for its extents, got {}", count, array.string_data_size()));
  const std::size_t bytes = element_bytes(array);
  if (bytes == 0)
    return told(
        fmt::format("has elements of ONNX type {}, wanted floats or integers; try exporting as float32", array.data_type()));
  const std::size_t wanted = static_cast<std::size_t>(count) * bytes;
  if (array.has_raw_data() && array.raw_data().size() != wanted)
    return told(fmt::format("wanted {} bytes for its extents, got {}", wanted, array.raw_data().size()));
  if (!array.has_raw_data() && typed_elements(array) != count)
    return told(fmt::format("wanted {} elements for its extents, got {}", count, typed_elements(array)));
  return "";
}

Shape extents(const onnx::TensorProto& array) { return Shape(array.dims().begin(), array.dims().end()); }

std::vector<float> float_values(const onnx::TensorProto& array) {
  if (array.data_type() == onnx::TensorProto::FLOAT)
    return array.has_raw_data() ? raw<float>(array) : std::vector<float>(array.float_data().begin(), array.float_data().end());
  if (array.data_type() == onnx::TensorProto::FLOAT16 || array.data_type() == onnx::TensorProto::BFLOAT16) {
    const auto bits = array.has_raw_data() ? raw<std::uint16_t>(array)
                                           : std::vector<std::uint16_t>(array.int32_data().begin(), array.int32_data().end());
    std::vector<float> wide(bits.size());
    std::transform(bits.begin(), bits.end(), wide.begin(),
                   array.data_type() == onnx::TensorProto::FLOAT16 ? from_half : from_bfloat);
    return wide;
  }
  if (array.data_type() != onnx::TensorProto::DOUBLE) return {};
  const auto wide =
      array.has_raw_data() ? raw<double>(array) : std::vector<double>(array.double_data().begin(), array.double_data().end());
  std::vector<float> narrow(wide.size());
  std::transform(wide.begin(), wide.end(), narrow.begin(), [](double value) { return static_cast<float>(value); });
  return narrow;
}

std::vector<std::int64_t> integer_values(const onnx::TensorProto& array) {
  if (array.data_type() == onnx::TensorProto::INT64)
    return array.has_raw_data() ? raw<std::int64_t>(array)
                                : std::vector<std::int64_t>(array.int64_data().begin(), array.int64_data().end());
  if (array.data_type() != onnx::TensorProto::INT32) return {};
  const auto narrow = array.has_raw_data() ? raw<std::int32_t>(array)
                                           : std::vector<std::int32_t>(array.int32_data().begin(), array.int32_data().end());
  return {narrow.begin(), narrow.end()};
}

std::vector<std::int32_t> small_integer_values(const onnx::TensorProto& array) {
  const auto typed = [&] { return std::vector<std::int32_t>(array.int32_data().begin(), array.int32_data().end()); };
  const auto widened = [](const auto& values) { return std::vector<std::int32_t>(values.begin(), values.end()); };
  switch (array.data_type()) {
    case onnx::TensorProto::INT8:
      return array.has_raw_data() ? widened(raw<std::int8_t>(array)) : typed();
    case onnx::TensorProto::UINT8:
      return array.has_raw_data() ? widened(raw<std::uint8_t>(array)) : typed();
    case onnx::TensorProto::INT32:
      return array.has_raw_data() ? raw<std::int32_t>(array) : typed();
    default:
      return {};
  }
}

Result<GraphArrays> GraphArrays::create(const onnx::GraphProto& graph, std::string_view who) {
  const auto wrong = [&](std::string_view what) { return Error{Error::Kind::data, fmt::format("{}: {}", who, what)}; };
  if (graph.sparse_initializer_size() > 0) return wrong("wanted dense arrays, got sparse ones; try exporting them dense");
  GraphArrays arrays;
  for (const onnx::TensorProto& array : graph.initializer()) {
    if (const std::string problem = array_problem(array); !problem.empty()) return wrong(problem);
    if (!arrays.arrays_.emplace(array.name(), &array).second)
      return wrong(fmt::format("array '{}' is there twice", array.name()));
  }
  return arrays;
}

const onnx::TensorProto* GraphArrays::find(const std::string& name) const {
  const auto at = arrays_.find(name);
  return at == arrays_.end() ? nullptr : at->second;
}

std::string fingerprint(const onnx::GraphProto& graph) {
  // FNV-1a, 64 bits: tells an edited graph from the one soma wrote; it is no protection against malice.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const onnx::NodeProto& node : graph.node())
    for (const char byte : node.SerializeAsString()) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

}  // namespace soma
