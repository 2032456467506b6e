// a lab's findings → a page: the question, what this run bears out, tables and charts beside published figures.
#include <fmt/format.h>

#include <algorithm>

#include "core/file.h"
#include "report/chart.h"
#include "report/page.h"
#include "report/words.h"
#include "soma/report.h"

namespace soma {
namespace report {
namespace {

std::string cell(const LabCell& cell, const LabColumn& column) {
  if (const auto* number = std::get_if<double>(&cell)) return fixed(*number, column.decimals);
  if (const auto* words = std::get_if<std::string>(&cell)) return escaped(*words);
  return "–";
}

std::string lab_table(const LabTable& from) {
  Table all;
  for (std::size_t i = 0; i < from.columns.size(); ++i) {
    const bool words = std::any_of(from.rows.begin(), from.rows.end(), [&](const std::vector<LabCell>& row) {
      return i < row.size() && std::holds_alternative<std::string>(row[i]);
    });
    const LabColumn& column = from.columns[i];
    all.columns.push_back(
        {escaped(column.name) + (column.unit.empty() ? "" : fmt::format("<br><small>{}</small>", escaped(column.unit))), !words});
  }
  for (const auto& row : from.rows) {
    auto& cells = all.rows.emplace_back();
    for (std::size_t i = 0; i < row.size() && i < from.columns.size(); ++i) cells.push_back(cell(row[i], from.columns[i]));
  }
  return fmt::format("<h3>{}</h3>\n{}", escaped(from.title), table(all, from.title));
}

std::string verdicts(const LabReport& report) {
  std::string items;
  for (const LabVerdict& verdict : report.verdicts)
    items += fmt::format("<li class=\"{}\">{}</li>\n",
                         !verdict.judged ? "open"
                         : verdict.holds ? "holds"
                                         : "fails",
                         escaped(verdict.text));
  return items.empty() ? "" : "<ul class=\"verdicts\">\n" + items + "</ul>\n";
}

std::string head(const LabReport& report) {
  std::size_t holding = 0, judged = 0;
  for (const LabVerdict& verdict : report.verdicts) {
    judged += verdict.judged ? 1 : 0;
    holding += verdict.judged && verdict.holds ? 1 : 0;
  }
  std::vector<std::pair<std::string, std::string>> values;
  if (judged > 0) values.emplace_back(fmt::format("{} of {}", holding, judged), "claims borne out");
  if (judged < report.verdicts.size())
    values.emplace_back(std::to_string(report.verdicts.size() - judged), "that this run cannot judge");
  values.emplace_back(duration(report.seconds),
                      report.quick ? "a quick run: to look at, not to publish" : "the whole experiment");
  values.emplace_back(std::to_string(report.threads), report.threads == 1 ? "thread" : "threads at most");
  return fmt::format(
      "<header>\n<p class=\"kind\">Experiment</p>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n{}"
      "<p class=\"note\">{} · {} · {} · started {}</p>\n</header>\n",
      escaped(report.experiment), escaped(report.question), figures(values), escaped(report.machine), escaped(report.target),
      escaped(report.compiler), escaped(report.started));
}

}  // namespace
}  // namespace report

std::string lab_page(const LabReport& lab) {
  using namespace report;
  std::string charts, tables, notes;
  for (const LabChart& one : lab.charts) charts += chart(one);
  for (const LabTable& one : lab.tables) tables += lab_table(one);
  for (const std::string& note : lab.notes) notes += fmt::format("<p>{}</p>\n", escaped(note));
  if (!charts.empty()) charts = "<div class=\"charts wide\">\n" + charts + "</div>\n";
  return page(lab.experiment,
              head(lab) + section("What this run bears out", verdicts(lab)) + section("Charts", charts) +
                  section("Tables", tables) + section("How it was measured", notes) +
                  fmt::format("<footer>Written by soma. Dashed lines and hollow bars are figures that others have "
                              "published.</footer>\n"));
}

Result<void> write_lab_page(const LabReport& report, const std::filesystem::path& file) {
  return write_file(file, lab_page(report));
}

}  // namespace soma
