// a Model's parts → whether they belong together.
#pragma once

#include <string>

#include "integer/program.h"
#include "nn/resolve.h"
#include "soma/model.h"

namespace soma {

/// "" or one clause "wanted …, got …; try …": preprocessing that ends in the network's input, an output for each class (or one
/// for all codes), columns as many as features, every array with its published name and shape, a quantization that fits them.
std::string model_problem(const Model& model, const ResolvedNetwork& network);

/// The integers of a model that has a quantization, once its parts were found to belong together.
[[nodiscard]] Result<IntegerProgram> integer_program(const Model& model);

/// The shape of a raw sample after all steps, or nothing when the steps do not fit it.
std::optional<Shape> shape_after(const Preprocess& preprocess, const Shape& raw);

}  // namespace soma
