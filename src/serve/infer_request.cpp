// the bytes of an inference request → what it asks for, checked against the model: JSON, binary tensors, or one raw tensor.
#include "serve/infer_request.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>

#include "core/text.h"
#include "serve/table.h"

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
  Reader(const ModelFace& model, const InferLimits& limits, http::Budget& budget, InferRequest& request)
      : model_(model), limits_(limits), budget_(budget), request_(request) {}

  Result<void> raw(std::span<const std::byte> body) {
    const auto size = static_cast<std::size_t>(elements(model_.input)) * sizeof(float);
    if (body.empty() || body.size() % size != 0)
      return wrong("wanted a multiple of {} bytes for '{}' (FP32 [rows,{}]), got {}", size, model_.input_name,
                   fmt::join(model_.input, ","), body.size());
    request_.binary_output = true;
    return take(DataType::fp32, static_cast<std::int64_t>(body.size() / size), body);
  }

  Result<void> json(std::string_view text, std::span<const std::byte> binary) {
    InferJson json;
    {
      const http::Charge charge(budget_, 3 * text.size());  // the longest string or number that one piece of it may be
      if (auto parsed = parse_infer_json(text, limits_.depth, json, request_.values, request_.words); !parsed) return parsed;
    }
    request_.id = std::move(json.id);
    request_.binary_output = json.binary_output;
    request_.timeout_us = json.timeout_us;
    if (json.outputs.size() > 1)
      return wrong("wanted at most one output ('{}'), got {}", model_.output_name, json.outputs.size());
    for (const JsonOutput& output : json.outputs) {
      if (output.name != model_.output_name)
        return wrong("model '{}' has no output '{}'; its output is '{}'", model_.name, output.name, model_.output_name);
      if (output.shared_memory) return wrong("shared memory is not supported; try binary_data");
      request_.output = {output.binary, output.classification};
    }
    if (json.inputs.size() != 1)
      return wrong("wanted one input ('{}') in 'inputs', got {}", model_.input_name, json.has_inputs ? json.inputs.size() : 0);
    return tensor(json.inputs.front(), binary);
  }

 private:
  Result<void> tensor(const JsonTensor& input, std::span<const std::byte> binary) {
    if (input.name != model_.input_name)
      return wrong("model '{}' has no input '{}'; its input is '{}'", model_.name, input.name, model_.input_name);
    if (input.shared_memory) return wrong("shared memory is not supported; try binary_data_size");
    const auto type = data_type(input.datatype);
    if (!type || (*type == DataType::bytes && model_.columns.empty()))
      return wrong("wanted FP32 (or another number type) for '{}', got '{}'", model_.input_name, input.datatype);
    if (!input.has_shape) return wrong("wanted a 'shape' for '{}', got none", model_.input_name);
    const Shape sample = *type == DataType::bytes ? Shape{std::ssize(model_.columns)} : model_.input;
    const auto rows = rows_of(input.shape, sample);
    if (!rows)
      return wrong("wanted shape [rows,{}] for '{}', got [{}]", fmt::join(sample, ","), model_.input_name,
                   fmt::join(input.shape, ","));
    const auto size = static_cast<std::uint64_t>(elements(sample));
    if (static_cast<std::uint64_t>(*rows) > static_cast<std::uint64_t>(limits_.rows) || *rows < 0)
      return wrong("wanted at most {} rows, got {}; try several requests", limits_.rows, input.shape[0]);
    const std::uint64_t count = static_cast<std::uint64_t>(*rows) * size;  // < 2^63: rows are limited, a sample fits memory

    if (input.binary_size) {
      if (input.has_data) return wrong("wanted 'data' or 'binary_data_size' for '{}', got both", model_.input_name);
      if (*type == DataType::bytes) return binary_words(input, binary, *rows, count);
      const std::uint64_t wanted = count * size_of(*type);
      if (*input.binary_size != wanted)
        return wrong("unexpected size for input '{}': wanted {} bytes for shape [{}] {}, binary_data_size says {}",
                     model_.input_name, wanted, fmt::join(input.shape, ","), input.datatype, *input.binary_size);
      if (binary.size() < wanted)
        return wrong("unexpected size for input '{}': wanted {} bytes behind the JSON, got {}", model_.input_name, wanted,
                     binary.size());
      if (binary.size() > wanted)
        return wrong("unexpected additional input data: wanted {} bytes behind the JSON, got {}", wanted, binary.size());
      return take(*type, *rows, binary);
    }
    if (!binary.empty())
      return wrong("unexpected additional input data: wanted none behind the JSON, got {} bytes", binary.size());
    if (!input.has_data) return wrong("wanted 'data' for '{}', got none", model_.input_name);
    return values(input, *type, *rows, count);
  }

  /// Nested as the shape says, as the model has it, as rows of values, or not at all.
  [[nodiscard]] bool fits(const JsonTensor& input, std::int64_t rows) const {
    const std::vector<std::uint64_t>& nesting = input.nesting;
    if (nesting.size() == 1 || rows == 0 || nesting == input.shape) return true;
    const auto same = [](auto a, auto b) { return a == static_cast<std::uint64_t>(b); };
    const std::span<const std::uint64_t> rest = std::span(nesting).subspan(1);
    return nesting[0] == static_cast<std::uint64_t>(rows) &&
           (std::equal(rest.begin(), rest.end(), model_.input.begin(), model_.input.end(), same) ||
            (rest.size() == 1 && same(rest[0], elements(model_.input))));
  }

  Result<void> values(const JsonTensor& input, DataType type, std::int64_t rows, std::uint64_t count) {
    if (type == DataType::fp16 || type == DataType::bf16)
      return wrong("{} has no JSON form; try binary_data_size, or FP32", input.datatype);
    const std::string_view kind = type == DataType::bytes ? "strings" : type == DataType::boolean ? "booleans" : "numbers";
    const bool mixed = (input.strings ? 1 : 0) + (input.numbers ? 1 : 0) + (input.booleans ? 1 : 0) > 1;
    if (mixed || input.strings != (type == DataType::bytes && input.count > 0) || (input.booleans && type != DataType::boolean))
      return wrong("wanted {} in the data of '{}', got another kind of value", kind, model_.input_name);
    if (input.count != count)
      return wrong("wanted {} values for shape [{}], got {}", count, fmt::join(input.shape, ","), input.count);
    if (!fits(input, rows))
      return wrong("wanted data nested as shape [{}], or a flat list, got [{}]", fmt::join(input.shape, ","),
                   fmt::join(input.nesting, ","));
    if (const auto range = range_of(type); range && input.numbers)
      if (input.fractions || input.beyond || input.least < range->least || input.most > range->most)
        return wrong("wanted whole numbers of {} in the data of '{}', got others", input.datatype, model_.input_name);
    if (input.infinite)
      return wrong("wanted numbers that float32 can hold in the data of '{}', got larger ones", model_.input_name);
    if (type == DataType::bytes) return words(rows);
    request_.rows = rows;
    request_.layout = Layout::floats;
    request_.samples = std::as_bytes(std::span<const float>(request_.values));
    return {};
  }

  /// Each element is a length and as many bytes.
  Result<void> binary_words(const JsonTensor& input, std::span<const std::byte> binary, std::int64_t rows, std::uint64_t count) {
    if (*input.binary_size != binary.size())
      return wrong("unexpected size for input '{}': binary_data_size says {}, got {} bytes behind the JSON", model_.input_name,
                   *input.binary_size, binary.size());
    request_.words.clear();
    std::string_view rest(reinterpret_cast<const char*>(binary.data()), binary.size());
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint32_t size = 0;
      if (rest.size() < sizeof size) return wrong("unexpected size for input '{}': its elements end early", model_.input_name);
      std::memcpy(&size, rest.data(), sizeof size);
      rest.remove_prefix(sizeof size);
      if (rest.size() < size)
        return wrong("unexpected size for input '{}': an element says {} bytes, {} are left", model_.input_name, size,
                     rest.size());
      request_.words.add(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    if (!rest.empty()) return wrong("unexpected additional input data: {} bytes behind the last element", rest.size());
    return words(rows);
  }

  /// Cells of a table.
  Result<void> words(std::int64_t rows) {
    const std::size_t width = model_.columns.size();
    if (rows > 0 && request_.words.ends.size() != static_cast<std::size_t>(rows) * width)
      return wrong("wanted {} columns in a row, got another shape", width);
    TableText text(model_.columns, request_.values.get_allocator().resource());
    for (std::size_t i = 0; i < request_.words.ends.size(); ++i) {
      text.cell(request_.words[i]);
      if ((i + 1) % width == 0) text.end_row();
    }
    request_.values.clear();
    if (rows > 0)
      if (auto read = read_table(text.view(), "infer", model_.reading, true, budget_, request_.values); !read) return read;
    request_.rows = rows;
    request_.layout = Layout::floats;
    request_.samples = std::as_bytes(std::span<const float>(request_.values));
    return {};
  }

  Result<void> take(DataType type, std::int64_t rows, std::span<const std::byte> bytes) {
    if (rows > limits_.rows) return wrong("wanted at most {} rows, got {}; try several requests", limits_.rows, rows);
    request_.rows = rows;
    // Channels first is channels last; a table's values are looked at as floats.
    const bool gray = model_.categories.empty() && (model_.input.size() != 3 || model_.input[0] == 1);
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
  http::Budget& budget_;
  InferRequest& request_;
};

}  // namespace

