// a body of POST / and its Content-Type → samples of a model: a picture, raw values, an NPY file, rows of CSV or JSON, a form.
#include "serve/plain_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/text.h"
#include "data/image.h"
#include "data/samples.h"
#include "serve/form_body.h"
#include "serve/http.h"
#include "serve/json_rows.h"
#include "serve/table.h"

namespace soma {
namespace {

constexpr std::string_view kWho = "request";

template <class... Args>
Error wrong(fmt::format_string<Args...> format, Args&&... args) {
  return {Error::Kind::data, fmt::format("{}: ", kWho) + one_line(fmt::format(format, std::forward<Args>(args)...))};
}

enum class Form { unsaid, picture, csv, json, raw, form };

Form form_of(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  static constexpr std::pair<std::string_view, Form> kForms[] = {
      {"image/png", Form::picture},     {"image/jpeg", Form::picture},           {"text/csv", Form::csv},
      {"application/json", Form::json}, {"application/octet-stream", Form::raw}, {"multipart/form-data", Form::form}};
  for (const auto& [name, form] : kForms)
    if (http::same_word(type, name)) return form;
  return Form::unsaid;
}

std::string_view text_of(std::span<const std::byte> body) { return {reinterpret_cast<const char*>(body.data()), body.size()}; }

/// No control characters but tabs and ends of lines.
bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || byte == '\r' || byte == '\n' || (byte >= 0x20 && byte != 0x7f);
  });
}

/// A byte-order mark of UTF-16.
bool is_wide(std::string_view text) { return text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"); }

/// What the readers of tables call the charset of a Content-Type; "" when it has none.
Result<std::string> encoding_of(std::string_view content_type) {
  const auto said = http::parameters(content_type);
  if (!said) return wrong("wanted each parameter of Content-Type once, got it twice or malformed");
  const auto charset = said->find("charset");
  if (charset == said->end()) return std::string();
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"utf-8", "utf-8"},     {"us-ascii", "utf-8"},     {"utf-16", "utf-16"},       {"utf-16le", "utf-16"},
      {"utf-16be", "utf-16"}, {"iso-8859-1", "latin-1"}, {"windows-1252", "latin-1"}};
  for (const auto& [name, encoding] : kNames)
    if (http::same_word(charset->second, name)) return std::string(encoding);
  return wrong("wanted charset utf-8, utf-16, iso-8859-1 or windows-1252, got '{}'", charset->second);
}

bool is_npy(std::string_view text) { return text.starts_with("\x93NUMPY"); }

class Reader {
 public:
  Reader(const ModelFace& model, http::Budget& budget, PlainSamples& samples)
      : model_(model), budget_(budget), samples_(samples), size_(static_cast<std::size_t>(elements(model.input))) {}

  Result<void> read(std::span<const std::byte> body, std::string_view content_type, bool part = false) {
    const std::string_view text = text_of(body);
    content_type_ = content_type;
    switch (form_of(content_type)) {
      case Form::picture:
        return picture(text);
      case Form::csv:
        return csv(text);
      case Form::json:
        return json(text);
      case Form::raw:
        return raw(body) ? finite() : sniffed(body);
      case Form::form:
        return part ? wrong("wanted a part that is no form itself") : form(text, content_type);
      case Form::unsaid:
        break;
    }
    return sniffed(body);
  }

