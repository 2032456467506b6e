// a config + data + a device → how long a row takes there, trained and predicted.
#include "lab/pace.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>

#include "gpu/engine.h"

namespace soma {
namespace {

/// `work` does some rows and says how many.
Result<Pace> pace(const std::function<Result<std::int64_t>()>& work, const Effort& effort) {
  using Clock = std::chrono::steady_clock;
  Pace made;
  std::vector<double> readings;
  for (int round = -1; round < effort.rounds; ++round) {  // the first warms up
    const double at_least = round < 0 ? effort.slice / 2 : effort.slice;
    double rows = 0, elapsed = 0;
    for (const auto start = Clock::now(); elapsed < at_least;) {
      const auto done = work();
      if (!done) return done.error();
      rows += static_cast<double>(*done);
      elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    }
    if (round < 0) continue;
    readings.push_back(elapsed / rows);
    made.rows += rows;
  }
  made.row = summarize(readings);
  return made;
}

Result<Pace> prediction_on_gpu(const Config& resolved, const RunData& data, const Effort& effort) {
  auto network = resolve(resolved.network);
  if (!network) return network.error();
  const std::int64_t batch = std::min(resolved.train.batch, data.train.count);
  auto plan = make_plan(std::move(*network), batch, PlanFor::training);
  if (!plan) return plan.error();
  auto device = gpu::Device::open(resolved.train.device);
  if (!device) return device.error();
  const Batches rows(data.train, data.preprocess, {}, 0, false);
  std::vector<float> x(static_cast<std::size_t>(rows.count() * rows.row_size()));
  rows.fill(0, rows.count(), x.data(), nullptr);
  std::vector<std::int32_t> order(static_cast<std::size_t>(rows.count()));
  std::iota(order.begin(), order.end(), 0);
  gpu::Settings settings;
  settings.loss = resolved.loss;
  auto engine = gpu::Engine::create(std::move(*device), *plan, settings, {std::ssize(x), rows.count(), rows.count(), 0});
  if (!engine) return engine.error();
  for (const auto& done : {(*engine)->put<float>(gpu::Arena::samples, x), (*engine)->put<std::int32_t>(gpu::Arena::order, order),
                           (*engine)->put_targets(0, rows.count(), data.train.labels.data())})
    if (!done) return done.error();
  const std::int64_t whole = std::min(rows.count() / batch, gpu::kMostSteps);
  return pace(
      [&]() -> Result<std::int64_t> {
        if (auto done = (*engine)->evaluate({0, 0, batch}, whole); !done) return done.error();
        return whole * batch;
      },
      effort);
}

}  // namespace

std::optional<Gpu> gpu_to_measure(std::string& why) {
  const auto found = gpus();
  why = found ? "unavailable: no GPU on this machine" : found.error().message;
  if (!found || found->empty()) return std::nullopt;
  const auto real = std::find_if(found->begin(), found->end(), [](const Gpu& gpu) { return !gpu.software; });
  return real == found->end() ? found->front() : *real;
}

Result<Pace> training_pace(Config config, const RunData& data, const Effort& effort) {
  config.train.epochs = 1000000000;  // the measurement ends when it has enough
  auto trainer = Trainer::create(config, data);
  if (!trainer) return trainer.error();
  std::int64_t position = 0;  // samples of the epoch already trained
  return pace(
      [&]() -> Result<std::int64_t> {
        const auto progress = trainer->step();
        if (!progress) return progress.error();
        const std::int64_t rows = progress->samples - position;
        position = progress->samples == progress->total ? 0 : progress->samples;
        return rows;
      },
      effort);
}

Result<Pace> prediction_pace(const Config& config, const RunData& data, const Effort& effort) {
  Config here = config;
  here.train.device = "cpu";
  auto trainer = Trainer::create(here, data);
  if (!trainer) return trainer.error();
  Config resolved = trainer->config();
  resolved.train.device = config.train.device;
  if (config.train.device != "cpu") return prediction_on_gpu(resolved, data, effort);
  const std::int64_t batch = std::min(config.train.batch, data.train.count);
  auto network = Network::create(resolved.network, {.max_batch = batch, .threads = config.train.threads});
  if (!network) return network.error();
  if (auto same = network->set_parameters(trainer->parameters()); !same) return same.error();
  const Batches rows(data.train, data.preprocess, {}, 0, false);
  std::vector<float> x(static_cast<std::size_t>(batch * rows.row_size())),
      y(static_cast<std::size_t>(batch * network->output_size()));
  rows.fill(0, batch, x.data(), nullptr);
  return pace(
      [&]() -> Result<std::int64_t> {
        network->forward(x.data(), y.data(), batch);
        return batch;
      },
      effort);
}

}  // namespace soma