bool wants_finite(const InferRequest& request) {
  return request.output.classification > 0 || !request.output.binary.value_or(request.binary_output);
}

Result<void> check_places(const ModelFace& model, std::string_view who, const std::byte* samples, std::int64_t rows) {
  const std::size_t width = model.categories.size();
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows) * width; ++i) {
    const std::int64_t most = model.categories[i % width];
    if (most == 0) continue;
    float value;
    std::memcpy(&value, samples + i * sizeof value, sizeof value);
    const bool place = value >= -1 && value < static_cast<float>(most) && value == std::trunc(value);
    if (!place && !std::isnan(value))
      return Error{Error::Kind::data,
                   fmt::format("{}: row {}: wanted the place of a word from 0 to {} as value {}, got {}; try BYTES "
                               "or rows of CSV or JSON",
                               who, i / width + 1, most - 1, i % width + 1, value)};
  }
  return {};
}

Result<void> read_infer_request(std::span<const std::byte> body, std::string_view header_length, const ModelFace& model,
                                const InferLimits& limits, http::Budget& budget, InferRequest& request) {
  request.id.clear();
  request.output = {};
  request.binary_output = false;
  request.timeout_us = 0;
  request.rows = 0;
  request.samples = {};
  Reader reader(model, limits, budget, request);
  std::uint64_t length = body.size();
  if (!header_length.empty()) {
    const auto [end, error] = std::from_chars(header_length.data(), header_length.data() + header_length.size(), length);
    if (error != std::errc() || end != header_length.data() + header_length.size() || length > body.size())
      return wrong("wanted Inference-Header-Content-Length from 0 to the body's {} bytes, got '{}'", body.size(), header_length);
    if (length == 0) {
      const auto read = reader.raw(body);
      return read ? check_places(model, "infer", request.samples.data(), request.rows) : read;
    }
  }
  const auto size = static_cast<std::size_t>(length);
  const auto read = reader.json({reinterpret_cast<const char*>(body.data()), size}, body.subspan(size));
  const bool cells = !request.words.ends.empty();  // they are finite, or gaps that the model fills
  if (!read || request.layout == Layout::bytes || cells) return read;
  if (const auto places = check_places(model, "infer", request.samples.data(), request.rows); !places) return places;
  if (!wants_finite(request)) return {};
  for (std::size_t at = 0; at + sizeof(float) <= request.samples.size(); at += sizeof(float)) {
    float value;
    std::memcpy(&value, request.samples.data() + at, sizeof value);
    if (!std::isfinite(value))
      return wrong("wanted finite numbers for '{}' where the answer is JSON or classes, got {}; try binary_data",
                   model.input_name, value);
  }
  return read;
}

}  // namespace soma
