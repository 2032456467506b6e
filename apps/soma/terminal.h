// a stream → whether a person watches it, how wide it is, and whether it shows colours.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace soma::app {

bool is_terminal(std::FILE* stream);

/// Writes the text at once. A stream that takes no more (a terminal that was closed, a full disk) stops no work: main says so at
/// its end.
void show(std::FILE* stream, std::string_view text);

/// Columns of the terminal behind the stream; 80 when it does not say.
int terminal_width(std::FILE* stream);

/// Columns that UTF-8 text takes: one per code point, none per colour.
int display_width(std::string_view text);

/// The text made bold, or left as it is where colours are unwanted: no terminal, $NO_COLOR set, or TERM=dumb.
std::string bold(std::string_view text, std::FILE* stream);

}  // namespace soma::app
