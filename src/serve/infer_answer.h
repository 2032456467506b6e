// a model's outputs → the body of an inference answer: JSON, binary tensors, or classes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "serve/infer_request.h"
#include "serve/json_text.h"
#include "serve/slab.h"
#include "soma/error.h"

namespace soma {

/// Appends the answer. Returns the length of its JSON part when a binary tensor follows (even an empty one), else 0. Fails when
/// JSON would have to hold a number that is not finite. y [request.rows, model.outputs].
[[nodiscard]] Result<std::size_t> write_infer_answer(const InferRequest& request, const ModelFace& model,
                                                     std::span<const float> y, http::Buffer& body);

}  // namespace soma
