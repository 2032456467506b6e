// a plan + a GPU → parameters and samples sent there, recorded steps run, parameters and losses brought back.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "gpu/device.h"
#include "gpu/lower.h"
#include "nn/loss.h"

namespace soma::gpu {

/// What the loss of one batch left: sums over its samples.
struct StepRecord {
  float loss = 0, weight = 0;
  std::int64_t correct = 0;
};

/// Where a recording's steps begin.
struct Start {
  std::int64_t sample = 0;  ///< position in the order of samples
  std::int64_t pass = 0;    ///< batches seen: dropout draws from it
  std::int64_t rows = 1;    ///< samples of each step
};

class Engine {
 public:
  /// Numbers of four bytes in the arenas that the plan does not know.
  struct Room {
    std::int64_t samples = 0, targets = 0, order = 0, table = 0;
  };
  [[nodiscard]] static Result<std::unique_ptr<Engine>> create(std::unique_ptr<Device> device, const Plan& plan,
                                                              const Settings& settings, const Room& room);

  [[nodiscard]] Device& device() { return *device_; }
  [[nodiscard]] const Program& program() const { return program_; }

  template <class T>
  [[nodiscard]] Result<void> put(Arena arena, std::span<const T> values, std::int64_t offset = 0) {
    return device_->upload(arena, offset, std::as_bytes(values));
  }
  [[nodiscard]] Result<void> get(Arena arena, std::span<float> values, std::int64_t offset = 0) {
    return device_->download(arena, offset, std::as_writable_bytes(values));
  }

  /// What rows of samples, from sample `first` on, are compared with. `targets` has what the settings say there is.
  [[nodiscard]] Result<void> put_targets(std::int64_t first, std::int64_t rows, const LossTargets& targets);

  /// The device back, for another engine; this one is of no more use.
  [[nodiscard]] std::unique_ptr<Device> release() { return std::move(device_); }

  /// A training step for each update, one after the other. `last`: of an epoch, which keeps the gradients of the parameters. The
  /// records are good until the next call. restore() takes the last call back.
  [[nodiscard]] Result<std::span<const StepRecord>> train(const Start& start, std::span<const Update<float>> updates, bool last);
  [[nodiscard]] Result<void> restore() { return device_->restore(); }

  /// Losses of `steps` batches without training.
  [[nodiscard]] Result<std::span<const StepRecord>> evaluate(const Start& start, std::int64_t steps);

  /// Seconds of each dispatch of a training step on the GPU's clock, in order.
  [[nodiscard]] Result<std::vector<double>> time_step(std::int64_t rows);

 private:
  Engine(std::unique_ptr<Device> device, Program program, std::int64_t outputs);
  Result<std::span<const StepRecord>> run(std::size_t program, const Start& start, std::int64_t steps, bool snapshot);

  std::unique_ptr<Device> device_;
  Program program_;
  std::size_t step_ = 0, last_step_ = 0, evaluation_ = 0;
  std::int64_t outputs_;
  std::vector<StepRecord> records_;
  std::vector<std::uint32_t> packed_;  // targets on their way
};

}  // namespace soma::gpu
