// the bytes of an inference request → what it asks for, checked against the model: JSON, binary tensors, or one raw tensor.
#include "serve/infer_request.h"

#include <fmt/format.h>

#include <charconv>

#include "core/text.h"
#include "serve/infer_json.h"

namespace soma {
namespace {

template <class... Args>
Error wrong(fmt::format_string<Args...> format, Args&&... args) {
  return {Error::Kind::data, "infer: " + one_line(fmt::format(format, std::forward<Args>(args)...))};
}

/// Rows of a shape that fits the model, or nothing.
std::optional<std::int64_t> rows_of(std::span<const std::uint64_t> shape, const Shape& sample) {
  const auto size = static_cast<std::uint64_t>(elements(sample));
  if (shape.empty()) return std::nullopt;
  const std::span<const std::uint64_t> rest = shape.subspan(1);
  const bool same = rest.size() == sample.size() && std::equal(rest.begin(), rest.end(), sample.begin(),
                                                               [](auto a, auto b) { return a == static_cast<std::uint64_t>(b); });
  const bool flat = rest.size() == 1 && rest[0] == size;
  if (!same && !flat) return std::nullopt;
  return static_cast<std::int64_t>(shape[0]);
}

class Reader {
 public:
  Reader(const ModelFace& model, const InferLimits& limits, InferRequest& request)
      : model_(model), limits_(limits), request_(request) {}

  Result<void> raw(std::span<const std::byte> body) {
    const auto size = static_cast<std::size_t>(elements(model_.input)) * sizeof(float);
    if (body.empty() || body.size() % size != 0)
      return wrong("wanted a multiple of {} bytes for '{}' (FP32 [rows,{}]), got {}", size, kInputName,
                   fmt::join(model_.input, ","), body.size());
    request_.binary_output = true;
    return take(DataType::fp32, static_cast<std::int64_t>(body.size() / size), body);
  }

  Result<void> json(std::string_view text, std::span<const std::byte> binary) {
    InferJson json;
    if (auto parsed = parse_infer_json(text, limits_.depth, json, request_.values); !parsed) return parsed;
    request_.id = std::move(json.id);
    request_.binary_output = json.binary_output;
    request_.timeout_us = json.timeout_us;
    if (json.outputs.size() > 1) return wrong("wanted at most one output ('{}'), got {}", kOutputName, json.outputs.size());
    for (const JsonOutput& output : json.outputs) {
      if (output.name != kOutputName)
        return wrong("model '{}' has no output '{}'; its output is '{}'", model_.name, output.name, kOutputName);
      if (output.shared_memory) return wrong("shared memory is not supported; try binary_data");
      request_.output = {output.binary, output.classification};
    }
    if (json.inputs.size() != 1)
      return wrong("wanted one input ('{}') in 'inputs', got {}", kInputName, json.has_inputs ? json.inputs.size() : 0);
    return tensor(json.inputs.front(), binary);
  }

