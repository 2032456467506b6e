// Config + data → trained Model, step by step or in one call, with everything needed to stop and go on later.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "soma/config.h"
#include "soma/dataset.h"
#include "soma/error.h"
#include "soma/model.h"

namespace soma {

/// One row of history.csv. Loss and accuracy are those seen while training, before each step's update. Both losses are what the
/// run makes small, class weights and label smoothing included, penalties not.
struct EpochRecord {
  std::int64_t epoch = 0;         ///< 1-based
  double loss = 0, accuracy = 0;  ///< accuracy of classes or labels; NaN for other tasks
  std::optional<double> validation_loss, validation_accuracy;
  double rate = 0;     ///< learning rate of the last step
  double seconds = 0;  ///< training loop alone
};

/// Where a run stands, for progress displays.
struct Progress {
  std::int64_t epoch = 0, epochs = 0;   ///< epoch is 1-based
  std::int64_t samples = 0, total = 0;  ///< within the epoch
  double loss = 0, accuracy = 0;        ///< running mean of the epoch
  double rate = 0;                      ///< learning rate
  double seconds = 0;                   ///< of the epoch so far
};

struct TrainHooks {
  std::function<void(const Progress&)> on_step;  ///< after each step; should be cheap
  std::function<void(const EpochRecord&)> on_epoch;
  const std::atomic<bool>* stop = nullptr;  ///< set to finish the step, write the checkpoint and return
};

struct TrainReport {
  Model model;                       ///< the last weights, or the best ones when early stopping is on
  std::vector<EpochRecord> history;  ///< all epochs of the run, those before a resume included
  double train_seconds = 0;          ///< training loops alone, all epochs
  std::int64_t samples = 0;          ///< samples in an epoch
  std::int64_t steps = 0;            ///< of the optimizer, in all epochs
  std::int64_t left_out_steps = 0;   ///< fp16: whose gradient was not finite at the loss scale of the time; not among `steps`
  std::int64_t parameters = 0;
  std::int64_t flops_per_sample = 0;  ///< of one training step, counted densely: forward + backward
  int threads = 0;
  std::string target;
  bool interrupted = false;  ///< stopped by hooks.stop: a checkpoint was written
  bool stopped_early = false;
};

/// What one step of the compiled network takes: several layers where they were fused.
struct LayerTime {
  std::string layers;                                ///< "conv2d1 + relu1 + max_pool1"
  double forward_seconds = 0, backward_seconds = 0;  ///< of one batch, the median of the passes
};

/// The data of a run: loaded, limited and split as config.data says, preprocessing fitted on `train`.
/// Values are standardised in `train` and `validation`: (value − offset) / scale of each, fitted on the training part; `test`
/// keeps its units, and so do the answers of the model.
struct RunData {
  Dataset train, test;  ///< test: of no samples when nothing is held out
  std::optional<Dataset> validation;
  Preprocess preprocess;
  std::vector<float> value_offset, value_scale;  ///< one per target of task values
  std::vector<std::string> notes;                ///< what was understood: at most eight lines
};
[[nodiscard]] Result<RunData> load_run_data(const Config& config);

/// A training run. Creating it resolves the config (input shape, class count), compiles the plan and draws the first weights.
/// step() allocates nothing once warm. Same config and data, same bits: whatever the number of threads, resumed or not.
class Trainer {
 public:
  /// Borrows `data`, which must outlive the trainer.
  [[nodiscard]] static Result<Trainer> create(const Config& config, const RunData& data);
  Trainer(Trainer&&) noexcept;
  Trainer& operator=(Trainer&&) noexcept;
  ~Trainer();

  /// The next mini-batch: forward, backward, update. Fails when the loss is not finite, naming step, layer and rate.
  [[nodiscard]] Result<Progress> step();
  [[nodiscard]] bool finished() const;

  /// Trains to the end, or until hooks.stop. Writes into `out` when that is not empty: config.toml at once,
  /// checkpoint.safetensors and history.csv after an epoch (at most once a second) and every checkpoint_seconds, model.onnx at
  /// the end. Who calls it sees to it that nobody else writes there: soma/run_directory.h.
  [[nodiscard]] Result<TrainReport> run(const std::filesystem::path& out = {}, const TrainHooks& hooks = {});

  /// The exact state: weights, optimizer, schedule, position in the data, history.
  [[nodiscard]] Result<void> save(const std::filesystem::path& checkpoint) const;
  [[nodiscard]] Result<void> restore(const std::filesystem::path& checkpoint, Changed changed = Changed::refuse);

  /// The parameters as they are now, and the gradients of the last step of the last epoch (trained parameters only), in published
  /// shapes. Steps before it may use a gradient up without keeping it.
  [[nodiscard]] std::vector<Tensor> parameters() const;
  [[nodiscard]] std::vector<Tensor> gradients() const;

  /// Times up to `passes` training passes over the first batch of the data, no longer than about a tenth of a second, in the
  /// order of the network. Afterwards the run's state is as before, but for the gradients.
  [[nodiscard]] std::vector<LayerTime> time_layers(int passes = 9);

  [[nodiscard]] Model model() const;
  [[nodiscard]] const Config& config() const;  ///< resolved

 private:
  struct State;
  explicit Trainer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// load_run_data, Trainer::create and run in one call, as the only writer of `out`; an older run there is lost.
[[nodiscard]] Result<TrainReport> train(const Config& config, const std::filesystem::path& out = {},
                                        const TrainHooks& hooks = {});

}  // namespace soma
