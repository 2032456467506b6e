// a title and what is under it → one HTML file that needs nothing else.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace soma::report {

/// `body` is HTML; the title is words.
std::string page(std::string_view title, std::string_view body);

/// A section with a heading; nothing for an empty body.
std::string section(std::string_view heading, std::string_view body);

/// Large numbers under a title: value (HTML), what it is.
std::string figures(const std::vector<std::pair<std::string, std::string>>& values);

/// A table that scrolls in its own frame where it is too wide. Cells are HTML. Without names of columns it has no head.
struct Table {
  struct Column {
    std::string name;
    bool number = true;  ///< set to the right
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};
std::string table(const Table& table, std::string_view label);

/// The look of every page: light and dark, 400 to 1600 pixels wide, and on paper.
std::string_view style();

}  // namespace soma::report
