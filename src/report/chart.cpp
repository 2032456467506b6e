// a chart as data → inline SVG and its legend.
#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/axis.h"
#include "report/words.h"

namespace soma::report {
namespace {

constexpr std::size_t kColours = 6;       // style.cpp names as many
constexpr std::size_t kDots = 40;         // more of them on a line would hide it
constexpr double kLongestBar = 74;        // per cent of the width: the number stands behind the bar
constexpr int kCharacter = 7, kGap = 14;  // pixels, of a tick's label and beside it

/// Published figures share the colour of the measured series whose name theirs begins with; all others follow one another.
std::size_t colour(const LabChart& chart, std::size_t series) {
  std::size_t next = 0;
  for (std::size_t i = 0; i <= series; ++i) {
    const LabChart::Series& one = chart.series[i];
    const auto same = std::find_if(chart.series.begin(), chart.series.end(), [&](const LabChart::Series& other) {
      return one.published && !other.published && !other.name.empty() && one.name.starts_with(other.name);
    });
    const bool follows = same == chart.series.end();
    if (i == series) return follows ? next : colour(chart, static_cast<std::size_t>(same - chart.series.begin()));
    next += follows ? 1 : 0;
  }
  return next;
}

/// The classes a series is drawn with: its colour, dots instead of a line when colours begin again, and whose figures they are.
std::string look(const LabChart& chart, std::size_t series) {
  const std::size_t index = colour(chart, series);
  return fmt::format("s{}{}{}", index % kColours, index >= kColours ? " again" : "",
                     chart.series[series].published ? " published" : "");
}

/// Characters as a reader counts them.
std::size_t letters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string legend(const LabChart& chart) {
  if (chart.series.size() < 2) return "";
  std::string items;
  for (std::size_t i = 0; i < chart.series.size(); ++i)
    items += fmt::format("<li class=\"{}\">{}</li>", look(chart, i), escaped(chart.series[i].name));
  return fmt::format("<ul class=\"legend{}\">{}</ul>", chart.kind == LabChart::Kind::bars ? " boxes" : "", items);
}

std::vector<double> all(const LabChart& chart, std::vector<double> LabChart::Series::*which) {
  std::vector<double> values;
  for (const LabChart::Series& series : chart.series) values.insert(values.end(), (series.*which).begin(), (series.*which).end());
  return values;
}

/// The line of one series in a box of 1000 × 1000 that the page stretches; gaps where a value is missing.
std::string path(const LabChart::Series& series, const Axis& x, const Axis& y) {
  std::string d;
  bool drawing = false;
  for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
    const double px = x.place(series.x[i]), py = y.place(series.y[i]);
    const bool there = std::isfinite(px) && std::isfinite(py);
    if (there) d += fmt::format("{}{:.1f} {:.1f}", drawing ? "L" : "M", 1000 * px, 1000 * (1 - py));
    drawing = there;
  }
  return d;
}

std::string dots(const LabChart& chart, std::size_t index, const Axis& x, const Axis& y) {
  const LabChart::Series& series = chart.series[index];
  std::string text;
  const std::size_t count = std::min(series.x.size(), series.y.size());
  for (std::size_t i = 0; i < count; ++i) {
    const double px = x.place(series.x[i]), py = y.place(series.y[i]);
    const bool shown = count <= kDots || i + 1 == count;
    if (!std::isfinite(px) || !std::isfinite(py) || !shown) continue;
    text += fmt::format("<circle class=\"dot {}\" cx=\"{:.2f}%\" cy=\"{:.2f}%\" r=\"3\"><title>{}: {}, {} {}</title></circle>",
                        look(chart, index), 100 * px, 100 * (1 - py), escaped(series.name), brief(series.y[i]),
                        escaped(chart.x_label), brief(series.x[i]));
  }
  return text;
}

std::string plot(const LabChart& chart) {
  const std::vector<double> xs = all(chart, &LabChart::Series::x), ys = all(chart, &LabChart::Series::y);
  const bool whole = std::all_of(xs.begin(), xs.end(), [](double v) { return std::floor(v) == v; });
  const Axis x(xs, {.log = chart.log_x, .whole = whole, .tight = true, .ticks = 6});
  const Axis y(ys, {.log = chart.log_y});

  std::string marks;
  std::size_t widest = 0;
  for (const Tick& tick : y.ticks()) {
    const double at = 100 * (1 - tick.at);
    marks += fmt::format(
        "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{0:.2f}%\" y2=\"{0:.2f}%\"/>"
        "<text class=\"y\" x=\"-8\" y=\"{0:.2f}%\" dy=\".32em\">{1}</text>",
        at, tick.label);
    widest = std::max(widest, letters(tick.label));
  }
  for (const Tick& tick : x.ticks())
    marks += fmt::format(
        "<line class=\"tick\" x1=\"{0:.2f}%\" x2=\"{0:.2f}%\" y1=\"100%\" y2=\"100%\"/>"
        "<text class=\"x\" x=\"{0:.2f}%\" y=\"100%\" dy=\"1.6em\">{1}</text>",
        100 * tick.at, tick.label);
  std::string lines, points;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    lines += fmt::format("<path class=\"{}\" d=\"{}\"/>", look(chart, i), path(chart.series[i], x, y));
    points += dots(chart, i, x, y);
  }
  return fmt::format(
      "<svg class=\"plot\" role=\"img\" aria-label=\"{}\" style=\"--left:{}px\">{}"
      "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" width=\"100%\" height=\"100%\">{}</svg>{}</svg>",
      escaped(chart.title), static_cast<int>(widest) * kCharacter + kGap, marks, lines, points);
}

