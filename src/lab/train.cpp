// the presets → how long an epoch takes, with one thread and with all, as a fraction of this machine's peak.
#include "soma/train.h"

#include <fmt/format.h>

#include <chrono>

#include "lab/experiment.h"
#include "lab/peak.h"
#include "nn/plan.h"

namespace soma {
namespace {

struct Subject {
  const char* name;
  const char* preset;
  std::vector<std::pair<std::string, std::string>> keys;  ///< what differs from the preset
  std::int64_t sweeps = 1;                                ///< epochs that make one reading of the table
};

// The last two are the published job of system studies on Iris: plain gradient descent, ten sweeps of 120 rows.
const Subject kSubjects[] = {
    {"mnist-mlp", "mnist-mlp", {}},
    {"mnist-cnn", "mnist-cnn", {}},
    {"mnist-lenet", "mnist-lenet", {}},
    {"iris-large, batch 3, 10 sweeps",
     "iris-large",
     {{"train.batch", "3"}, {"optimizer.kind", "sgd"}, {"optimizer.rate", "0.005"}},
     10},
    {"iris-large, batch 10, 10 sweeps",
     "iris-large",
     {{"train.batch", "10"}, {"optimizer.kind", "sgd"}, {"optimizer.rate", "0.005"}},
     10},
};

/// A run that can be made to train for a while and says how long an epoch would take at that pace.
class Pace {
 public:
  explicit Pace(Trainer trainer) : trainer_(std::move(trainer)) {}

  const Config& config() const { return trainer_.config(); }

  /// Trains at least that long in steps; seconds an epoch.
  double epoch_seconds(double at_least) {
    const auto start = std::chrono::steady_clock::now();
    std::int64_t samples = 0;
    for (double elapsed = 0;;) {
      const Progress progress = trainer_.step().value();
      samples += progress.samples - position_;
      position_ = progress.samples == progress.total ? 0 : progress.samples;
      elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (elapsed >= at_least) return elapsed / static_cast<double>(samples) * static_cast<double>(progress.total);
    }
  }

 private:
  Trainer trainer_;
  std::int64_t position_ = 0;  ///< samples of the epoch already trained
};

Result<RunData> data_of(Config& config, LabReport& report) {
  auto data = load_run_data(config);
  if (data || !config.data.train.starts_with("mnist")) return data;
  report.notes.push_back(fmt::format("{}: MNIST was not found, so these are steps on the built-in digits.", config.name));
  config.data.train = "digits";
  config.data.test = "digits:test";
  return load_run_data(config);
}

}  // namespace

Result<LabReport> run_train(const LabOptions& options) {
  LabReport report;
  const double slice = options.quick ? 0.3 : 1.0;
  const int rounds = options.quick ? 3 : 9;
  std::vector<int> threads = {1};
  if (const int all = Team(options.threads).size(); all > 1) threads.push_back(all);
  std::vector<double> peaks;
  for (const int count : threads) {
    Team team(count);
    peaks.push_back(fp32_peak(team, effort_for(options)));
    report.notes.push_back(fmt::format("Peak with {} thread(s): {:.1f} GFLOP/s.", count, peaks.back() / 1e9));
  }
  LabTable table{"Epochs",
                 {{"run", ""},
                  {"threads", "", 0},
                  {"time", "s", 3},
                  {"low", "s", 3},
                  {"high", "s", 3},
                  {"rate", "GFLOP/s", 1},
                  {"of peak", "%", 0},
                  {"against 1 thread", "×", 2}},
                 {}};
  for (const Subject& subject : kSubjects) {
    auto config = preset(subject.preset);
    if (!config) return config.error();
    for (const auto& [key, value] : subject.keys)
      if (auto set = set_key(*config, key, value); !set) return set.error();
    config->train.epochs = 1 << 20;  // the measurement ends when it has enough
    auto data = data_of(*config, report);
    if (!data) {
      report.notes.push_back(fmt::format("{} left out: {}", subject.name, data.error().message));
      continue;
    }
    say(options, subject.name);
    std::vector<Pace> paces;
    std::vector<std::vector<double>> seconds(threads.size());
    for (const int count : threads) {
      config->train.threads = count;
      auto trainer = Trainer::create(*config, *data);
      if (!trainer) return trainer.error();
      paces.emplace_back(std::move(*trainer));
      paces.back().epoch_seconds(slice / 4);  // warm
    }
    for (int round = 0; round < rounds; ++round)
      for (std::size_t i = 0; i < paces.size(); ++i)
        seconds[i].push_back(paces[i].epoch_seconds(slice) * static_cast<double>(subject.sweeps));
    auto network = resolve(paces.front().config().network);
    if (!network) return network.error();
    auto plan = make_plan(std::move(*network), 1, PlanFor::training);
    if (!plan) return plan.error();
    const std::int64_t flops = training_flops(*plan) * data->train.count * subject.sweeps;
    double single = 0;
    for (std::size_t i = 0; i < paces.size(); ++i) {
      const Reading time = summarize(seconds[i]);
      const double rate = static_cast<double>(flops) / time.median;
      if (i == 0) single = time.median;
      table.rows.push_back({subject.name, static_cast<double>(threads[i]), time.median, time.low, time.high, rate / 1e9,
                            100 * rate / peaks[i], single / time.median});
    }
  }
  report.tables = {table};
  report.notes.push_back(
      fmt::format("Each reading is {:.1f} s of training steps, scaled to an epoch; threads are measured turn by "
                  "turn. Arithmetic is counted densely: y, dW, and dx where a layer below wants it.",
                  slice));
  return report;
}

}  // namespace soma
