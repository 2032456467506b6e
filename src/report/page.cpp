// a title and what is under it → one HTML file that needs nothing else.
#include "report/page.h"

#include <fmt/format.h>

#include "report/words.h"

namespace soma::report {

std::string page(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
      escaped(title), style(), body);
}

std::string section(std::string_view heading, std::string_view body) {
  if (body.empty()) return "";
  return fmt::format("<section>\n<h2>{}</h2>\n{}</section>\n", escaped(heading), body);
}

std::string figures(const std::vector<std::pair<std::string, std::string>>& values) {
  std::string items;
  for (const auto& [value, name] : values) items += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", escaped(name), value);
  return "<dl class=\"figures\">" + items + "</dl>\n";
}

std::string table(const Table& table, std::string_view label) {
  const auto side = [&](std::size_t i) { return table.columns[i].number ? " class=\"number\"" : ""; };
  std::string head, rows;
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    if (!table.columns[i].name.empty()) head += fmt::format("<th scope=\"col\"{}>{}</th>", side(i), table.columns[i].name);
  if (!head.empty()) head = "<thead><tr>" + head + "</tr></thead>\n";
  for (const auto& row : table.rows) {
    rows += "<tr>";
    for (std::size_t i = 0; i < row.size() && i < table.columns.size(); ++i)
      rows +=
          i == 0 ? fmt::format("<th scope=\"row\"{}>{}</th>", side(i), row[i]) : fmt::format("<td{}>{}</td>", side(i), row[i]);
    rows += "</tr>\n";
  }
  return fmt::format(
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table>\n{}"
      "<tbody>\n{}</tbody></table></div>\n",
      escaped(label), head, rows);
}

}  // namespace soma::report
