// the steps of a program → fewer: those that are layers become islands.
#pragma once

#include "graph/program.h"

namespace soma {

/// Looks for stretches with one way in and one way out whose operators are layers, a matrix product or a convolution among them,
/// and puts an island in the place of each. What is computed stays the same, but for the order in which sums are added.
class Lowering {
 public:
  Lowering(Program& program, const onnx::ModelProto& model, int threads);

  void run();

 private:
  using Index = std::int64_t;
  /// Steps, ascending, that read nothing but `from`, constants and each other.
  struct Stretch {
    Index from = -1;
    std::vector<std::size_t> steps;
  };

  [[nodiscard]] Index source_of(const Program::Step& step) const;
  [[nodiscard]] bool is_constant(Index value) const;
  [[nodiscard]] bool is_sample(Index value) const;
  [[nodiscard]] Stretch grow(std::size_t first) const;
  /// Drops steps from the end until only the last one's value is read by others.
  void close(Stretch& stretch) const;
  [[nodiscard]] bool is_heavy(const Stretch& stretch) const;
  [[nodiscard]] onnx::ModelProto graph_of(const Stretch& stretch) const;
  /// The stretch, or as much of it as can be, as one step; whether there is one.
  bool lower(Stretch stretch);

  Program& program_;
  const onnx::ModelProto& model_;
  int threads_;
  std::vector<bool> taken_;                        // steps
  std::vector<std::vector<std::size_t>> readers_;  // steps that read a value; one beyond the last is whoever reads the outputs
};

}  // namespace soma
