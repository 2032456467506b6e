// a model's outputs → the body of an answer to POST /: a class a line, or JSON with probabilities.
#include "serve/plain_answer.h"

#include "serve/json_text.h"

namespace soma {
namespace {

template <class Take>
void each_row(const Model& model, std::span<const float> y, std::int64_t rows, Take&& take) {
  thread_local Prediction prediction;  // keeps its memory: a warm answer asks for none
  const std::size_t width = y.size() / static_cast<std::size_t>(std::max<std::int64_t>(rows, 1));
  for (std::int64_t row = 0; row < rows; ++row) {
    read_output(model.loss, y.subspan(static_cast<std::size_t>(row) * width, width), prediction);
    take(row, prediction);
  }
}

}  // namespace

void write_plain_text(const Model& model, std::span<const float> y, std::int64_t rows, http::Buffer& body) {
  each_row(model, y, rows, [&](std::int64_t row, const Prediction& prediction) {
    if (row > 0) body.append('\n');
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
