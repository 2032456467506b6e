// an evaluation → what is taken for what, and the samples the model was most wrong about.
#include <fmt/format.h>

#include <algorithm>

#include "report/page.h"
#include "report/picture.h"
#include "report/run_parts.h"
#include "report/words.h"

namespace soma::report {
namespace {

constexpr std::size_t kMatrix = 30;  // classes: a larger matrix shows nothing that a list does not
constexpr std::size_t kPairs = 5;

const std::string& class_name(const RunFacts& facts, std::size_t label) {
  static const std::string none = "?";
  const auto& names = facts.train.model.class_names;
  return label < names.size() ? names[label] : none;
}

std::string matrix(const RunFacts& facts) {
  const auto& counts = facts.evaluation->confusion;
  std::int64_t largest_mistake = 1;
  for (std::size_t i = 0; i < counts.size(); ++i)
    for (std::size_t j = 0; j < counts.size(); ++j)
      if (i != j) largest_mistake = std::max(largest_mistake, counts[i][j]);
  std::string head, rows;
  for (std::size_t j = 0; j < counts.size(); ++j) head += fmt::format("<th scope=\"col\">{}</th>", escaped(class_name(facts, j)));
  for (std::size_t i = 0; i < counts.size(); ++i) {
    std::int64_t all = 0;
    for (const std::int64_t count : counts[i]) all += count;
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", escaped(class_name(facts, i)));
    for (std::size_t j = 0; j < counts.size(); ++j) {
      const double share = i == j ? (all > 0 ? static_cast<double>(counts[i][j]) / static_cast<double>(all) : 0)
                                  : static_cast<double>(counts[i][j]) / static_cast<double>(largest_mistake);
      // Right answers begin at 60 %: below that a class is hardly known, and all differences are above.
      const double depth = i == j ? std::max(0.0, (share - 0.6) / 0.4) : share;
      if (counts[i][j] == 0)
        rows += "<td class=\"none\">·</td>";
      else
        rows += fmt::format("<td class=\"{}\" style=\"--depth:{:.2f}\">{}</td>", i == j ? "right" : "wrong", depth,
                            grouped(counts[i][j]));
    }
    rows += "</tr>\n";
  }
  return fmt::format(
      "<div><p class=\"note\">Rows: the true class. Columns: the answer.</p>\n<div class=\"scroll\" tabindex=\"0\" "
      "role=\"region\" aria-label=\"Confusion matrix\"><table class=\"confusion\">\n"
      "<thead><tr><td></td>{}</tr></thead>\n<tbody>\n{}</tbody>"
      "</table></div></div>\n",
      head, rows);
}

/// "4 is taken for 9 (12 times), …".
std::string most_confused(const RunFacts& facts) {
  struct Pair {
    std::int64_t count;
    std::size_t label, given;
  };
  std::vector<Pair> pairs;
  const auto& counts = facts.evaluation->confusion;
  for (std::size_t i = 0; i < counts.size(); ++i)
    for (std::size_t j = 0; j < counts.size(); ++j)
      if (i != j && counts[i][j] > 0) pairs.push_back({counts[i][j], i, j});
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.count > b.count; });
  if (pairs.empty()) return "<p>Not one mistake.</p>\n";
  std::string words;
  for (std::size_t i = 0; i < std::min(kPairs, pairs.size()); ++i)
    words +=
        fmt::format("{}<b>{}</b> for <b>{}</b> ({} {})", i == 0 ? "" : ", ", escaped(class_name(facts, pairs[i].label)),
                    escaped(class_name(facts, pairs[i].given)), grouped(pairs[i].count), pairs[i].count == 1 ? "time" : "times");
  return "<p>Taken most often: " + words + ".</p>\n";
}

