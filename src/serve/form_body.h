// a body of multipart/form-data → its parts (RFC 7578).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"

namespace soma {

/// Views into the body and the field it was read from.
struct FormPart {
  std::string_view name, content_type, body;
};

/// At least one part and at most 1000. The boundary is a parameter of `content_type`. The error says what was wanted, without
/// who.
[[nodiscard]] Result<std::vector<FormPart>> form_parts(std::string_view body, std::string_view content_type);

}  // namespace soma