 private:
  /// By the first bytes, then as text, then by length.
  Result<void> sniffed(std::span<const std::byte> body) {
    const std::string_view text = text_of(body);
    if (is_image(text) || text.starts_with("\x89PNG")) return picture(text);
    if (is_npy(text)) return file(text, 5 * text.size());
    // Bytes of a picture may all be printable, but only by chance are they UTF-8 as well.
    if (!text.empty() && is_printable(text) && (is_table() || is_utf8(text))) {
      const std::size_t first = text.find_first_not_of(" \t\r\n");
      if (first != std::string_view::npos && (text[first] == '{' || text[first] == '[')) return json(text);
      const bool numbers =
          text.find_first_not_of("0123456789+-.,;eE \t\r\n\"") == std::string_view::npos || text.starts_with("\xef\xbb\xbf");
      if (is_table() || numbers) {
        const auto read = csv(text);
        if (read || text.size() != size_ * sizeof(float)) return read;
        return Error{Error::Kind::data,
                     read.error().message + "; for float32 in memory, try Content-Type: application/octet-stream"};
      }
      if (text.size() == size_ || text.size() == size_ * sizeof(float))
        return wrong("wanted a picture or rows of {} numbers, got text; try Content-Type: application/octet-stream for raw bytes",
                     size_);
    } else if (raw(body)) {
      return finite();
    } else if (is_table() && is_wide(text)) {
      return csv(text);
    }
    return Error{Error::Kind::usage, fmt::format("invalid image size {}", body.size())};
  }

  [[nodiscard]] bool is_table() const { return model_.input.size() != 3; }

  /// As many bytes as the model has inputs, or four times as many. False: neither.
  bool raw(std::span<const std::byte> body) {
    const bool bytes = !is_table() && body.size() == size_;
    if (!bytes && body.size() != size_ * sizeof(float)) return false;
    samples_.layout = bytes ? Layout::bytes : Layout::floats;
    samples_.data = body.data();
    samples_.count = 1;
    return true;
  }

  Result<void> picture(std::string_view text) {
    if (!is_image(text)) return wrong("wanted a PNG or JPEG picture, got something else or a damaged one");
    return file(text, memory_to_decode(text));
  }

  Result<void> file(std::string_view text, std::size_t memory) { return file(text, memory, model_.reading); }

