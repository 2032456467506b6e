// what a training run remembers between steps → everything a checkpoint has to hold.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "core/arena.h"
#include "core/team.h"
#include "nn/loss.h"
#include "nn/net.h"
#include "soma/train.h"
#include "train/loss_scale.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/strategy.h"
#include "train/target_buffer.h"

namespace soma {

/// Where the run stands. Everything here is in the checkpoint, so that a resumed run takes exactly the steps that were left.
struct RunPosition {
  std::int64_t epoch = 0;  ///< epochs finished
  std::int64_t next = 0;   ///< samples of the current epoch already used
  std::int64_t step = 0;   ///< optimizer steps taken
  std::int64_t batch = 0;  ///< batches seen: dropout draws from it
  LossSum sum;             ///< of the current epoch
  double seconds = 0;      ///< of the current epoch
  std::int64_t since_best = 0;
  double best_loss = std::numeric_limits<double>::infinity();
  bool stopped_early = false;
};

/// A run in memory. Owns all but the data.
struct RunState {
  Config config;
  const RunData* data;
  DataFingerprint data_print;  ///< of the training part: a checkpoint goes on with the same data alone
  Team team;
  Kernels<float> kernels;  ///< the target's, with train.precision's products
  Net<float> net;
  Batches batches;
  std::optional<Batches> validation;
  TargetBuffer targets;         ///< of one batch
  Block<float> state0, state1;  ///< optimizer state, laid out as the trained parameters
  Block<float> best;            ///< early stopping: the parameters of the best epoch so far, once has_best()
  OptimizerState optimizer;
  PlateauState plateau;
  LossScale loss_scale;        ///< moves with train.precision = "fp16" alone
  double gradient_factor = 1;  ///< the net's parameter gradients times this are those of the loss
  RunPosition at;
  double rate = 0;  ///< of the last step
  std::vector<EpochRecord> history;

  std::unique_ptr<SampleStrategy> strategy;  ///< null where operations are spread, not samples

  RunState(const Config& resolved, const RunData& run_data, Plan plan, const Kernels<float>& target, int threads);

  [[nodiscard]] bool finished() const { return at.epoch >= config.train.epochs || at.stopped_early; }
  [[nodiscard]] std::int64_t samples() const { return batches.count(); }
  [[nodiscard]] std::int64_t steps_per_epoch() const;
  [[nodiscard]] bool half() const { return config.train.precision == "fp16"; }
  /// Multiplies the loss's gradient dy [n] by the loss scale.
  void scale_up(float* dy, std::int64_t n) const {
    if (half()) kernels.scale(static_cast<float>(loss_scale.value), dy, n);
  }

  /// What a progress line says of `sum` over `count` samples: NaN where the task knows no right and wrong.
  [[nodiscard]] double accuracy(const LossSum& sum, std::int64_t count) const;

  Result<void> step();
  /// An optimizer step over the next batches of this epoch, by a strategy, or where it is null by the team.
  [[nodiscard]] Result<void> step_by(SampleStrategy* by);
  /// Before parameters, optimizer state or gradients are read: what a strategy keeps elsewhere comes back.
  Result<void> settle() { return strategy ? strategy->settle(*this) : Result<void>(); }
  [[nodiscard]] bool has_best() const { return best.size() > 0 && at.best_loss < std::numeric_limits<double>::infinity(); }
  /// Loss and hits over the validation samples, dropout off and running statistics on.
  [[nodiscard]] Result<LossSum> validate();
  [[nodiscard]] Result<void> end_epoch();

  /// Optimizer step number `step` (0-based) for a gradient that is multiplied by `scale`. Moves `memory` on; the learning rate
  /// goes to `used`.
  Update<float> numbers_of(std::int64_t step, double scale, OptimizerState& memory, double& used) const;

 private:
  /// Forward, loss and backward of one of the batches of a step. When fused it also changes the parameters.
  Result<void> batch(std::int64_t number, bool fused);
  /// Changes the parameters by the gradient of so many batches, unless loss scaling leaves the step out.
  Result<void> move(std::int64_t batches_in_step);
  /// Advances step and rate: the numbers of the update that follows.
  Update<float> next_update(std::int64_t batches_in_step);
  /// Changes all parameters by their gradients.
  void update_all(const Update<float>& update);
  /// Changes the parameters [first, last), which lie on one side of weight_end.
  void apply(const Update<float>& update, std::int64_t first, std::int64_t last);
  [[nodiscard]] double gradient_norm() const;
};

/// The state as one file, and back. `read` fails, changing nothing it cannot undo, when the file belongs to another network.
[[nodiscard]] Result<void> write_checkpoint(const RunState& state, const std::filesystem::path& file);
[[nodiscard]] Result<void> read_checkpoint(RunState& state, const std::filesystem::path& file, Changed changed);

/// epoch,loss,accuracy,validation_loss,validation_accuracy,rate,seconds
std::string history_csv(const std::vector<EpochRecord>& history);

}  // namespace soma
