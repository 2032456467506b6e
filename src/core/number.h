// numbers ↔ their text in files: the same bytes whatever the locale of the program around the library, which printf and strtod
// ask.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace soma {

/// Every bit of x: "0x1.8p+1", as printf's %a has it in the C locale.
std::string exact(double x);

// Back, or nothing unless the whole text is such a number.
std::optional<double> from_exact(std::string_view text);
std::optional<double> decimal_number(std::string_view text);
std::optional<std::int64_t> whole_number(std::string_view text);

}  // namespace soma