  Result<void> file(std::string_view text, std::size_t memory, const DataOptions& reading) {
    const http::Charge charge(budget_, memory);
    const Result<Dataset> read = parse_samples(text, kWho, reading);
    if (!read) return Error{read.error().kind, one_line(read.error().message)};
    if (read->shape != model_.input)
      return wrong("wanted samples of {}, got {}", to_string(model_.input), to_string(read->shape));
    samples_.count = read->count;
    if (!read->bytes.empty()) {
      const auto bytes = std::as_bytes(std::span<const std::uint8_t>(read->bytes));
      samples_.bytes.assign(bytes.begin(), bytes.end());
      samples_.layout = Layout::bytes;
      samples_.data = samples_.bytes.data();
      return {};
    }
    // Floats of images lie channels last in a Dataset and channels first in a request.
    const std::int64_t channels = read->is_image() ? read->shape[0] : 1, places = read->sample_size() / channels;
    samples_.floats.reserve(read->floats.size());
    for (std::int64_t sample = 0; sample < read->count; ++sample)
      for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t i = 0; i < places; ++i)
          samples_.floats.push_back(read->floats[static_cast<std::size_t>((sample * places + i) * channels + c)]);
    return rows();
  }

  /// Rows of numbers are images, too, one after the other, channels last.
  Result<void> csv(std::string_view text) {
    const auto encoding = encoding_of(content_type_);
    if (!encoding) return encoding.error();
    if (encoding->empty()) return csv(text, model_.reading);
    DataOptions reading = model_.reading;
    reading.encoding = *encoding;
    return csv(text, reading);
  }
  Result<void> csv(std::string_view text, const DataOptions& reading) {
    return is_table() ? cells(text, false, reading) : file(text, memory_to_read_table(text), reading);
  }

  /// Each is a finite number, a word's place or, where the model fills them, a gap.
  Result<void> cells(std::string_view text, bool made, const DataOptions& reading) {
    if (const auto read = read_table(text, kWho, reading, made, budget_, samples_.floats); !read) return read;
    take_floats();
    return model_.columns.empty() ? finite() : Result<void>();
  }

  Result<void> json(std::string_view text) {
    const auto encoding = encoding_of(content_type_);
    if (!encoding) return encoding.error();
    if (!encoding->empty() && *encoding != "utf-8") return wrong("wanted JSON in UTF-8, got another charset");
    TableText made(model_.columns, samples_.floats.get_allocator().resource());
    if (!model_.columns.empty()) {
      const auto parsed = parse_json_rows(text, kWho, model_.columns, budget_, made);
      return parsed ? cells(made.view(), true, model_.reading) : parsed;
    }
    if (const auto parsed = parse_json_numbers(text, kWho, model_.input, budget_, samples_.floats); !parsed) return parsed;
    return rows();
  }

  /// One part is the sample whatever its name; several are the columns of a row by their names.
  Result<void> form(std::string_view text, std::string_view content_type) {
    const auto parts = form_parts(text, content_type);
    if (!parts) return wrong("{}", parts.error().message);
    if (parts->size() == 1) {
      const FormPart& part = parts->front();
      return read(std::as_bytes(std::span<const char>(part.body)), part.content_type, true);
    }
    if (!is_table() || model_.columns.empty()) return wrong("wanted a form with one part, got {}", parts->size());
    TableText made(model_.columns, samples_.floats.get_allocator().resource());
    for (const Column& column : model_.columns) {
      const auto named = [&](const FormPart& part) { return part.name == column.name; };
      const auto part = std::find_if(parts->begin(), parts->end(), named);
      if (part != parts->end() && std::find_if(part + 1, parts->end(), named) != parts->end())
        return wrong("wanted column '{}' once, got it twice", column.name);
      made.cell(part == parts->end() ? std::string_view() : part->body);
    }
    made.end_row();
    for (const FormPart& part : *parts)
      if (std::none_of(model_.columns.begin(), model_.columns.end(),
                       [&](const Column& column) { return column.name == part.name; }))
        return wrong("no column '{}'", part.name);
    return cells(made.view(), true, model_.reading);
  }

  void take_floats() {
    samples_.layout = Layout::floats;
    samples_.data = reinterpret_cast<const std::byte*>(samples_.floats.data());
    samples_.count = static_cast<std::int64_t>(samples_.floats.size() / size_);
  }

  Result<void> rows() {
    take_floats();
    return finite();
  }

  [[nodiscard]] Result<void> finite() const {
    if (samples_.layout == Layout::bytes) return {};
    for (std::size_t i = 0; i < static_cast<std::size_t>(samples_.count) * size_; ++i) {
      float value;
      std::memcpy(&value, samples_.data + i * sizeof value, sizeof value);
      if (!std::isfinite(value))
        return wrong("wanted finite numbers, got {} as value {} of row {}", value, i % size_ + 1, i / size_ + 1);
    }
    return check_places(model_, kWho, samples_.data, samples_.count);
  }

  const ModelFace& model_;
  http::Budget& budget_;
  PlainSamples& samples_;
  std::string_view content_type_;  // of the body, or of the part of a form that is one
  const std::size_t size_;
};

}  // namespace

Result<void> read_plain_body(std::span<const std::byte> body, std::string_view content_type, const ModelFace& model,
                             http::Budget& budget, PlainSamples& samples) {
  samples.bytes.clear();
  samples.floats.clear();
  return Reader(model, budget, samples).read(body, content_type);
}

bool reads_long(std::span<const std::byte> body, std::string_view content_type) {
  constexpr std::size_t kSoonRead = std::size_t{1} << 16, kSoonDecoded = std::size_t{1} << 22;
  const std::string_view text = text_of(body);
  if (text.size() > kSoonRead) return true;
  if (form_of(content_type) == Form::form)
    return text.find("\x89PNG") != std::string_view::npos || text.find("\xff\xd8\xff") != std::string_view::npos;
  return is_image(text) && memory_to_decode(text) > kSoonDecoded;
}

}  // namespace soma
