// the text of a result file + a line → the text with one line more, whole lines only.
#pragma once

#include <string>
#include <string_view>

namespace soma {

/// A header comes first when there is none, and what stands behind the last line end is dropped: half a line.
std::string with_result_line(std::string text, std::string_view line);

}  // namespace soma
