// a model's outputs → the body of an answer to POST /: a class, values, labels or a score a line, or JSON with all there is to
// say.
#pragma once

#include <cstdint>
#include <span>

#include "serve/infer_request.h"
#include "serve/json_text.h"
#include "serve/slab.h"
#include "soma/model.h"

namespace soma {

/// The answers to several samples: y [rows, outputs], finite; scores [rows] of a model that gives its samples back, else none.
struct PlainAnswers {
  const Model& model;
  const ModelFace& face;
  std::span<const float> y;
  std::span<const double> scores;
  std::int64_t rows = 0;
};

/// One line a row: the class; "price 12.5, rent 3"; the labels that hold, each with its probability, or "none"; or the score.
void write_plain_text(const PlainAnswers& answers, http::Buffer& body);

/// {"model":…,"version":…} and what write_answer says; of several rows a list of those.
void write_plain_json(const PlainAnswers& answers, http::Buffer& body);

/// The fields of one answer, into an object that is open. Classes: "class", "label" (its index) and "probabilities" in the order
/// of the model's classes; "outputs" in their place where they are none, "value" where outputs are read as one number (codes).
/// Values: "values" and "names". Labels: "labels" (those that hold), "probabilities", "names". The sample itself: "score",
/// "values".
void write_answer(JsonWriter& json, const Model& model, const Prediction& prediction);

}  // namespace soma
