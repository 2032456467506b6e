// workers and learning rates → five epochs of neuro-go's network: seconds, accuracy after each, requests for memory in a warm
// step.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "lab/experiment.h"
#include "lab/measure.h"
#include "lab/preset_work.h"
#include "soma/device.h"
#include "soma/model.h"
#include "soma/train.h"

namespace soma {
namespace {

constexpr std::int64_t kWorkerRows = 16, kWarmSteps = 20, kCountedSteps = 200;

/// Five epochs with momentum, as neuro-go's author published them.
struct Published {
  const char* machine;
  int workers;  ///< one per core
  double seconds, accuracy;
};
constexpr Published kPublished[] = {{"M4 Pro, 14 cores", 14, 1.00, 97.42}, {"Core i7, 4 cores", 4, 5.89, 97.37}};

struct Setting {
  int workers;
  double rate;
};
// neuro-go's program has 0.1 for all batches; the fewer workers, the smaller the batch, and the better half of that.
const std::vector<Setting> kQuick = {{2, 0.05}, {4, 0.05}, {4, 0.1}, {14, 0.1}};
const std::vector<Setting> kAll = {{1, 0.05}, {1, 0.1},  {2, 0.05}, {2, 0.1},   {4, 0.05},
                                   {4, 0.1},  {8, 0.05}, {8, 0.1},  {14, 0.05}, {14, 0.1}};

struct Outcome {
  Setting setting;
  std::vector<double> seconds;          ///< of five epochs, a reading each
  std::vector<double> test;             ///< accuracy after each epoch, %
  double train = 0;                     ///< in the last epoch, as seen while training, %
  std::optional<double> allocations{};  ///< of kCountedSteps warm steps

