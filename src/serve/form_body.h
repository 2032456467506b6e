// a body of multipart/form-data → its parts (RFC 7578).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"

namespace soma {

/// Views into the body but for the name.
struct FormPart {
  std::string name;
  std::string_view content_type, body;
};

/// At least one part and at most 1000, each with a name. The boundary is a parameter of `content_type`. What may come once (a
/// boundary, a part's fields and their parameters) comes once. The error says what was wanted, without who.
[[nodiscard]] Result<std::vector<FormPart>> form_parts(std::string_view body, std::string_view content_type);

}  // namespace soma
