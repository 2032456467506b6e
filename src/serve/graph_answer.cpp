// what a graph put out → the body of an inference answer: JSON, binary tensors, or both.
#include "serve/graph_answer.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/text.h"
#include "serve/json_text.h"

namespace soma {
namespace {

template <class T, class Take>
void each(const TypedArray& array, Take&& take) {
  for (std::size_t at = 0; at + sizeof(T) <= array.bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, array.bytes.data() + at, sizeof(T));
    take(value);
  }
}

template <class T>
bool finite(const TypedArray& array) {
  bool all = true;
  each<T>(array, [&](T value) { all = all && std::isfinite(value); });
  return all;
}

/// Why JSON cannot say it; empty = it can.
std::string_view unsayable(const TypedArray& array) {
  switch (array.type) {
    case ElementType::f16:
    case ElementType::bf16:
      return "numbers of 16 bits";
    case ElementType::f32:
      return finite<float>(array) ? "" : "a number that is not finite";
    case ElementType::f64:
      return finite<double>(array) ? "" : "a number that is not finite";
    default:
      return "";
  }
}

template <class T>
void write_numbers(const TypedArray& array, JsonWriter& json) {
  each<T>(array, [&](T value) { json.value(value); });
}

void write_data(const TypedArray& array, JsonWriter& json) {
  switch (array.type) {
    case ElementType::f32:
      return write_numbers<float>(array, json);
    case ElementType::f64:
      return write_numbers<double>(array, json);
    case ElementType::i8:
      return write_numbers<std::int8_t>(array, json);
    case ElementType::i16:
      return write_numbers<std::int16_t>(array, json);
    case ElementType::i32:
      return write_numbers<std::int32_t>(array, json);
    case ElementType::i64:
      return write_numbers<std::int64_t>(array, json);
    case ElementType::u8:
      return write_numbers<std::uint8_t>(array, json);
    case ElementType::u16:
      return write_numbers<std::uint16_t>(array, json);
    case ElementType::u32:
      return write_numbers<std::uint32_t>(array, json);
    case ElementType::u64:
      return write_numbers<std::uint64_t>(array, json);
    case ElementType::boolean:
      return each<std::uint8_t>(array, [&](std::uint8_t value) { json.value(value != 0); });
    case ElementType::string:
      for (const std::string& word : array.strings) json.value(word);
      return;
    default:
      return;  // unsayable() has them
  }
}

std::size_t binary_size(const TypedArray& array) {
  std::size_t bytes = array.bytes.size();
  for (const std::string& word : array.strings) bytes += sizeof(std::uint32_t) + word.size();
  return bytes;
}

void append_binary(const TypedArray& array, http::Buffer& body) {
  body.append({reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()});
  for (const std::string& word : array.strings) {
    const auto size = static_cast<std::uint32_t>(word.size());
    body.append({reinterpret_cast<const char*>(&size), sizeof size});
    body.append(word);
  }
}

}  // namespace

Result<std::size_t> write_graph_answer(const GraphRequest& request, std::string_view name, std::string_view version,
                                       const Graph& graph, std::span<const TypedArray> made, http::Buffer& body) {
  const std::size_t start = body.size();
  JsonWriter json(body);
  json.open('{').field("model_name", name).field("model_version", version);
  if (!request.id.empty()) json.field("id", request.id);
  json.key("outputs").open('[');
  bool binary = false;
  for (const GraphOutput& wanted : request.outputs) {
    const std::string& output = graph.outputs()[wanted.index].name;
    const TypedArray& array = made[wanted.index];
    json.open('{').field("name", output).field("datatype", name_of(data_type_of(array.type))).list("shape", array.extents);
    if (wanted.binary) {
      binary = true;
      json.key("parameters").open('{').field("binary_data_size", binary_size(array)).close('}');
    } else {
      if (const std::string_view what = unsayable(array); !what.empty())
        return Error{Error::Kind::data,
                     one_line(fmt::format("infer: output '{}' holds {}, which JSON cannot say; try binary_data", output, what))};
      json.key("data").open('[');
      write_data(array, json);
      json.close(']');
    }
    json.close('}');
  }
  json.close(']').close('}');
  if (!binary) return std::size_t{0};
  const std::size_t length = body.size() - start;
  for (const GraphOutput& wanted : request.outputs)
    if (wanted.binary) append_binary(made[wanted.index], body);
  return length;
}

}  // namespace soma
