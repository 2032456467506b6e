// words a person typed → the word they probably meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace soma {

/// The candidate with the smallest edit distance, if that is at most a third of the word; else "".
std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// "'a', 'b' or 'c'".
std::string one_of(std::span<const std::string> words);

/// "; did you mean 'x'?" or "; known: a, b, c".
std::string suggestion(std::string_view word, std::span<const std::string> candidates);

/// `text` with control characters as spaces, cut with "…" beyond `limit` bytes: names out of foreign files in messages.
std::string one_line(std::string_view text, std::size_t limit = 500);

/// True when every byte belongs to a character (RFC 3629).
bool is_utf8(std::string_view text);

/// The text with bytes that belong to no character as \\xNN.
std::string printable(std::string_view text);

}  // namespace soma
