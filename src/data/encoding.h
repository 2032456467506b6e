// bytes of a text file → UTF-8 with lines that end in LF or CRLF, and what it was; other kinds of file by their names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "soma/error.h"

namespace soma {

/// A text in UTF-8, and the name of what it was written in.
struct DecodedText {
  std::string text;
  std::string encoding;  ///< "utf-8", "utf-16" or "latin-1"
};

/// The character of that number appended in UTF-8.
void append_utf8(std::string& text, std::uint32_t c);

/// `encoding` is "" (found from the bytes), "utf-8", "utf-16" or "latin-1" (bytes 80 to 9F as Windows reads them). A byte-order
/// mark goes, a lone CR becomes LF. Fails on bytes that are no text, and on formats it knows by their first bytes, by name.
[[nodiscard]] Result<DecodedText> decode_text(std::string bytes, std::string_view origin, std::string_view encoding = {});

}  // namespace soma
