// what a model's file does not say, in the words of a command line → steps before its own, and names of its classes.
#include "soma/reading.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "core/file.h"
#include "core/number.h"
#include "core/text.h"
#include "nn/resolve.h"

namespace soma {
namespace {

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// "1,2.5" → numbers; nothing where a part is none.
std::vector<float> numbers_of(std::string_view text) {
  std::vector<float> numbers;
  for (const std::string& part : split(text, ',')) {
    const auto number = decimal_number(part);
    if (!number || !std::isfinite(*number)) return {};
    numbers.push_back(static_cast<float>(*number));
  }
  return numbers;
}

Error usage(std::string message) { return {Error::Kind::usage, one_line(message)}; }

}  // namespace

Result<PreprocessStep> read_step(std::string_view text, const Shape& input) {
  const auto parts = split(text, ':');
  const bool divide = parts[0] == "divide" && parts.size() == 2, standardise = parts[0] == "standardise" && parts.size() == 3;
  PreprocessStep step;
  step.kind = divide ? PreprocessKind::divide : PreprocessKind::standardise;
  if (divide || standardise) step.divisor = numbers_of(parts.back());
  if (standardise) step.offset = numbers_of(parts[1]);
  if (divide) step.offset.assign(step.divisor.size(), 0.0F);
  const auto channels = static_cast<std::size_t>(input.empty() ? 0 : input[0]);
  bool fits = !step.divisor.empty() && step.divisor.size() == step.offset.size() &&
              (step.divisor.size() == 1 || (standardise && step.divisor.size() == channels));
  for (const float each : step.divisor) fits = fits && each != 0;
  if (fits) return step;
  return usage(fmt::format(
      "--preprocess: wanted divide:NUMBER or standardise:MEAN,…:DEVIATION,… with one number for all or for each of {} {}, got "
      "'{}'; try divide:255",
      channels, input.size() == 3 ? "channels" : "features", text));
}

Result<std::vector<std::string>> read_class_names(const std::string& text) {
  const auto file = is_file(text);
  if (!file || !*file) return split(text, ',');
  auto bytes = read_file(text, std::size_t{1} << 24);
  if (!bytes) return bytes.error();
  while (bytes->ends_with('\n')) bytes->pop_back();
  std::erase(*bytes, '\r');
  return split(*bytes, '\n');
}

Result<void> apply(const Reading& reading, Model& model) {
  std::vector<PreprocessStep> steps;
  for (const std::string& text : reading.preprocess) {
    auto step = read_step(text, model.input);
    if (!step) return step.error();
    steps.push_back(std::move(*step));
  }
  model.preprocess.steps.insert(model.preprocess.steps.begin(), steps.begin(), steps.end());
  if (reading.classes.empty()) return {};
  auto names = read_class_names(reading.classes);
  if (!names) return names.error();
  const auto network = resolve(model.network);
  if (!network) return network.error();
  const auto outputs = static_cast<std::size_t>(elements(network->shapes.back())), wanted = std::max<std::size_t>(outputs, 2);
  if (names->size() != wanted)
    return usage(fmt::format("--classes: wanted {} names, one for each class of the model, got {}", wanted, names->size()));
  if (outputs == 1 && model.task == Task::values) {  // a logit, then
    model.loss = {LossConfig::Kind::binary_cross_entropy};
    model.loss.codes = {0, 1};
  }
  model.task = Task::classes;
  model.target_names.clear();
  model.class_names = std::move(*names);
  return {};
}

}  // namespace soma
