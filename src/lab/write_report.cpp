// LabReport → report.json and a CSV file per table.
#include <fmt/format.h>

#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "soma/lab.h"

namespace soma {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const LabCell& cell) {
  if (const auto* number = std::get_if<double>(&cell)) return std::isfinite(*number) ? Json(*number) : Json();
  if (const auto* words = std::get_if<std::string>(&cell)) return *words;
  return {};
}

Json json_of(const LabTable& table) {
  Json columns = Json::array(), rows = Json::array();
  for (const LabColumn& column : table.columns) columns.push_back({{"name", column.name}, {"unit", column.unit}});
  for (const auto& row : table.rows) {
    Json cells = Json::array();
    for (const LabCell& cell : row) cells.push_back(json_of(cell));
    rows.push_back(std::move(cells));
  }
  return {{"title", table.title}, {"columns", columns}, {"rows", rows}};
}

Json json_of(const LabChart& chart) {
  Json series = Json::array();
  for (const LabChart::Series& each : chart.series)
    series.push_back({{"name", each.name}, {"published", each.published}, {"x", each.x}, {"y", each.y}});
  return {{"title", chart.title},           {"kind", chart.kind == LabChart::Kind::bars ? "bars" : "lines"},
          {"x_label", chart.x_label},       {"y_label", chart.y_label},
          {"categories", chart.categories}, {"series", series}};
}

/// A field of RFC 4180: quoted where it holds a comma, a quote or a line end.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

std::string csv_field(const LabCell& cell) {
  if (const auto* number = std::get_if<double>(&cell)) return fmt::format("{}", *number);
  if (const auto* words = std::get_if<std::string>(&cell)) return csv_field(*words);
  return "";
}

std::string csv_of(const LabTable& table) {
  std::string text;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const LabColumn& column = table.columns[i];
    text += (i > 0 ? "," : "") + csv_field(column.unit.empty() ? column.name : column.name + " [" + column.unit + "]");
  }
  text += "\r\n";
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) text += (i > 0 ? "," : "") + csv_field(row[i]);
    text += "\r\n";
  }
  return text;
}

/// "Rate, one core" → "rate-one-core".
std::string file_name(const std::string& title) {
  std::string name;
  for (const char c : title) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!name.empty() && name.back() != '-')
      name += '-';
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name.empty() ? "table" : name;
}

}  // namespace

std::string to_json(const LabReport& report) {
  Json tables = Json::array(), charts = Json::array(), verdicts = Json::array();
  for (const LabTable& table : report.tables) tables.push_back(json_of(table));
  for (const LabChart& chart : report.charts) charts.push_back(json_of(chart));
  for (const LabVerdict& verdict : report.verdicts)
    verdicts.push_back({{"holds", verdict.judged ? Json(verdict.holds) : Json()}, {"text", verdict.text}});
  const Json json = {{"experiment", report.experiment},
                     {"question", report.question},
                     {"machine", report.machine},
                     {"target", report.target},
                     {"threads", report.threads},
                     {"compiler", report.compiler},
                     {"started", report.started},
                     {"quick", report.quick},
                     {"seconds", report.seconds},
                     {"tables", tables},
                     {"charts", charts},
                     {"verdicts", verdicts},
                     {"notes", report.notes}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<void> write_lab_report(const LabReport& report, const std::filesystem::path& directory) {
  if (auto made = make_directory(directory); !made) return made.error();
  for (const LabTable& table : report.tables)
    if (auto written = write_file(directory / (file_name(table.title) + ".csv"), csv_of(table)); !written) return written.error();
  return write_file(directory / "report.json", to_json(report) + "\n");
}

}  // namespace soma
