// a Model's parts → whether they belong together.
#include "model/check.h"

#include <fmt/format.h>

#include <algorithm>

#include "integer/chain.h"

namespace soma {
namespace {

std::string wanted(std::string_view what, std::string_view got) {
  return fmt::format("wanted {}, got {}; try saving the model again", what, got);
}

bool is_affine(PreprocessKind kind) {
  return kind == PreprocessKind::divide || kind == PreprocessKind::standardise || kind == PreprocessKind::min_max ||
         kind == PreprocessKind::mean_subtraction || kind == PreprocessKind::robust;
}

std::string output_problem(const Model& model, const Shape& output) {
  if (model.task == Task::reconstruct) {
    const auto seen = shape_after(model.preprocess, model.input);
    return seen && elements(output) == elements(*seen) ? ""
                                                       : wanted("as many outputs as a sample has numbers", to_string(output));
  }
  if (model.task != Task::classes) {
    const bool fits = output.size() == 1 && output[0] == static_cast<std::int64_t>(model.target_names.size());
    return fits ? "" : wanted(fmt::format("{} outputs, one per target", model.target_names.size()), to_string(output));
  }
  const std::size_t classes = model.class_names.size();
  if (output.size() != 1) return wanted("a flat output", to_string(output));
  if (model.loss.codes.empty()) {
    if (output[0] != static_cast<std::int64_t>(classes))
      return wanted(fmt::format("{} outputs, one per class", classes), to_string(output));
  } else {
    if (output[0] != 1) return wanted("one output for codes", to_string(output));
    if (model.loss.codes.size() != classes)
      return wanted(fmt::format("a code for each of {} classes", classes), fmt::format("{}", model.loss.codes.size()));
  }
  if (!model.loss.class_weights.empty() && model.loss.class_weights.size() != classes)
    return wanted(fmt::format("a weight for each of {} classes", classes), fmt::format("{}", model.loss.class_weights.size()));
  return "";
}

}  // namespace

std::optional<Shape> shape_after(const Preprocess& preprocess, const Shape& raw) {
  Shape shape = raw;
  if (shape.size() != 1 && shape.size() != 3) return std::nullopt;
  bool numbers_begun = false;  // what knows columns comes before
  for (const PreprocessStep& step : preprocess.steps) {
    const std::size_t size = static_cast<std::size_t>(elements(shape)), channels = static_cast<std::size_t>(shape[0]);
    const std::size_t numbers = step.divisor.size();
    if (step.offset.size() != numbers || is_affine(step.kind) == (numbers == 0)) return std::nullopt;
    if (numbers > 1 && numbers != channels && numbers != size) return std::nullopt;
    if (step.kind == PreprocessKind::impute) {
      if (shape.size() != 1 || step.fill.size() != size) return std::nullopt;
      for (const std::int32_t place : step.indicators)
        if (place < 0 || static_cast<std::size_t>(place) >= size) return std::nullopt;
      shape[0] += std::ssize(step.indicators);
    }
    numbers_begun = numbers_begun || (step.kind != PreprocessKind::one_hot && step.kind != PreprocessKind::impute);
    if (step.kind == PreprocessKind::impute && numbers_begun) return std::nullopt;
    if (step.kind != PreprocessKind::one_hot) continue;
    if (numbers_begun || shape.size() != 1 || step.categories.size() != size) return std::nullopt;
    shape[0] = 0;
    for (const std::int32_t categories : step.categories) {
      if (categories < 0) return std::nullopt;
      shape[0] += std::max(categories, 1);
    }
  }
  return shape;
}

std::string model_problem(const Model& model, const ResolvedNetwork& network) {
  const auto seen = shape_after(model.preprocess, model.input);
  if (!seen) return wanted("preprocessing that fits its input", to_string(model.input));
  if (*seen != network.spec.input)
    return wanted(fmt::format("preprocessing that ends in {}", to_string(network.spec.input)), to_string(*seen));
  if (const std::string problem = output_problem(model, network.shapes.back()); !problem.empty()) return problem;
  if (!model.columns.empty() && (model.input.size() != 1 || model.input[0] != static_cast<std::int64_t>(model.columns.size())))
    return wanted(fmt::format("{} columns", to_string(model.input)), fmt::format("{}", model.columns.size()));

  const auto arrays = parameter_shapes(network);
  if (arrays.size() != model.parameters.size())
    return wanted(fmt::format("{} arrays", arrays.size()), fmt::format("{}", model.parameters.size()));
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Tensor& tensor = model.parameters[i];
    if (tensor.name != arrays[i].name || tensor.shape != arrays[i].shape ||
        tensor.values.size() != static_cast<std::size_t>(elements(tensor.shape)))
      return wanted(fmt::format("array '{}' of {}", arrays[i].name, to_string(arrays[i].shape)),
                    fmt::format("'{}' of {} with {} values", tensor.name, to_string(tensor.shape), tensor.values.size()));
  }
  if (model.quantization) {
    const auto chain = int8_chain(network);
    return chain ? quantization_problem(model, *chain, network) : chain.error().message;
  }
  return "";
}

Result<IntegerProgram> integer_program(const Model& model) {
  SOMA_REQUIRE(model.quantization.has_value());
  const auto network = resolve(model.network);
  if (!network) return network.error();
  if (const std::string problem = model_problem(model, *network); !problem.empty())
    return Error{Error::Kind::data, "model: " + problem};
  return make_program(model, *network, int8_chain(*network).value());
}

}  // namespace soma
