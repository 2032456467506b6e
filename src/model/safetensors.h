// bytes ↔ TensorFile, apart from the file they lie in.
#pragma once

#include <string_view>

#include "soma/error.h"
#include "soma/model.h"

namespace soma {

/// Trusts nothing in `bytes`. Errors begin with `who`.
[[nodiscard]] Result<TensorFile> parse_safetensors(std::string_view bytes, std::string_view who,
                                                   Changed changed = Changed::refuse);

}  // namespace soma
