// nothing → runs and findings that are hard to lay out: long names, markup in words, gaps, many classes.
#pragma once

#include "soma/report.h"

namespace soma::test {

/// Owns what a RunFacts borrows.
struct ExampleRun {
  Config config;
  TrainReport train;
  Dataset test;
  Evaluation evaluation;
  std::vector<LayerTime> layers;

  [[nodiscard]] RunFacts facts() const { return {config, train, &test, &evaluation, layers}; }
};

/// A table with words in it, `classes` classes with long names, three epochs, one mistake of each class.
ExampleRun table_run(std::size_t classes);

/// Bars beside published figures, lines over workers with logarithms and gaps, a wide table, verdicts of both kinds.
LabReport example_findings();

}  // namespace soma::test
