// a model's outputs → the body of an inference answer: JSON, binary tensors, or classes.
#include "serve/infer_answer.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

namespace soma {
namespace {

static_assert(std::endian::native == std::endian::little, "binary tensors are little-endian");

std::string class_text(float value, std::size_t index, const ModelFace& model) {
  char number[32];
  const auto end = std::to_chars(number, number + sizeof number, value).ptr;
  std::string text(number, end);
  text += ':' + std::to_string(index);
  if (!model.labels.empty()) text += ':' + model.labels[index];
  return text;
}

/// "value:index:label" of the highest values of each row; of equal ones the first comes first.
std::vector<std::string> classes(std::span<const float> y, std::size_t count, const ModelFace& model) {
  const auto width = static_cast<std::size_t>(model.outputs);
  std::vector<std::string> texts;
  std::vector<std::size_t> order(width);
  for (std::size_t row = 0; row + width <= y.size(); row += width) {
    const std::span<const float> values = y.subspan(row, width);
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto key = [&](std::size_t i) { return std::isnan(values[i]) ? -INFINITY : values[i]; };
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                      [&](auto a, auto b) { return key(a) != key(b) ? key(a) > key(b) : a < b; });
    for (std::size_t i = 0; i < count; ++i) texts.push_back(class_text(values[order[i]], order[i], model));
  }
  return texts;
}

}  // namespace

Result<std::size_t> write_infer_answer(const InferRequest& request, const ModelFace& model, std::span<const float> y,
                                       http::Buffer& body) {
  const bool binary = request.output.binary.value_or(request.binary_output);
  const std::size_t top =
      std::min(static_cast<std::size_t>(request.output.classification), static_cast<std::size_t>(model.outputs));
  const std::vector<std::string> texts = top > 0 ? classes(y, top, model) : std::vector<std::string>();
  if (!binary && top == 0 && !std::all_of(y.begin(), y.end(), [](float value) { return std::isfinite(value); }))
    return Error{Error::Kind::data,
                 "infer: the output holds a number that is not finite, which JSON cannot say; try binary_data"};

  const std::size_t start = body.size();
  body.append("{\"model_name\":");
  append_json(body, model.name);
  body.append(",\"model_version\":");
  append_json(body, model.version);
  if (!request.id.empty()) {
    body.append(",\"id\":");
    append_json(body, request.id);
  }
  body.append(",\"outputs\":[{\"name\":\"");
  body.append(kOutputName);
  body.append(top > 0 ? "\",\"datatype\":\"BYTES\",\"shape\":[" : "\",\"datatype\":\"FP32\",\"shape\":[");
  append_json(body, request.rows);
  body.append(',');
  append_json(body, top > 0 ? static_cast<std::int64_t>(top) : model.outputs);
  body.append(']');
  if (!binary) {
    body.append(",\"data\":[");
    for (std::size_t i = 0; i < (top > 0 ? texts.size() : y.size()); ++i) {
      if (i > 0) body.append(',');
      if (top > 0)
        append_json(body, texts[i]);
      else
        append_json(body, y[i]);
    }
    body.append("]}]}");
    return std::size_t{0};
  }

  std::size_t bytes = y.size_bytes();
  if (top > 0)
    bytes = std::accumulate(texts.begin(), texts.end(), std::size_t{0}, [](auto n, const auto& t) { return n + 4 + t.size(); });
  body.append(",\"parameters\":{\"binary_data_size\":");
  append_json(body, static_cast<std::int64_t>(bytes));
  body.append("}}]}");
  const std::size_t json = body.size() - start;
  if (top == 0) {
    body.append({reinterpret_cast<const char*>(y.data()), bytes});
  } else {
    for (const std::string& text : texts) {
      const auto size = static_cast<std::uint32_t>(text.size());
      std::memcpy(body.room(sizeof size), &size, sizeof size);
      body.commit(sizeof size);
      body.append(text);
    }
  }
  return json;
}

}  // namespace soma
