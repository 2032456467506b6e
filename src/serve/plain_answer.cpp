// a model's outputs → the body of an answer to POST /: a class a line, or JSON with probabilities.
#include "serve/plain_answer.h"

#include <fmt/format.h>

#include "serve/json_text.h"

namespace soma {
namespace {

template <class Take>
void each_row(const Model& model, std::span<const float> y, std::int64_t rows, Take&& take) {
  thread_local Prediction prediction;  // keeps its memory: a warm answer asks for none
  const std::size_t width = y.size() / static_cast<std::size_t>(std::max<std::int64_t>(rows, 1));
  for (std::int64_t row = 0; row < rows; ++row) {
    read_output(model, y.subspan(static_cast<std::size_t>(row) * width, width), prediction);
    take(row, prediction);
  }
}

}  // namespace

namespace {

/// Values by their names; of labels those that hold, each with its probability; "none" where none does.
void say_numbers(const Model& model, const Prediction& said, http::Buffer& body) {
  const auto& numbers = model.task == Task::labels ? said.probabilities : said.values;
  bool first = true;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (model.task == Task::labels && numbers[i] < 0.5F) continue;
    if (!first) body.append(", ");
    first = false;
    if (i < model.target_names.size()) body.append(model.target_names[i] + " ");
    body.append(fmt::format("{}", numbers[i]));
  }
  if (first) body.append("none");
}

}  // namespace

void write_plain_text(const Model& model, std::span<const float> y, std::int64_t rows, http::Buffer& body) {
  each_row(model, y, rows, [&](std::int64_t row, const Prediction& prediction) {
    if (row > 0) body.append('\n');
    if (model.task != Task::classes) return say_numbers(model, prediction, body);
    const auto label = static_cast<std::size_t>(prediction.label);
    if (label < model.class_names.size())
      body.append(model.class_names[label]);
    else
      append_json(body, static_cast<std::int64_t>(label));
  });
}

void write_plain_json(const Model& model, const ModelFace& face, std::span<const float> y, std::int64_t rows,
                      http::Buffer& body) {
  JsonWriter json(body);
  if (rows != 1) json.open('[');
  each_row(model, y, rows, [&](std::int64_t, const Prediction& prediction) {
    const auto label = static_cast<std::size_t>(prediction.label);
    json.open('{').field("model", face.name).field("version", face.version);
    if (model.task != Task::classes) {
      json.list(model.task == Task::labels ? "probabilities" : "values",
                model.task == Task::labels ? prediction.probabilities : prediction.values);
      json.close('}');
      return;
    }
    json.field("class", label < model.class_names.size() ? model.class_names[label] : std::to_string(label))
        .field("label", label);
    if (model.loss.codes.empty())
      json.list(gives_probabilities(model.loss, model.network) ? "probabilities" : "outputs", prediction.probabilities);
    else
      json.field("value", prediction.probabilities[0]);
    json.close('}');
  });
  if (rows != 1) json.close(']');
}

}  // namespace soma
