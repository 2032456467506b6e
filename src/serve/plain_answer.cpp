// a model's outputs → the body of an answer to POST /: a class, values, labels or a score a line, or JSON with all there is to
// say.
#include "serve/plain_answer.h"

#include <fmt/format.h>

namespace soma {
namespace {

constexpr float kHolds = 0.5F;  // a label's probability from which on it holds

template <class Take>
void each_row(const PlainAnswers& answers, Take&& take) {
  thread_local Prediction prediction;  // keeps its memory: a warm answer asks for none
  const std::size_t width = answers.y.size() / static_cast<std::size_t>(std::max<std::int64_t>(answers.rows, 1));
  for (std::int64_t row = 0; row < answers.rows; ++row) {
    read_output(answers.model, answers.y.subspan(static_cast<std::size_t>(row) * width, width), prediction);
    if (!answers.scores.empty()) prediction.score = answers.scores[static_cast<std::size_t>(row)];
    take(row, prediction);
  }
}

std::string class_name(const Model& model, const Prediction& prediction) {
  const auto label = static_cast<std::size_t>(prediction.label);
  return label < model.class_names.size() ? model.class_names[label] : std::to_string(label);
}

std::string named(const Model& model, std::size_t i, float number) {
  return i < model.target_names.size() ? fmt::format("{} {}", model.target_names[i], number) : fmt::format("{}", number);
}

std::string said(const Model& model, const Prediction& prediction) {
  std::string line;
  const auto add = [&](std::size_t i, float number) { line += (line.empty() ? "" : ", ") + named(model, i, number); };
  switch (model.task) {
    case Task::classes:
      return class_name(model, prediction);
    case Task::reconstruct:
      return fmt::format("{:.7g}", prediction.score);
    case Task::values:
      for (std::size_t i = 0; i < prediction.values.size(); ++i) add(i, prediction.values[i]);
      return line;
    case Task::labels:
      for (std::size_t i = 0; i < prediction.probabilities.size(); ++i)
        if (prediction.probabilities[i] >= kHolds) add(i, prediction.probabilities[i]);
      return line.empty() ? "none" : line;
  }
  return line;
}

}  // namespace

void write_plain_text(const PlainAnswers& answers, http::Buffer& body) {
  each_row(answers, [&](std::int64_t row, const Prediction& prediction) {
    if (row > 0) body.append('\n');
    body.append(said(answers.model, prediction));
  });
}

void write_plain_json(const PlainAnswers& answers, http::Buffer& body) {
  JsonWriter json(body);
  if (answers.rows != 1) json.open('[');
  each_row(answers, [&](std::int64_t, const Prediction& prediction) {
    json.open('{').field("model", answers.face.name).field("version", answers.face.version);
    write_answer(json, answers.model, prediction);
    json.close('}');
  });
  if (answers.rows != 1) json.close(']');
}

void write_answer(JsonWriter& json, const Model& model, const Prediction& prediction) {
  switch (model.task) {
    case Task::classes:
      json.field("class", class_name(model, prediction)).field("label", prediction.label);
      if (!model.loss.codes.empty())
        json.field("value", prediction.probabilities[0]);
      else
        json.list(gives_probabilities(model.loss, model.network) ? "probabilities" : "outputs", prediction.probabilities);
      return;
    case Task::values:
      json.list("values", prediction.values).list("names", model.target_names);
      return;
    case Task::reconstruct:
      json.field("score", prediction.score).list("values", prediction.values);
      return;
    case Task::labels:
      json.key("labels").open('[');
      for (std::size_t i = 0; i < prediction.probabilities.size() && i < model.target_names.size(); ++i)
        if (prediction.probabilities[i] >= kHolds) json.value(model.target_names[i]);
      json.close(']').list("probabilities", prediction.probabilities).list("names", model.target_names);
  }
}

}  // namespace soma
