// bytes ↔ Model, apart from the file they lie in and from protobuf's names.
#pragma once

#include <string>
#include <string_view>

#include "soma/error.h"
#include "soma/model.h"

namespace soma {

/// Trusts nothing in `bytes`. Errors begin with `who` and are one line.
[[nodiscard]] Result<Model> parse_onnx(std::string_view bytes, std::string_view who, Changed changed = Changed::refuse);

/// The whole file.
[[nodiscard]] Result<std::string> to_onnx(const Model& model, std::string_view who);

}  // namespace soma
