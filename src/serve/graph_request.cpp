// the bytes of an inference request for a graph → the arrays it takes and the outputs that are asked for.
#include "serve/graph_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

#include "core/text.h"
#include "serve/infer_json.h"

namespace soma {
namespace {

// In the order of ElementType.
constexpr std::array kTypes = {DataType::fp32,   DataType::fp64,   DataType::fp16,    DataType::bf16,  DataType::int8,
                               DataType::int16,  DataType::int32,  DataType::int64,   DataType::uint8, DataType::uint16,
                               DataType::uint32, DataType::uint64, DataType::boolean, DataType::bytes};
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 40;
constexpr std::int64_t kExact = std::int64_t{1} << 53;  // whole numbers up to here are in a double what they were in JSON

using Doubles = std::pmr::vector<double>;

template <class... Args>
Error wrong(fmt::format_string<Args...> format, Args&&... args) {
  return {Error::Kind::data, "infer: " + one_line(fmt::format(format, std::forward<Args>(args)...))};
}

std::string names(const std::vector<GraphPort>& ports) {
  std::vector<std::string_view> all(ports.size());
  std::transform(ports.begin(), ports.end(), all.begin(), [](const GraphPort& port) { return std::string_view(port.name); });
  return fmt::format("'{}'", fmt::join(all, "', '"));
}

/// The port of this name; ports.size() when there is none.
std::size_t find(const std::vector<GraphPort>& ports, std::string_view name) {
  const auto found = std::find_if(ports.begin(), ports.end(), [&](const GraphPort& port) { return port.name == name; });
  return static_cast<std::size_t>(found - ports.begin());
}

/// What one input of a request is, once its head has been checked.
struct Given {
  const JsonTensor* json = nullptr;
  DataType type = DataType::fp32;
  std::uint64_t count = 0;
  std::span<const std::byte> binary;
  std::size_t bytes = 0;  ///< that its array will take
};

template <class T>
void put(std::vector<std::byte>& bytes, std::span<const double> values) {
  bytes.resize(values.size() * sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T value = static_cast<T>(values[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
}

/// Each value is one of `type`.
void put(DataType type, std::span<const double> values, std::vector<std::byte>& bytes) {
  switch (type) {
    case DataType::fp32:
      return put<float>(bytes, values);
    case DataType::fp64:
      return put<double>(bytes, values);
    case DataType::int8:
      return put<std::int8_t>(bytes, values);
    case DataType::int16:
      return put<std::int16_t>(bytes, values);
    case DataType::int32:
      return put<std::int32_t>(bytes, values);
    case DataType::int64:
      return put<std::int64_t>(bytes, values);
    case DataType::uint16:
      return put<std::uint16_t>(bytes, values);
    case DataType::uint32:
      return put<std::uint32_t>(bytes, values);
    case DataType::uint64:
      return put<std::uint64_t>(bytes, values);
    default:
      return put<std::uint8_t>(bytes, values);
  }
}

/// Length and bytes, `count` times → how many bytes the words have together; nothing when they are not exactly that.
template <class Take>
bool each_word(std::span<const std::byte> binary, std::uint64_t count, Take&& take) {
  std::string_view rest(reinterpret_cast<const char*>(binary.data()), binary.size());
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint32_t size = 0;
    if (rest.size() < sizeof size) return false;
    std::memcpy(&size, rest.data(), sizeof size);
    rest.remove_prefix(sizeof size);
    if (rest.size() < size) return false;
    take(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  return rest.empty();
}

/// The parts of a request that hang together: its JSON and what was read of it.
class Reader {
 public:
  Reader(const Graph& graph, std::pmr::memory_resource* memory) : graph_(graph), values_(memory), words_(memory) {}

  Result<GraphRequest> read(std::string_view text, std::span<const std::byte> binary, int depth, http::Budget& budget) {
    {
      const http::Charge charge(budget, 3 * text.size());  // the longest string or number that one piece of it may be
      if (const auto parsed = parse_infer_json(text, depth, json_, values_, words_); !parsed) return parsed.error();
    }
    GraphRequest request;
    request.id = std::move(json_.id);
    request.timeout_us = json_.timeout_us;
    if (const auto asked = outputs(request); !asked) return asked.error();
    std::vector<Given> given(graph_.inputs().size());
    for (const JsonTensor& tensor : json_.inputs) {
      const std::size_t port = find(graph_.inputs(), tensor.name);
      if (port == given.size()) return wrong("no input '{}'; inputs are {}", tensor.name, names(graph_.inputs()));
      if (given[port].json != nullptr) return wrong("wanted input '{}' once, got it twice", tensor.name);
      if (const auto checked = head(graph_.inputs()[port], tensor, binary, given[port]); !checked) return checked.error();
    }
    if (!binary.empty()) return wrong("unexpected additional input data: {} bytes behind the last tensor", binary.size());
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (given[i].json == nullptr) return wrong("wanted input '{}' in 'inputs', got none", graph_.inputs()[i].name);
      bytes += given[i].bytes;
    }
    request.charge = std::make_unique<http::Charge>(budget, bytes);
    for (const Given& each : given) request.inputs.push_back(array(each));
    return request;
  }

 private:
  Result<void> outputs(GraphRequest& request) const {
    for (const JsonOutput& output : json_.outputs) {
      const std::size_t index = find(graph_.outputs(), output.name);
      if (index == graph_.outputs().size()) return wrong("no output '{}'; outputs are {}", output.name, names(graph_.outputs()));
      if (output.shared_memory) return wrong("shared memory is not supported; try binary_data");
      if (output.classification > 0)
        return wrong("wanted outputs as they are, got 'classification' for '{}'; nobody knows what a graph's numbers mean",
                     output.name);
      const bool twice = std::any_of(request.outputs.begin(), request.outputs.end(),
                                     [&](const GraphOutput& other) { return other.index == index; });
      if (twice) return wrong("wanted output '{}' once, got it twice", output.name);
      request.outputs.push_back({index, output.binary.value_or(json_.binary_output)});
    }
    for (std::size_t i = 0; i < graph_.outputs().size() && json_.outputs.empty(); ++i)
      request.outputs.push_back({i, json_.binary_output});
    return {};
  }

  /// Takes the tensor's bytes off the front of `binary`, if that is where they are.
  Result<void> head(const GraphPort& port, const JsonTensor& tensor, std::span<const std::byte>& binary, Given& given) const {
    if (tensor.shared_memory) return wrong("shared memory is not supported; try binary_data_size");
    const DataType wanted = data_type_of(port.type);
    if (tensor.datatype != name_of(wanted))
      return wrong("wanted {} for '{}', got '{}'", name_of(wanted), port.name, tensor.datatype);
    if (!tensor.has_shape) return wrong("wanted a 'shape' for '{}', got none", port.name);
    const bool fits = !port.ranked || std::equal(port.extents.begin(), port.extents.end(), tensor.shape.begin(),
                                                 tensor.shape.end(), [](std::int64_t declared, std::uint64_t got) {
                                                   return declared < 0 || static_cast<std::uint64_t>(declared) == got;
                                                 });
    if (!fits)
      return wrong("wanted shape [{}] for '{}', -1 standing for any number, got [{}]", fmt::join(port.extents, ","), port.name,
                   fmt::join(tensor.shape, ","));
    const auto count = count_elements(tensor.shape, kMostElements);
    if (!count) return wrong("wanted at most {} numbers for '{}', got more", kMostElements, port.name);
    given = {&tensor, wanted, *count, {}, static_cast<std::size_t>(*count) * std::max(size_of(wanted), std::size_t{1})};
    if (!tensor.binary_size) return json_data(port, tensor, given);
    if (tensor.has_data) return wrong("wanted 'data' or 'binary_data_size' for '{}', got both", port.name);
    const std::uint64_t size = *tensor.binary_size;
    if (size > binary.size())
      return wrong("unexpected size for input '{}': binary_data_size says {}, got {} bytes behind the JSON", port.name, size,
                   binary.size());
    given.binary = binary.first(static_cast<std::size_t>(size));
    binary = binary.subspan(static_cast<std::size_t>(size));
    if (wanted == DataType::bytes) {
      if (!each_word(given.binary, *count, [](std::string_view) {}))
        return wrong("unexpected size for input '{}': wanted {} elements, each a length and as many bytes, got others", port.name,
                     *count);
      given.bytes = given.binary.size() + static_cast<std::size_t>(*count) * sizeof(std::string);
    } else if (size != *count * size_of(wanted)) {
      return wrong("unexpected size for input '{}': wanted {} bytes for shape [{}] {}, binary_data_size says {}", port.name,
                   *count * size_of(wanted), fmt::join(tensor.shape, ","), tensor.datatype, size);
    }
    return {};
  }

  Result<void> json_data(const GraphPort& port, const JsonTensor& tensor, Given& given) const {
    const DataType type = given.type;
    if (!tensor.has_data) return wrong("wanted 'data' for '{}', got none", port.name);
    if (type == DataType::fp16 || type == DataType::bf16)
      return wrong("{} has no JSON form; try binary_data_size", tensor.datatype);
    const std::string_view kind = type == DataType::bytes ? "strings" : type == DataType::boolean ? "booleans" : "numbers";
    const bool mixed = (tensor.strings ? 1 : 0) + (tensor.numbers ? 1 : 0) + (tensor.booleans ? 1 : 0) > 1;
    if (mixed || tensor.strings != (type == DataType::bytes && tensor.count > 0) ||
        (tensor.booleans && type != DataType::boolean))
      return wrong("wanted {} in the data of '{}', got another kind of value", kind, port.name);
    if (tensor.count != given.count)
      return wrong("wanted {} values for shape [{}] in the data of '{}', got {}", given.count, fmt::join(tensor.shape, ","),
                   port.name, tensor.count);
    if (tensor.nesting.size() > 1 && given.count > 0 && tensor.nesting != tensor.shape)
      return wrong("wanted data of '{}' nested as shape [{}], or a flat list, got [{}]", port.name, fmt::join(tensor.shape, ","),
                   fmt::join(tensor.nesting, ","));
    if (const auto range = range_of(type); range && tensor.numbers) {
      if (tensor.fractions || tensor.beyond || tensor.least < range->least || tensor.most > range->most)
        return wrong("wanted whole numbers of {} in the data of '{}', got others", tensor.datatype, port.name);
      if (tensor.most > static_cast<std::uint64_t>(kExact) || tensor.least < -kExact)
        return wrong("wanted whole numbers of at most 2^53 in the JSON of '{}', got larger ones; try binary_data_size",
                     port.name);
    }
    const bool large =
        tensor.infinite ||
        (type == DataType::fp32 && !all_of(tensor, [](double value) { return std::isfinite(static_cast<float>(value)); }));
    if (large) return wrong("wanted numbers that {} can hold in the data of '{}', got larger ones", tensor.datatype, port.name);
    if (type == DataType::bytes) given.bytes = words_.text.size() + static_cast<std::size_t>(given.count) * sizeof(std::string);
    return {};
  }

  [[nodiscard]] std::span<const double> values_of(const JsonTensor& tensor) const {
    return std::span<const double>(values_).subspan(tensor.first, tensor.count);
  }
  template <class Holds>
  [[nodiscard]] bool all_of(const JsonTensor& tensor, Holds&& holds) const {
    const std::span<const double> values = values_of(tensor);
    return std::all_of(values.begin(), values.end(), holds);
  }

  [[nodiscard]] TypedArray array(const Given& given) const {
    TypedArray array{element_type_of(given.type), Shape(given.json->shape.begin(), given.json->shape.end()), {}, {}};
    const bool words = given.type == DataType::bytes;
    if (words) array.strings.reserve(static_cast<std::size_t>(given.count));
    if (given.json->binary_size && words)
      each_word(given.binary, given.count, [&](std::string_view word) { array.strings.emplace_back(word); });
    else if (given.json->binary_size)
      array.bytes.assign(given.binary.begin(), given.binary.end());
    else if (words)
      for (std::size_t i = 0; i < given.count; ++i) array.strings.emplace_back(words_[given.json->first_word + i]);
    else
      put(given.type, values_of(*given.json), array.bytes);
    return array;
  }

  const Graph& graph_;
  InferJson json_;
  Doubles values_;
  JsonWords words_;
};

}  // namespace

DataType data_type_of(ElementType type) { return kTypes[static_cast<std::size_t>(type)]; }

ElementType element_type_of(DataType type) {
  return static_cast<ElementType>(std::find(kTypes.begin(), kTypes.end(), type) - kTypes.begin());
}

Result<GraphRequest> read_graph_request(std::span<const std::byte> body, std::string_view header_length, const Graph& graph,
                                        int depth, std::pmr::memory_resource* memory, http::Budget& budget) {
  std::uint64_t length = body.size();
  if (!header_length.empty()) {
    const auto [end, error] = std::from_chars(header_length.data(), header_length.data() + header_length.size(), length);
    if (error != std::errc() || end != header_length.data() + header_length.size() || length > body.size())
      return wrong("wanted Inference-Header-Content-Length from 0 to the body's {} bytes, got '{}'", body.size(), header_length);
    if (length == 0) return wrong("wanted JSON before the tensors of a graph, got none");
  }
  const auto size = static_cast<std::size_t>(length);
  return Reader(graph, memory).read({reinterpret_cast<const char*>(body.data()), size}, body.subspan(size), depth, budget);
}

}  // namespace soma
