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

/// "probability:index:label" of the most probable classes of each row, one after the other to `take`; of equal ones the first
/// comes first. At most `count`, and as many as there are outputs.
template <class Take>
void each_class(std::span<const float> y, std::size_t count, const ModelFace& model, Take&& take) {
  const auto width = static_cast<std::size_t>(model.outputs);
  std::vector<std::size_t> order(width);
  Prediction prediction;
  std::string text;
  for (std::size_t row = 0; row + width <= y.size(); row += width) {
    read_output(model.loss, y.subspan(row, width), prediction);
    const std::vector<float>& values = prediction.probabilities;
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                      [&](auto a, auto b) { return values[a] != values[b] ? values[a] > values[b] : a < b; });
    for (std::size_t i = 0; i < count; ++i) {
      char number[32];
      text.assign(number, std::to_chars(number, number + sizeof number, values[order[i]]).ptr);
      text += ':' + std::to_string(order[i]);
      if (!model.labels.empty()) text += ':' + model.labels[order[i]];
      take(std::string_view(text));
    }
  }
}

}  // namespace

Result<std::size_t> write_infer_answer(const InferRequest& request, const ModelFace& model, std::span<const float> y,
                                       http::Buffer& body) {
  const bool binary = request.output.binary.value_or(request.binary_output);
  const std::size_t top =
      std::min(static_cast<std::size_t>(request.output.classification), static_cast<std::size_t>(model.outputs));
  if ((!binary || top > 0) && !std::all_of(y.begin(), y.end(), [](float value) { return std::isfinite(value); }))
    return Error{Error::Kind::data,
                 "infer: the output holds a number that is not finite, which JSON and classes cannot say; try binary_data"};

  const std::size_t start = body.size();
  body.append("{\"model_name\":");
  append_json(body, model.name);
  body.append(",\"model_version\":");
  append_json(body, model.version);
  if (!request.id.empty()) {
    body.append(",\"id\":");
    append_json(body, request.id);
  }
  body.append(",\"outputs\":[{\"name\":");
  append_json(body, model.output_name);
  body.append(top > 0 ? ",\"datatype\":\"BYTES\",\"shape\":[" : ",\"datatype\":\"FP32\",\"shape\":[");
  append_json(body, request.rows);
  body.append(',');
  append_json(body, top > 0 ? static_cast<std::int64_t>(top) : model.outputs);
  body.append(']');
  if (!binary) {
    body.append(",\"data\":[");
    bool follows = false;
    const auto value = [&](const auto& each) {
      if (follows) body.append(',');
      follows = true;
      append_json(body, each);
    };
    if (top > 0)
      each_class(y, top, model, value);
    else
      for (const float each : y) value(each);
    body.append("]}]}");
    return std::size_t{0};
  }

  std::size_t bytes = y.size_bytes();
  if (top > 0) {
    bytes = 0;
    each_class(y, top, model, [&](std::string_view text) { bytes += sizeof(std::uint32_t) + text.size(); });
  }
  body.append(",\"parameters\":{\"binary_data_size\":");
  append_json(body, static_cast<std::int64_t>(bytes));
  body.append("}}]}");
  const std::size_t json = body.size() - start;
  if (top == 0) {
    body.append({reinterpret_cast<const char*>(y.data()), bytes});
  } else {
    each_class(y, top, model, [&](std::string_view text) {
      const auto size = static_cast<std::uint32_t>(text.size());
      std::memcpy(body.room(sizeof size), &size, sizeof size);
      body.commit(sizeof size);
      body.append(text);
    });
  }
  return json;
}

}  // namespace soma
