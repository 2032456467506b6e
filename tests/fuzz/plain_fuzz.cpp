// any body of POST / under any Content-Type → samples of a model, or one line that says why not.
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "data/table_survey.h"
#include "serve/plain_body.h"
#include "soma/model.h"

namespace {

using namespace soma;

ModelFace face(const Model& model) {
  ModelFace made;
  made.input = model.input;
  made.columns = source_columns(model.columns);
  made.reading = data_options(model);
  made.reading.labelled = false;
  return made;
}

/// A gray picture, one of colours, four numbers, and columns of words, numbers and a date, without and with gaps filled.
std::array<ModelFace, 5> faces() {
  Model gray, colours, numbers, words;
  gray.input = {1, 28, 28};
  colours.input = {3, 5, 4};
  numbers.input = words.input = {4};
  numbers.columns = {{"a", {}}, {"b", {}}, {"c", {}}, {"d", {}}};
  words.columns = {{"season", {"autumn", "spring"}}, {"temp", {}}, {"when.year", {}, "year"}, {"when.hour", {}, "hour"}};
  Model filled = words;
  filled.preprocess.steps = {{.kind = PreprocessKind::impute, .fill = {1, 5, 2024, 12}}};
  return {face(gray), face(colours), face(numbers), face(words), face(filled)};
}

}  // namespace

/// The first byte picks the model, the rest of the first line is the Content-Type.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::array<ModelFace, 5> models = faces();
  static http::Budget budget(std::size_t{1} << 28);
  static http::BudgetMemory memory(budget);
  if (size == 0) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string_view type = all.substr(0, all.find('\n'));
  const std::string_view text = all.substr(std::min(all.size(), type.size() + 1));
  const auto body = std::as_bytes(std::span<const char>(text));
  const ModelFace& model = models[data[0] % models.size()];
  PlainSamples samples(&memory);
  static_cast<void>(reads_long(body, type));
  Result<void> read;
  try {
    read = read_plain_body(body, type, model, budget, samples);
  } catch (const http::OverBudget&) {
    return 0;
  }
  if (!read) {
    const std::string& message = read.error().message;
    const bool named =
        message.starts_with("request") || (read.error().kind == Error::Kind::usage && message.starts_with("invalid image size"));
    SOMA_REQUIRE(named && message.find('\n') == std::string::npos);
    return 0;
  }
  const auto values = static_cast<std::size_t>(samples.count * elements(model.input));
  SOMA_REQUIRE(samples.count > 0 && samples.data != nullptr);
  const bool bytes = samples.layout == Layout::bytes,
             inside = samples.data >= body.data() && samples.data < body.data() + body.size();
  if (inside)  // all of it, or a part of a form
    SOMA_REQUIRE(samples.data + values * (bytes ? 1 : sizeof(float)) <= body.data() + body.size());
  else
    SOMA_REQUIRE(values == (bytes ? samples.bytes.size() : samples.floats.size()));
  if (bytes) return 0;
  for (std::size_t i = 0; i < values; ++i) {
    float value;
    std::memcpy(&value, samples.data + i * sizeof value, sizeof value);
    SOMA_REQUIRE(std::isfinite(value) || (std::isnan(value) && &model == &models[4]));  // a gap, which this one fills
  }
  return 0;
}