 private:
  Result<void> tensor(const JsonTensor& input, std::span<const std::byte> binary) {
    if (input.name != kInputName)
      return wrong("model '{}' has no input '{}'; its input is '{}'", model_.name, input.name, kInputName);
    if (input.shared_memory) return wrong("shared memory is not supported; try binary_data_size");
    const auto type = data_type(input.datatype);
    if (!type || *type == DataType::bytes)
      return wrong("wanted FP32 (or another number type) for '{}', got '{}'", kInputName, input.datatype);
    if (!input.has_shape) return wrong("wanted a 'shape' for '{}', got none", kInputName);
    const auto rows = rows_of(input.shape, model_.input);
    if (!rows)
      return wrong("wanted shape [rows,{}] for '{}', got [{}]", fmt::join(model_.input, ","), kInputName,
                   fmt::join(input.shape, ","));
    const auto size = static_cast<std::uint64_t>(elements(model_.input));
    if (static_cast<std::uint64_t>(*rows) > static_cast<std::uint64_t>(limits_.rows) || *rows < 0)
      return wrong("wanted at most {} rows, got {}; try several requests", limits_.rows, input.shape[0]);
    const std::uint64_t count = static_cast<std::uint64_t>(*rows) * size;  // < 2^63: rows are limited, a sample fits memory

    if (input.binary_size) {
      if (input.has_data) return wrong("wanted 'data' or 'binary_data_size' for '{}', got both", kInputName);
      const std::uint64_t wanted = count * size_of(*type);
      if (*input.binary_size != wanted)
        return wrong("unexpected size for input '{}': wanted {} bytes for shape [{}] {}, binary_data_size says {}", kInputName,
                     wanted, fmt::join(input.shape, ","), input.datatype, *input.binary_size);
      if (binary.size() < wanted)
        return wrong("unexpected size for input '{}': wanted {} bytes behind the JSON, got {}", kInputName, wanted,
                     binary.size());
      if (binary.size() > wanted)
        return wrong("unexpected additional input data: wanted {} bytes behind the JSON, got {}", wanted, binary.size());
      return take(*type, *rows, binary);
    }
    if (!binary.empty())
      return wrong("unexpected additional input data: wanted none behind the JSON, got {} bytes", binary.size());
    if (!input.has_data) return wrong("wanted 'data' for '{}', got none", kInputName);
    return values(input, *type, *rows, count);
  }

  Result<void> values(const JsonTensor& input, DataType type, std::int64_t rows, std::uint64_t count) {
    if (type == DataType::fp16 || type == DataType::bf16)
      return wrong("{} has no JSON form; try binary_data_size, or FP32", input.datatype);
    if (input.count != count)
      return wrong("wanted {} values for shape [{}], got {}", count, fmt::join(input.shape, ","), input.count);
    if (input.strings || (input.booleans && (type != DataType::boolean || input.numbers)))
      return wrong("wanted {} in the data of '{}', got another kind of value", type == DataType::boolean ? "booleans" : "numbers",
                   kInputName);
    if (const auto range = range_of(type); range && input.numbers)
      if (input.fractions || input.least < range->least || input.most > range->most)
        return wrong("wanted whole numbers of {} in the data of '{}', got others", input.datatype, kInputName);
    request_.rows = rows;
    request_.layout = Layout::floats;
    request_.samples = std::as_bytes(std::span<const float>(request_.values));
    return {};
  }

  Result<void> take(DataType type, std::int64_t rows, std::span<const std::byte> bytes) {
    if (rows > limits_.rows) return wrong("wanted at most {} rows, got {}; try several requests", limits_.rows, rows);
    request_.rows = rows;
    const bool gray = model_.input.size() != 3 || model_.input[0] == 1;  // channels first is channels last
    if (type == DataType::fp32 || (type == DataType::uint8 && gray)) {
      request_.layout = type == DataType::fp32 ? Layout::floats : Layout::bytes;
      request_.samples = bytes;
      return {};
    }
    to_floats(type, bytes, request_.values);
    request_.layout = Layout::floats;
    request_.samples = std::as_bytes(std::span<const float>(request_.values));
    return {};
  }

  const ModelFace& model_;
  const InferLimits& limits_;
  InferRequest& request_;
};

}  // namespace

Result<void> read_infer_request(std::span<const std::byte> body, std::string_view header_length, const ModelFace& model,
                                const InferLimits& limits, InferRequest& request) {
  request.id.clear();
  request.output = {};
  request.binary_output = false;
  request.timeout_us = 0;
  request.rows = 0;
  request.samples = {};
  Reader reader(model, limits, request);
  std::uint64_t length = body.size();
  if (!header_length.empty()) {
    const auto [end, error] = std::from_chars(header_length.data(), header_length.data() + header_length.size(), length);
    if (error != std::errc() || end != header_length.data() + header_length.size() || length > body.size())
      return wrong("wanted Inference-Header-Content-Length from 0 to the body's {} bytes, got '{}'", body.size(), header_length);
    if (length == 0) return reader.raw(body);
  }
  const auto size = static_cast<std::size_t>(length);
  return reader.json({reinterpret_cast<const char*>(body.data()), size}, body.subspan(size));
}

}  // namespace soma
