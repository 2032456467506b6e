// a graph's outputs on samples + what is true of them → an Evaluation.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "graph/convert.h"
#include "graph/element.h"
#include "model/judge.h"
#include "soma/graph.h"
#include "soma/words.h"

namespace soma {
namespace {

std::vector<float> floats_of(const TypedArray& array) {
  std::vector<float> floats(static_cast<std::size_t>(elements(array.extents)));
  if (floats.empty()) return floats;
  TypedArray copy = array;  // operands are not const
  // Numbers convert: the caller looked.
  (void)convert({copy.type, copy.extents, copy.bytes.data()}, {ElementType::f32, copy.extents, floats.data()});
  return floats;
}

bool are_probabilities(const std::vector<float>& rows, std::size_t width) {
  for (std::size_t first = 0; first < rows.size(); first += width) {
    float sum = 0;
    for (std::size_t i = first; i < first + width; ++i) {
      if (!(rows[i] >= 0)) return false;
      sum += rows[i];
    }
    if (!(std::abs(sum - 1) < 1e-3F)) return false;
  }
  return true;
}

/// Classes said by name or by place → 1 for each sample's own, 0 for the others; nothing where a class is unknown.
std::vector<float> one_hot(const TypedArray& said, const std::vector<std::string>& names) {
  std::vector<std::string> words = said.strings;
  if (said.type != ElementType::string)
    for (const std::int64_t number : whole_numbers(said.type, said.bytes.data(), elements(said.extents)))
      words.push_back(std::to_string(number));
  const bool named =
      std::all_of(words.begin(), words.end(), [&](const auto& word) { return std::count(names.begin(), names.end(), word) > 0; });
  std::vector<float> rows(words.size() * names.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::size_t place = 0;
    while (place < names.size() && words[i] != (named ? names[place] : std::to_string(place))) ++place;
    if (place == names.size()) return {};
    rows[i * names.size() + place] = 1;
  }
  return rows;
}

/// The outputs that answer, a row for each sample, and how they are read.
std::vector<float> answers(const std::vector<TypedArray>& outputs, const Dataset& known, Model& meaning) {
  const bool classes = known.task == Task::classes;
  const auto samples = static_cast<std::size_t>(known.count),
             width = classes ? known.class_names.size() : known.target_names.size();
  constexpr TypeSet reals = bit(ElementType::f32) | bit(ElementType::f64);
  for (const TypedArray& output : outputs)
    if ((bit(output.type) & reals) != 0 && static_cast<std::size_t>(elements(output.extents)) == samples * width) {
      auto rows = floats_of(output);
      const bool logits = classes && !are_probabilities(rows, width);
      meaning.loss.kind = logits ? LossConfig::Kind::cross_entropy : LossConfig::Kind::quadratic;
      return rows;
    }
  meaning.loss.kind = LossConfig::Kind::quadratic;
  for (const TypedArray& output : outputs)
    if (classes && (bit(output.type) & (kWhole | bit(ElementType::string))) != 0 &&
        static_cast<std::size_t>(elements(output.extents)) == samples)
      return one_hot(output, known.class_names);
  return {};
}

}  // namespace

Result<Evaluation> Graph::evaluate(const Dataset& known, const Reading& reading, std::size_t worst) {
  const auto wrong = [](std::string what) { return Error{Error::Kind::data, std::move(what)}; };
  if (known.count < 1) return wrong("wanted at least one sample, got none; try another file");
  if (known.task != Task::classes && known.task != Task::values)
    return wrong(fmt::format("wanted classes or values, got {}; try soma run", word(known.task)));
  auto outputs = run(known, reading);
  if (!outputs) return outputs.error();
  Model meaning;
  meaning.task = known.task;
  meaning.class_names = known.class_names;
  meaning.target_names = known.target_names;
  const std::vector<float> rows = answers(*outputs, known, meaning);
  if (rows.empty())
    return wrong(fmt::format(
        "wanted an output with a number for each of {} {}, or one that says which, got none; try --classes, or soma run",
        known.task == Task::classes ? known.class_names.size() : known.target_names.size(), word(known.task)));
  if (const std::string problem = targets_problem(meaning, known); !problem.empty()) return wrong(problem);
  Judge judge(meaning, known, worst);
  Prediction prediction;
  const std::size_t width = rows.size() / static_cast<std::size_t>(known.count);
  for (std::int64_t i = 0; i < known.count; ++i) {
    const auto y = std::span(rows).subspan(static_cast<std::size_t>(i) * width, width);
    read_output(meaning, y, prediction);
    judge.add(i, y, {}, prediction);
  }
  if (const auto same = known.unchanged(); !same) return same.error();
  return judge.evaluation();
}

}  // namespace soma