  [[nodiscard]] double median() const { return summarize(seconds).median; }
  [[nodiscard]] std::string name() const { return fmt::format("{} workers, rate {:g}", setting.workers, setting.rate); }
};

Config config_for(const PresetWork& work, const Setting& setting) {
  Config config = work.config;
  config.train.workers = setting.workers;
  config.train.batch = kWorkerRows * setting.workers;
  config.optimizer.rate = setting.rate;
  return config;
}

/// Five epochs; accuracy is only looked at the first time, since every run of a setting has the same bits.
Result<void> train_once(const PresetWork& work, Outcome& outcome) {
  auto trainer = Trainer::create(config_for(work, outcome.setting), work.data);
  if (!trainer) return trainer.error();
  std::optional<Error> failed;
  TrainHooks hooks;
  if (outcome.seconds.empty())
    hooks.on_epoch = [&](const EpochRecord& record) {
      outcome.train = 100 * record.accuracy;
      auto predictor = Predictor::create(trainer->model());
      auto test = predictor ? predictor->evaluate(work.data.test) : Result<Evaluation>(predictor.error());
      if (test)
        outcome.test.push_back(100 * test->accuracy);
      else
        failed = test.error();
    };
  auto run = trainer->run({}, hooks);
  if (!run) return run.error();
  if (failed) return *failed;
  outcome.seconds.push_back(run->train_seconds);
  return {};
}

/// Requests for memory in warm steps, when somebody counts.
Result<void> count_allocations(const PresetWork& work, const LabOptions& options, Outcome& outcome) {
  if (!options.count_allocations) return {};
  auto trainer = Trainer::create(config_for(work, outcome.setting), work.data);
  if (!trainer) return trainer.error();
  std::optional<Error> failed;
  const auto steps = [&](std::int64_t count) {
    for (std::int64_t i = 0; i < count && !failed && !trainer->finished(); ++i)
      if (auto done = trainer->step(); !done) failed = done.error();
  };
  steps(kWarmSteps);
  outcome.allocations = static_cast<double>(options.count_allocations([&] { steps(kCountedSteps); }));
  if (failed) return *failed;
  return {};
}

LabTable run_table(const std::vector<Outcome>& outcomes) {
  LabTable table{"Five epochs",
                 {{"workers", "", 0},
                  {"batch", "", 0},
                  {"rate", "", 2},
                  {"time", "s", 2},
                  {"low", "s", 2},
                  {"high", "s", 2},
                  {"× one worker", "", 2},
                  {"training accuracy", "%"},
                  {"test accuracy", "%"},
                  {fmt::format("allocations in {} warm steps", kCountedSteps), "", 0}},
                 {}};
  for (const Outcome& o : outcomes) {
    const Reading time = summarize(o.seconds);
    const auto one = std::find_if(outcomes.begin(), outcomes.end(), [&](const Outcome& other) {
      return other.setting.workers == 1 && other.setting.rate == o.setting.rate;
    });
    LabCell speedup, allocations;
    if (one != outcomes.end()) speedup = one->median() / time.median;
    if (o.allocations) allocations = *o.allocations;
    table.rows.push_back({static_cast<double>(o.setting.workers), static_cast<double>(kWorkerRows * o.setting.workers),
                          o.setting.rate, time.median, time.low, time.high, speedup, o.train, o.test.back(), allocations});
  }
  return table;
}

LabTable epoch_table(const std::vector<Outcome>& outcomes) {
  LabTable table{"Test accuracy after each epoch", {{"epoch", "", 0}}, {}};
  for (const Outcome& o : outcomes) table.columns.push_back({o.name(), "%"});
  for (std::size_t epoch = 0; epoch < outcomes[0].test.size(); ++epoch) {
    auto& row = table.rows.emplace_back();
    row.emplace_back(static_cast<double>(epoch + 1));
    for (const Outcome& o : outcomes) row.emplace_back(o.test[epoch]);
  }
  return table;
}

LabTable published_table() {
  LabTable table{"Published: neuro-go, in Go", {{"machine", ""}, {"workers", "", 0}, {"time", "s"}, {"accuracy", "%"}}, {}};
  for (const Published& p : kPublished) table.rows.push_back({p.machine, static_cast<double>(p.workers), p.seconds, p.accuracy});
  return table;
}

LabChart accuracy_chart(const std::vector<Outcome>& outcomes) {
  LabChart chart{LabChart::Kind::lines, "Test accuracy after each epoch", "epoch", "%", {}, {}};
  for (const Outcome& o : outcomes) {
    LabChart::Series& series = chart.series.emplace_back(LabChart::Series{o.name(), false, {}, o.test});
    for (std::size_t i = 0; i < o.test.size(); ++i) series.x.push_back(static_cast<double>(i + 1));
  }
  for (const Published& p : kPublished) chart.series.push_back({p.machine, true, {5}, {p.accuracy}});
  return chart;
}

LabChart time_chart(const std::vector<Outcome>& outcomes) {
  LabChart chart{LabChart::Kind::bars,
                 "Seconds of five epochs",
                 "",
                 "s",
                 {},
                 {{"measured here", false, {}, {}}, {"published", true, {}, {}}}};
  constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
  const auto bar = [&](const std::string& name, double measured, double published) {
    chart.categories.push_back(name);
    chart.series[0].y.push_back(measured);
    chart.series[1].y.push_back(published);
  };
  for (const Published& p : kPublished) bar(p.machine, kNothing, p.seconds);
  for (const Outcome& o : outcomes) bar(o.name(), o.median(), kNothing);
  return chart;
}

/// Judged where as many workers could work at once here as did there: by the accuracy and the time.
void judge(LabReport& report, const std::vector<Outcome>& outcomes, const LabOptions& options, bool mnist) {
  const int cores = options.threads > 0 ? options.threads : available_threads();
  for (const Published& p : kPublished) {
    const Outcome* best = nullptr;
    for (const Outcome& o : outcomes)
      if (o.setting.workers == p.workers && (best == nullptr || o.test.back() > best->test.back())) best = &o;
    const double seconds = best->median();
    report.verdicts.push_back(
        {best->test.back() >= p.accuracy - 0.005 && seconds <= p.seconds,
         fmt::format("{}: published {:.2f} s at {:.2f} %; soma with {} {:.2f} s at {:.2f} %, on {} core{}", p.machine, p.seconds,
                     p.accuracy, best->name(), seconds, best->test.back(), std::min(cores, p.workers), cores == 1 ? "" : "s"),
         mnist && cores >= p.workers});
  }
  double most = 0;
  for (const Outcome& o : outcomes) most = std::max(most, o.allocations.value_or(0));
  const bool counted = outcomes[0].allocations.has_value();
  report.verdicts.push_back({most == 0,
                             fmt::format("steady training: published (almost) no allocations; soma {}",
                                         counted ? fmt::format("at most {:.0f} in {} warm steps", most, kCountedSteps)
                                                 : std::string("not counted by this caller")),
                             counted});
}

}  // namespace

Result<LabReport> run_neuro_go(const LabOptions& options) {
  say(options, "loading");
  auto work = load_preset_work("neuro-go", options);
  if (!work) return work.error();
  std::vector<Outcome> outcomes;
  for (const Setting& setting : options.quick ? kQuick : kAll) outcomes.push_back({setting, {}, {}});
  const int rounds = options.quick ? 1 : 5;
  for (int round = 1; round <= rounds; ++round)
    for (Outcome& outcome : outcomes) {
      say(options, fmt::format("{}, round {} of {}", outcome.name(), round, rounds));
      if (auto done = train_once(*work, outcome); !done) return done.error();
    }
  for (Outcome& outcome : outcomes)
    if (auto counted = count_allocations(*work, options, outcome); !counted) return counted.error();

  LabReport report;
  report.tables = {run_table(outcomes), epoch_table(outcomes), published_table()};
  report.charts = {accuracy_chart(outcomes), time_chart(outcomes)};
  judge(report, outcomes, options, work->mnist);
  report.notes = {
      fmt::format("784-128-10 with ReLU on {}, {} samples an epoch; He's first weights, cross-entropy, momentum 0.9, 16 "
                  "samples for each worker in a batch (preset neuro-go). Time is the training loop alone; the median "
                  "of {} run{}, in turns.",
                  work->data.train.name, work->data.train.count, rounds, rounds == 1 ? "" : "s"),
      "neuro-go starts as many workers as there are cores, and its program sets the rate to 0.1; half of that suits "
      "the smaller batches of fewer workers. Workers beyond the cores take turns, and change the batch, not the "
      "arithmetic. The published accuracy is not said to be that of the test set.",
      "An allocation is a call of operator new by any thread of the process."};
  if (!work->mnist) report.notes.emplace_back(kWithoutMnist);
  return report;
}

}  // namespace soma
