// a model → answers on raw samples without a thread team: what one thread of the server computes with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/team.h"
#include "integer/executor.h"
#include "nn/net.h"
#include "soma/error.h"
#include "soma/model.h"

namespace soma {

/// How raw samples lie in memory.
enum class Layout {
  bytes,   ///< one byte per value, channels last, as pictures have it
  floats,  ///< float32 of any alignment in the model's published order, channels first
};

/// What one layer made of a sample: [channels, height, width] or [features].
struct LayerActivation {
  std::string name, kind;
  Shape shape;
  std::vector<float> values;
};

class Engine {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Engine>> create(const Model& model, std::int64_t max_batch);
  /// For another thread: the same model and batch, the same weights in memory, which neither writes.
  [[nodiscard]] std::unique_ptr<Engine> twin() const;

  /// Preprocesses `count` samples into rows [row, row + count) of the next batch. Allocates nothing.
  void fill(std::int64_t row, const std::byte* samples, std::int64_t count, Layout layout) noexcept;
  /// The network's outputs [rows, output_size] for rows [0, rows), valid until the next call. Allocates nothing.
  [[nodiscard]] const float* run(std::int64_t rows);

  /// Mean square of what the answer y [output_size] to row `row` of the last run, which gives its sample back, misses of it after
  /// preprocessing.
  [[nodiscard]] double score(std::int64_t row, const float* y);

  /// What each layer that has an output of its own made of row 0 in the last run; of a model in 8 bits, what real numbers make of
  /// it with the same weights.
  [[nodiscard]] std::vector<LayerActivation> activations();

  /// Row 0 as the network saw it.
  [[nodiscard]] LayerActivation input_activation() const;

  [[nodiscard]] std::int64_t max_batch() const { return shared_->max_batch; }
  [[nodiscard]] std::int64_t sample_size() const { return raw_.sample_size(); }
  [[nodiscard]] std::int64_t output_size() const { return elements(shared_->network.shapes.back()); }

 private:
  /// What the engines of a model have in common: one set of weights, in real numbers or in 8 bits.
  struct Shared {
    ResolvedNetwork network;
    std::vector<PreprocessStep> steps;
    std::vector<float> table;  // what each byte becomes, when all steps are affine per channel
    Shape input;               // of a raw sample
    std::int64_t max_batch = 0;
    const Kernels<float>* kernels = nullptr;
    std::optional<Quantization> quantization;
    std::shared_ptr<const ExecutorPlan> bytes;  // with a quantization
    Plan plan;                                  // without one
    Block<float> parameters;
  };
  explicit Engine(std::shared_ptr<const Shared> shared);
  [[nodiscard]] const float* input() const { return bytes_ ? x_.data() : net_->value(0); }

  std::shared_ptr<const Shared> shared_;
  Team team_{1};
  std::optional<Net<float>> net_;
  std::optional<IntegerExecutor> bytes_;  // in place of net_, when the model is in 8 bits
  std::vector<float> x_, y_;              // of bytes_
  std::vector<float> itself_;             // of score()
  Dataset raw_;                           // one sample of floats, channels last, on its way through the steps
};

}  // namespace soma
