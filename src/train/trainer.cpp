// Config + data → a trained Model: the life of a run, its files, and how it stops and goes on.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/file.h"
#include "nn/init.h"
#include "soma/device.h"
#include "soma/train.h"
#include "train/run_state.h"
#include "train/time_layers.h"

namespace soma {
namespace {

std::int64_t trained_parameters(const Plan& plan) {
  std::int64_t count = 0;
  for (const Parameter& p : plan.parameters) count += p.trained() ? elements(p.shape) : 0;
  return count;
}

Result<Config> resolved_config(Config config, const RunData& data) {
  const Shape shape = preprocessed_shape(data.preprocess, data.train.shape);
  if (config.network.input.empty()) config.network.input = shape;
  if (config.network.input != shape)
    return Error{Error::Kind::usage, fmt::format("network: wanted samples of {}, got {} from {}; try leaving network.input out",
                                                 to_string(config.network.input), to_string(shape), data.train.name)};
  const auto classes = static_cast<std::int64_t>(data.train.class_names.size());
  auto network = resolve(config.network, config.loss.codes.empty() ? classes : 1);
  if (!network) return network.error();
  if (auto fits = check_loss(config.loss, elements(network->shapes.back()), classes); !fits) return fits.error();
  config.network = std::move(network->spec);
  return config;
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
  auto resolved = resolved_config(config, data);
  if (!resolved) return resolved.error();
  auto plan =
      make_plan(resolved->network,
                std::min(config.train.batch, std::max(data.train.count, data.validation ? data.validation->count : 0)), true);
  if (!plan) return plan.error();
  const int threads = config.train.threads > 0 ? config.train.threads : available_threads();
  if (spreads_samples(config.train.strategy) && config.train.workers == 0) resolved->train.workers = threads;
  auto state = std::make_unique<State>(*resolved, data, std::move(*plan), **kernels, config.train.threads);
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
    progress.loss = s.at.sum.loss / s.at.sum.weight;
    progress.accuracy = static_cast<double>(s.at.sum.correct) / static_cast<double>(s.at.next);
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
Result<void> Trainer::restore(const std::filesystem::path& checkpoint) { return read_checkpoint(*state_, checkpoint); }

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
  model.parameters = s.best.empty() ? s.net.published(s.net.parameters()) : s.best;
  model.class_names = s.data->train.class_names;
  model.loss = s.config.loss;
  model.columns = s.data->train.columns;
  model.label_name = s.data->train.label_name;
  return model;
}

Result<TrainReport> Trainer::run(const std::filesystem::path& out, const TrainHooks& hooks) {
  using Clock = std::chrono::steady_clock;
  State& s = *state_;
  const bool keep = !out.empty();
  const auto checkpoint = [&]() -> Result<void> {
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
  report.model = model();
  report.history = s.history;
  for (const EpochRecord& record : s.history) report.train_seconds += record.seconds;
  report.train_seconds += s.at.seconds;
  report.samples = s.samples();
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
  return trainer->run(out, hooks);
}

}  // namespace soma
