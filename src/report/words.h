// numbers and foreign words → text that may stand in a page.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace soma::report {

/// Safe between tags and in quoted attributes: & < > " ' are escaped, control characters and bytes that are not UTF-8 become �.
std::string escaped(std::string_view words);

/// "60 000", with narrow spaces that do not break.
std::string grouped(std::int64_t n);

/// "98.92 %"; more digits near 100 %, where they tell runs apart.
std::string percent(double share);

/// "1.23 s", "45.6 ms", "12 µs", "3 min 20 s".
std::string duration(double seconds);

/// As many digits as `decimals` says, without a trailing "-0".
std::string fixed(double x, int decimals);

/// Four significant digits and a prefix: "1.234 M", "56.7 k".
std::string with_prefix(double x);

/// Three significant digits, short: "0.012", "1.5", "2e-05", "40 000".
std::string brief(double x);

}  // namespace soma::report
