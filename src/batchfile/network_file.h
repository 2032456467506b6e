// "ELU, 100" lines ↔ layers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "soma/batchfile.h"

namespace soma {

/// The layers of a network file, at least two. Errors begin with "ORIGIN:LINE: ".
[[nodiscard]] Result<std::vector<BatchLayer>> parse_network(std::string_view text, std::string_view origin);

/// The same lines again.
std::string to_text(const std::vector<BatchLayer>& layers);

/// A blank-trimmed line at a time; what the batch and network files share.
class Lines {
 public:
  explicit Lines(std::string_view text);
  /// The next line that is neither blank nor begins with '#'; false at the end.
  bool next();

  std::string_view text;
  std::int64_t number = 0;  ///< 1-based

 private:
  std::string_view rest_;
};

std::string_view trimmed(std::string_view text);

}  // namespace soma
