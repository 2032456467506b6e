// rows of words → a table of box-drawing characters; numbers → words.
#include "table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "terminal.h"

namespace soma::app {
namespace {

std::string rule(const std::vector<int>& widths, const char* left, const char* middle, const char* right) {
  std::string line = left;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    if (i > 0) line += middle;
    for (int k = 0; k < widths[i] + 2; ++k) line += "─";
  }
  return line + right + "\n";
}

}  // namespace

void print_table(std::FILE* stream, const Row& head, const std::vector<Row>& rows, const std::string& align, bool totals) {
  std::vector<int> widths;
  for (const std::string& cell : head) widths.push_back(display_width(cell));
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));

  const auto line = [&](const Row& row, bool heading) {
    std::string text = "│";
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = i < row.size() ? row[i] : "";
      const std::string space(static_cast<std::size_t>(widths[i] - display_width(cell)), ' ');
      const std::string shown = heading ? bold(cell, stream) : cell;
      text += " " + (align[i] == 'r' ? space + shown : shown + space) + " │";
    }
    return text + "\n";
  };
  std::string text = rule(widths, "╭", "┬", "╮") + line(head, true) + rule(widths, "├", "┼", "┤");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (totals && i + 1 == rows.size()) text += rule(widths, "├", "┼", "┤");
    text += line(rows[i], false);
  }
  fmt::print(stream, "{}{}", text, rule(widths, "╰", "┴", "╯"));
}

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string bytes(std::int64_t count) {
  constexpr std::array<const char*, 4> units = {"B", "kB", "MB", "GB"};
  auto amount = static_cast<double>(count);
  std::size_t unit = 0;
  for (; amount >= 999.5 && unit + 1 < units.size(); ++unit) amount /= 1000;
  return unit == 0 ? fmt::format("{} B", count) : fmt::format("{:.{}f} {}", amount, amount < 9.95 ? 1 : 0, units[unit]);
}

std::string percent(double fraction) { return fmt::format("{:.2f} %", 100 * fraction); }

std::string duration(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

}  // namespace soma::app