std::string bars(const LabChart& chart) {
  constexpr int row = 20, thick = 13;
  const std::vector<double> values = all(chart, &LabChart::Series::y);
  const Axis axis(values, {.log = chart.log_y, .from_zero = true});
  std::string text = fmt::format("<div class=\"bars\" role=\"group\" aria-label=\"{}\">", escaped(chart.title));
  for (std::size_t c = 0; c < chart.categories.size(); ++c) {
    std::string rows;
    for (std::size_t i = 0; i < chart.series.size(); ++i) {
      const LabChart::Series& series = chart.series[i];
      const double value = c < series.y.size() ? series.y[c] : std::numeric_limits<double>::quiet_NaN();
      const double place = axis.place(value), width = std::isfinite(place) ? kLongestBar * place : 0;
      const int top = static_cast<int>(i) * row;
      rows += fmt::format(
          "<rect class=\"{}\" y=\"{}\" width=\"{:.2f}%\" height=\"{}\" rx=\"2\"><title>{}</title></rect>"
          "<text x=\"{:.2f}%\" dx=\"6\" y=\"{}\">{}</text>",
          look(chart, i), top, width, thick, escaped(series.name), width, top + thick - 2,
          std::isfinite(value) ? brief(value) : "–");
    }
    text += fmt::format("<p>{}</p><svg role=\"img\" aria-label=\"{}\" height=\"{}\">{}</svg>", escaped(chart.categories[c]),
                        escaped(chart.categories[c]), static_cast<int>(chart.series.size()) * row, rows);
  }
  return text + "</div>";
}

}  // namespace

std::string chart(const LabChart& chart) {
  const bool lines = chart.kind == LabChart::Kind::lines;
  const std::string scale = chart.log_y ? (chart.y_label.empty() ? "logarithmic" : ", logarithmic") : "";
  const std::string unit =
      (chart.y_label + scale).empty() ? "" : fmt::format(" <small>{}{}</small>", escaped(chart.y_label), scale);
  const std::string below =
      lines && !chart.x_label.empty() ? fmt::format("<p class=\"below\">{}</p>", escaped(chart.x_label)) : "";
  return fmt::format("<figure class=\"chart\"><figcaption>{}{}</figcaption>{}{}{}</figure>\n", escaped(chart.title), unit,
                     legend(chart), lines ? plot(chart) : bars(chart), below);
}

}  // namespace soma::report
