// Config + data → a trained Model: the life of a run, its files, and how it stops and goes on.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/file.h"
#include "nn/init.h"
#include "soma/device.h"
#include "soma/run_directory.h"
#include "soma/train.h"
#include "soma/words.h"
#include "train/run_state.h"
#include "train/time_layers.h"
#include "train/units.h"

namespace soma {
namespace {

/// samples / (classes · samples of the class): every class counts the same.
std::vector<double> balanced_weights(const Dataset& data) {
  std::vector<double> counts(data.class_names.size());
  for (const std::int32_t label : data.labels) ++counts[static_cast<std::size_t>(label)];
  for (double& count : counts)
    count = count > 0 ? static_cast<double>(data.count) / (static_cast<double>(counts.size()) * count) : 0;
  return counts;
}

std::int64_t trained_parameters(const Plan& plan) {
  std::int64_t count = 0;
  for (const Parameter& p : plan.parameters) count += p.trained() ? elements(p.shape) : 0;
  return count;
}

/// Some sample asks for something: in a data set whose labels all weigh 0, none does.
Result<void> check_weights(const LossConfig& loss, const RunData& data) {
  if (loss.class_weights.empty()) return {};
  const auto weighs = [&](std::int32_t label) { return loss.class_weights[static_cast<std::size_t>(label)] > 0; };
  for (const Dataset* set : {&data.train, data.validation ? &*data.validation : &data.train})
    if (std::none_of(set->labels.begin(), set->labels.end(), weighs))
      return Error{Error::Kind::usage,
                   fmt::format("loss.class_weights: wanted a weight above 0 for at least one sample of {}, got 0 for "
                               "all of them; try other weights or more samples",
                               set->name)};
  return {};
}

/// The last of `count` samples taken `size` at a time.
std::int64_t last_of(std::int64_t count, std::int64_t size) { return count % size > 0 ? count % size : std::min(count, size); }

std::int64_t smallest_batch(const TrainConfig& train, std::int64_t samples) {
  if (train.strategy != "averaging") return last_of(samples, train.batch);
  const std::int64_t worker = std::min(train.worker_batch, samples), last_worker = last_of(samples, train.worker_batch);
  return std::min(last_of(worker, train.batch), last_of(last_worker, train.batch));
}

/// Batch norm over features works out the variance of a batch: of one sample it is 0, and the sample is forgotten.
Result<void> check_batches(const TrainConfig& train, const ResolvedNetwork& network, std::int64_t samples) {
  for (std::size_t i = 0; i < network.spec.nodes.size(); ++i) {
    const auto& [name, layer, inputs, init] = network.spec.nodes[i];
    const Shape& shape = network.shapes[i];
    if (!std::holds_alternative<BatchNorm>(layer) || elements(shape) > shape.front() || smallest_batch(train, samples) > 1)
      continue;
    TrainConfig other = train;
    while (other.batch < samples && smallest_batch(other, samples) < 2) ++other.batch;
    return Error{
        Error::Kind::usage,
        fmt::format("train.batch: wanted at least 2 samples in every batch, whose variance batch norm '{}' works out, got 1 in "
                    "the last of {} samples in batches of {}; try {}",
                    name, samples, train.batch,
                    smallest_batch(other, samples) > 1 ? fmt::format("{}", other.batch) : "more samples for each worker")};
  }
  return {};
}

/// Fills in what only the data say: the input's shape and every size that follows from it.
Result<ResolvedNetwork> resolve_network(Config& config, const RunData& data) {
  const Shape shape = preprocessed_shape(data.preprocess, data.train.shape);
  if (config.network.input.empty()) config.network.input = shape;
  if (config.network.input != shape)
    return Error{Error::Kind::usage, fmt::format("network: wanted samples of {}, got {} from {}; try leaving network.input out",
                                                 to_string(config.network.input), to_string(shape), data.train.name)};
  const Task task = data.train.task;
  auto loss = loss_for(config.loss, task);
  if (!loss) return loss.error();
  config.loss = std::move(*loss);
  if (auto sound = check_config(config); !sound) return sound.error();  // now that the loss is known
  const auto classes = static_cast<std::int64_t>(data.train.class_names.size());
  const std::int64_t targets = task == Task::classes       ? (config.loss.codes.empty() ? classes : 1)
                               : task == Task::reconstruct ? elements(shape)
                                                           : std::ssize(data.train.target_names);
  auto network = resolve(config.network, targets);
  if (!network) return network.error();
  const std::int64_t outputs = elements(network->shapes.back());
  if (auto fits = task == Task::classes ? check_loss(config.loss, outputs, classes) : check_outputs(task, outputs, targets);
      !fits)
    return fits.error();
  if (config.loss.balanced) config.loss.class_weights = balanced_weights(data.train);
  if (auto trains = check_weights(config.loss, data); !trains) return trains.error();
  if (auto trains = check_batches(config.train, *network, data.train.count); !trains) return trains.error();
  config.network = network->spec;
  return network;
}

}  // namespace

struct Trainer::State final : RunState {
  using RunState::RunState;
};

Trainer::Trainer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;
Trainer::~Trainer() = default;

Result<Trainer> Trainer::create(const Config& config, const RunData& data) {
  if (auto sound = check_config(config); !sound) return sound.error();
  if (data.train.count == 0)
    return Error{Error::Kind::data, fmt::format("{}: wanted at least one training sample, got none", data.train.name)};
  auto kernels = select_kernels();
  if (!kernels) return kernels.error();
  Config resolved = config;
  auto network = resolve_network(resolved, data);
  if (!network) return network.error();
  const std::int64_t most = std::max(data.train.count, data.validation ? data.validation->count : 0);
  auto plan = make_plan(std::move(*network), std::min(config.train.batch, most), PlanFor::training);
  if (!plan) return plan.error();
  const int threads = config.train.threads > 0 ? config.train.threads : available_threads();
  if (spreads_samples(config.train.strategy) && config.train.workers == 0) resolved.train.workers = threads;
  auto state = std::make_unique<State>(resolved, data, std::move(*plan), **kernels, config.train.threads);
  auto strategy = make_sample_strategy(*state);
  if (!strategy) return strategy.error();
  state->strategy = std::move(*strategy);
  std::vector<Tensor> first;
  for (std::size_t i = 0; i < state->net.plan().parameters.size(); ++i)
    first.push_back(first_values(state->net.plan(), i, config.train.seed));
  state->net.set(state->net.parameters(), first).value();
  return Trainer(std::move(state));
}

Result<Progress> Trainer::step() {
  SOMA_REQUIRE(!finished());
  State& s = *state_;
  const std::int64_t epoch = s.at.epoch;
  if (auto done = s.step(); !done) return done.error();
  Progress progress;
  progress.epoch = epoch + 1;
  progress.epochs = s.config.train.epochs;
  progress.total = s.samples();
  progress.rate = s.rate;
  if (s.at.epoch > epoch) {
    progress.samples = s.samples();
    progress.loss = s.history.back().loss;
    progress.accuracy = s.history.back().accuracy;
    progress.seconds = s.history.back().seconds;
  } else {
    progress.samples = s.at.next;
    progress.loss = s.at.sum.mean();
    progress.accuracy = s.accuracy(s.at.sum, s.at.next);
    progress.seconds = s.at.seconds;
  }
  return progress;
}

bool Trainer::finished() const { return state_->finished(); }
const Config& Trainer::config() const { return state_->config; }
Result<void> Trainer::save(const std::filesystem::path& checkpoint) const {
  if (auto settled = state_->settle(); !settled) return settled;
  return write_checkpoint(*state_, checkpoint);
}
Result<void> Trainer::restore(const std::filesystem::path& checkpoint, Changed changed) {
  if (auto settled = state_->settle(); !settled) return settled;
  if (auto read = read_checkpoint(*state_, checkpoint, changed); !read) return read;
  if (state_->strategy) state_->strategy->replaced();
  return {};
}

std::vector<Tensor> Trainer::parameters() const {
  state_->settle().value();
  return state_->net.published(state_->net.parameters());
}
std::vector<Tensor> Trainer::gradients() const {
  state_->settle().value();
  std::vector<Tensor> gradients = state_->net.published(state_->net.parameter_gradients(), true);
  for (Tensor& each : gradients)
    for (float& g : each.values) g *= static_cast<float>(state_->gradient_factor);
  return gradients;
}
std::vector<LayerTime> Trainer::time_layers(int passes) {
  state_->settle().value();
  return soma::time_layers(*state_, passes);
}

Model Trainer::model() const {
  state_->settle().value();
  const State& s = *state_;
  Model model;
  model.name = s.config.name;
  model.input = s.data->train.shape;
  model.preprocess = s.data->preprocess;
  model.network = s.config.network;
  model.parameters = s.net.published(s.has_best() ? s.best.data() : s.net.parameters());
  model.class_names = s.data->train.class_names;
  model.task = s.data->train.task;
  model.target_names = s.data->train.target_names;
  model.loss = s.config.loss;
  model.columns = s.data->train.columns;
  model.label_name = s.data->train.label_name;
  model.fit = s.config.data.fit;
  put_into_units(model, s.data->value_offset, s.data->value_scale);
  return model;
}

Result<TrainReport> Trainer::run(const std::filesystem::path& out, const TrainHooks& hooks) {
  using Clock = std::chrono::steady_clock;
  State& s = *state_;
  const bool keep = !out.empty();
  const auto checkpoint = [&]() -> Result<void> {
    for (const Dataset* set : {&s.data->train, &s.data->test, s.data->validation ? &*s.data->validation : nullptr})
      if (const auto same = set != nullptr ? set->unchanged() : Result<void>(); !same) return same;
    if (!keep) return {};
    if (auto saved = save(out / "checkpoint.safetensors"); !saved) return saved;
    return write_file(out / "history.csv", history_csv(s.history));
  };
  if (keep) {
    if (auto made = make_directory(out); !made) return made.error();
    if (auto written = write_file(out / "config.toml", to_toml(s.config)); !written) return written.error();
    if (auto saved = checkpoint(); !saved) return saved.error();
  }

  TrainReport report;
  auto saved_at = Clock::now();
  while (!finished()) {
    const std::int64_t epoch = s.at.epoch;
    auto progress = step();
    if (!progress) return progress.error();
    if (hooks.on_step) hooks.on_step(*progress);
    const bool epoch_done = s.at.epoch > epoch;
    if (epoch_done && hooks.on_epoch) hooks.on_epoch(s.history.back());
    report.interrupted = hooks.stop != nullptr && hooks.stop->load(std::memory_order_relaxed) && !finished();
    // Small networks finish an epoch in less time than a disk takes to keep it: then one checkpoint a second is enough.
    const double age = std::chrono::duration<double>(Clock::now() - saved_at).count();
    const bool due = age >= s.config.train.checkpoint_seconds || (epoch_done && age >= 1);
    if (due || report.interrupted || finished()) {
      if (auto saved = checkpoint(); !saved) return saved.error();
      saved_at = Clock::now();
    }
    if (report.interrupted) break;
  }

  if (auto settled = s.settle(); !settled) return settled.error();
  if (finished() && s.at.step == 0)
    return Error{Error::Kind::diverged,
                 fmt::format("train: wanted at least one step with a finite gradient, got none of {} in half precision; try more "
                             "epochs, or train.precision = \"fp32\"",
                             s.loss_scale.left_out)};
  report.model = model();
  report.history = s.history;
  for (const EpochRecord& record : s.history) report.train_seconds += record.seconds;
  report.train_seconds += s.at.seconds;
  report.samples = s.samples();
  report.steps = s.at.step;
  report.left_out_steps = s.loss_scale.left_out;
  report.parameters = trained_parameters(s.net.plan());
  report.flops_per_sample = training_flops(s.net.plan());
  report.threads = s.team.size();
  report.target = s.net.kernels().target;
  report.stopped_early = s.at.stopped_early;
  if (keep && !report.interrupted)
    if (auto written = write_onnx(report.model, out / "model.onnx"); !written) return written.error();
  return report;
}

Result<TrainReport> train(const Config& config, const std::filesystem::path& out, const TrainHooks& hooks) {
  if (auto sound = check_config(config); !sound) return sound.error();
  auto data = load_run_data(config);
  if (!data) return data.error();
  auto trainer = Trainer::create(config, *data);
  if (!trainer) return trainer.error();
  if (out.empty()) return trainer->run({}, hooks);
  Destination destination;
  destination.out = out;
  destination.force = true;
  const auto directory = open_run_directory(destination);
  if (!directory) return directory.error();
  return trainer->run(directory->path, hooks);
}

}  // namespace soma
