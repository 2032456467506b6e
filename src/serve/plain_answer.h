// a model's outputs → the body of an answer to POST /: a class a line, or JSON with probabilities.
#pragma once

#include <cstdint>
#include <span>

#include "serve/infer_request.h"
#include "serve/slab.h"
#include "soma/model.h"

namespace soma {

/// y [rows, outputs], finite. The name of each row's class, one a line.
void write_plain_text(const Model& model, std::span<const float> y, std::int64_t rows, http::Buffer& body);

/// {"model":…,"version":…,"class":…,"label":…,"probabilities":[…]}, probabilities in the order of the model's classes; of several
/// rows a list of those. Where outputs are no probabilities it says "outputs" in
/// their place, and "value" where they are read as one number (codes).
void write_plain_json(const Model& model, const ModelFace& face, std::span<const float> y, std::int64_t rows, http::Buffer& body);

}  // namespace soma
