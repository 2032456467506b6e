// rows of words → a table of box-drawing characters; numbers → words.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace soma::app {

using Row = std::vector<std::string>;

/// Columns are as wide as their widest cell. `align` has one letter per column: 'l' or 'r'.
/// A last row that starts a sum is set off by a line when `totals` is true.
void print_table(std::FILE* stream, const Row& head, const std::vector<Row>& rows, const std::string& align, bool totals = false);

/// 1234567 → "1,234,567".
std::string grouped(std::int64_t number);

/// Bytes → "3.2 MB".
std::string bytes(std::int64_t count);

/// 0.98713 → "98.71 %".
std::string percent(double fraction);

/// Seconds → "4.1 s", "3 min 5 s", "2 h 10 min".
std::string duration(double seconds);

}  // namespace soma::app
