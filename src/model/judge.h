// answers one after the other + what is true of their samples → an Evaluation.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "soma/model.h"

namespace soma {

/// "" or why `known` cannot judge the model: no targets, others than the model's.
std::string targets_problem(const Model& model, const Dataset& known);

/// Collects answers in order. Borrows both.
class Judge {
 public:
  /// `worst`: how many mistakes to list.
  Judge(const Model& model, const Dataset& known, std::size_t worst) : model_(model), known_(known), worst_(worst) {}

  /// Sample `sample`: its outputs y, what they were to be where the sample is its own target, and how they read.
  void add(std::int64_t sample, std::span<const float> y, std::span<const float> itself, const Prediction& prediction);

  [[nodiscard]] Evaluation evaluation();

 private:
  void add_class(std::int64_t sample, std::span<const float> y, const Prediction& prediction);

  const Model& model_;
  const Dataset& known_;
  std::size_t worst_;
  double loss_ = 0;
  std::vector<std::int32_t> given_;
  std::vector<float> answers_;
  std::vector<Mistake> mistakes_;
};

}  // namespace soma