std::string per_class(const RunFacts& facts) {
  const auto& counts = facts.evaluation->confusion;
  Table all{{{"class", false}, {"samples"}, {"recall"}, {"precision"}, {"F1"}}, {}};
  const auto share = [](std::int64_t part, std::int64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
  };
  for (std::size_t i = 0; i < counts.size(); ++i) {
    std::int64_t row = 0, column = 0;
    for (std::size_t j = 0; j < counts.size(); ++j) {
      row += counts[i][j];
      column += counts[j][i];
    }
    const std::int64_t right = counts[i][i];
    all.rows.push_back({escaped(class_name(facts, i)), grouped(row), row > 0 ? percent(share(right, row)) : "–",
                        column > 0 ? percent(share(right, column)) : "–",
                        row + column > 0 ? percent(share(2 * right, row + column)) : "–"});
  }
  return table(all, "Figures per class");
}

/// The raw value of one number of a sample: the word, where the column holds words.
std::string cell(const Dataset& data, std::size_t column, float value) {
  if (column < data.columns.size() && !data.columns[column].categories.empty()) {
    const auto& words = data.columns[column].categories;
    return value >= 0 && static_cast<std::size_t>(value) < words.size() ? escaped(words[static_cast<std::size_t>(value)]) : "–";
  }
  return brief(value);
}

std::vector<float> sample_of(const Dataset& data, std::int64_t index) {
  std::vector<float> values(static_cast<std::size_t>(data.sample_size()));
  data.copy_floats(index, values.data());
  return values;
}

std::string answer(const RunFacts& facts, const Mistake& mistake) {
  const std::string sure =
      gives_probabilities(facts.config.loss, facts.config.network) ? percent(mistake.probability) : brief(mistake.probability);
  return fmt::format("<b>{}</b> for {} <small>{}</small>", escaped(class_name(facts, static_cast<std::size_t>(mistake.given))),
                     escaped(class_name(facts, static_cast<std::size_t>(mistake.label))), sure);
}

std::string pictures(const RunFacts& facts) {
  const Dataset& data = *facts.test;
  std::string items;
  for (const Mistake& mistake : facts.evaluation->worst) {
    const std::vector<float> values = sample_of(data, mistake.sample);
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const Picture picture = sample_picture(data.shape, values, data.has_bytes() ? 0 : *low, data.has_bytes() ? 255 : *high);
    items += fmt::format(
        "<figure><img alt=\"sample {0}\" src=\"{1}\" width=\"96\" height=\"{2}\">"
        "<figcaption title=\"sample {0}, loss {3}\">{4}</figcaption></figure>\n",
        mistake.sample, png_uri(picture), std::clamp<std::int64_t>(96 * data.shape[1] / data.shape[2], 24, 192),
        brief(mistake.loss), answer(facts, mistake));
  }
  return "<div class=\"pictures\">\n" + items + "</div>\n";
}

std::string rows(const RunFacts& facts) {
  constexpr std::size_t kShown = 12;  // columns of the data that are shown
  const Dataset& data = *facts.test;
  Table all{{{"answer", false}, {"sample"}, {"loss"}}, {}};
  const std::size_t shown = std::min(kShown, static_cast<std::size_t>(data.sample_size()));
  for (std::size_t i = 0; i < shown; ++i)
    all.columns.push_back({i < data.columns.size() ? escaped(data.columns[i].name) : fmt::format("x{}", i)});
  for (const Mistake& mistake : facts.evaluation->worst) {
    const std::vector<float> values = sample_of(data, mistake.sample);
    auto& row = all.rows.emplace_back(std::vector{answer(facts, mistake), grouped(mistake.sample), brief(mistake.loss)});
    for (std::size_t i = 0; i < shown; ++i) row.push_back(cell(data, i, values[i]));
  }
  return table(all, "The worst mistakes");
}

}  // namespace

std::string confusion(const RunFacts& facts) {
  if (facts.evaluation == nullptr || facts.evaluation->confusion.empty()) return "";
  const bool small = facts.evaluation->confusion.size() <= kMatrix;
  return most_confused(facts) + "<div class=\"beside\">\n" + (small ? matrix(facts) : "") + per_class(facts) + "</div>\n";
}

std::string mistakes(const RunFacts& facts) {
  if (facts.evaluation == nullptr || facts.test == nullptr || facts.evaluation->worst.empty()) return "";
  return "<p>The model's answer, the true class, and how sure the model was: the largest losses first.</p>\n" +
         (facts.test->is_image() ? pictures(facts) : rows(facts));
}

}  // namespace soma::report
