// 1 to 16 workers → seconds of an epoch and accuracy after each, beside what a Go thesis on exemplar parallelism published.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "lab/experiment.h"
#include "lab/measure.h"
#include "lab/preset_work.h"
#include "lab/scratch_directory.h"
#include "soma/batchfile.h"
#include "soma/dataset.h"
#include "soma/device.h"

namespace soma {
namespace {

/// Accuracy in per cent that the thesis reports: on the training set, or on the test set.
struct Accuracy {
  bool train;
  int workers;
  std::int64_t epoch;
  double percent;
};
constexpr Accuracy kAccuracies[] = {{true, 1, 1, 93.24},   {true, 1, 2, 95.22},   {true, 1, 15, 99.03}, {true, 16, 2, 90.18},
                                    {true, 16, 8, 95.12},  {true, 16, 49, 99.02}, {false, 1, 1, 93.07}, {false, 1, 2, 94.83},
                                    {false, 1, 14, 97.35}, {false, 1, 16, 97.62}};
constexpr double kBestTest = 97.14, kBestTrain = 99.26;  // both after the same epoch, one worker
constexpr double kNear = 0.5;  // points: what other first weights and another order of the lines may change

/// Epochs of its program on a machine: `threads` of them at once at most.
struct Speed {
  const char* machine;
  int threads, workers;
  double percent;
};
constexpr const char *kSmall = "2 cores, 4 threads", *kBig = "8 cores";
constexpr Speed kSpeeds[] = {{kSmall, 4, 4, 252}, {kBig, 8, 4, 320}, {kBig, 8, 8, 432}, {kBig, 8, 16, 498}};
constexpr double kSmallOne = 142.33, kSmallFour = 56.49, kBigOne = 1005.80, kBigSixteen = 201.82;

/// The thesis's program run again on two cores: seconds of the first epoch, test accuracy after it.
struct Again {
  int workers;
  double seconds, percent;
};
constexpr Again kAgain[] = {{1, 66.8, 93.2}, {2, 36.7, 92.1}};

std::string words(int workers) { return fmt::format("{} worker{}", workers, workers == 1 ? "" : "s"); }

/// What became of one number of workers.
struct Run {
  std::vector<double> seconds;      ///< of each epoch
  std::vector<double> train, test;  ///< accuracy after each epoch, %
  double setup = 0;                 ///< seconds to make the workers, the last time

  [[nodiscard]] double median() const { return summarize(seconds).median; }
  [[nodiscard]] std::optional<double> accuracy(const Accuracy& of) const {
    const std::vector<double>& all = of.train ? train : test;
    if (static_cast<std::size_t>(of.epoch) > all.size()) return {};
    return all[static_cast<std::size_t>(of.epoch) - 1];
  }
};
using Runs = std::map<int, Run>;

/// The thesis's best network; every number of workers keeps its weights in a file of its own, so that they can take turns.
BatchFile thesis_batch(const std::map<int, std::int64_t>& epochs, const std::string& train, const std::string& test,
                       const std::filesystem::path& place) {
  using Kind = BatchLayer::Kind;
  BatchFile batch;
  batch.path = "thesis-speedup";
  std::map<int, std::size_t> first;  // settings of each number of workers: tests on the training lines, then on the others
  for (const auto& [workers, count] : epochs) {
    BatchSettings s;
    s.network_file = "784-100-10";
    s.layers = {{Kind::identity, 784}, {Kind::elu, 100}, {Kind::softmax, 10}};
    s.train_file = s.test_file = train;
    s.persistence_file = (place / fmt::format("{}", workers)).string();
    s.parallel = workers;
    s.rate = 0.8;
    s.lambda = 1e-7;
    s.min_weight = -0.1;
    s.max_weight = 0.1;
    first[workers] = batch.settings.size();
    batch.settings.push_back(s);
    s.test_file = test;
    batch.settings.push_back(std::move(s));
  }
  const auto most =
      std::max_element(epochs.begin(), epochs.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  for (std::int64_t epoch = 0; epoch < most->second; ++epoch)
    for (const auto& [workers, count] : epochs) {
      if (epoch >= count) continue;
      const std::size_t settings = first[workers];
      batch.units.push_back({true, 0, settings});
      batch.units.push_back({false, 0, settings});
      batch.units.push_back({false, 0, settings + 1});
    }
  return batch;
}

Result<Runs> run_all(const BatchFile& batch, const LabOptions& options) {
  Runs runs;
  BatchHooks hooks;
  hooks.threads = options.threads;
  hooks.on_result = [&](const BatchUnit& unit, const BatchResult& result) {
    Run& run = runs[result.parallel];
    const double percent = 100.0 * static_cast<double>(result.correct) / static_cast<double>(result.correct + result.incorrect);
    if (unit.train) {
      run.seconds.push_back(result.seconds);
      run.setup = result.setup_seconds;
      say(options, fmt::format("{}, epoch {}", words(result.parallel), result.epoch));
    } else if (unit.settings % 2 == 0) {
      run.train.push_back(percent);
    } else {
      run.test.push_back(percent);
    }
  };
  if (auto done = run_batch(batch, hooks); !done) return done.error();
  return runs;
}

LabTable speed_table(const Runs& runs, int threads) {
  LabTable table{"Workers",
                 {{"workers", "", 0},
                  {"an epoch", "s", 3},
                  {"low", "s", 3},
                  {"high", "s", 3},
                  {"speed-up", "%", 0},
                  {"of it a thread", "%", 0},
                  {"making them", "ms", 2},
                  {"epochs", "", 0},
                  {"training accuracy", "%"},
                  {"test accuracy", "%"}},
                 {}};
  for (const auto& [workers, run] : runs) {
    const Reading epoch = summarize(run.seconds);
    const double speed = 100 * runs.at(1).median() / epoch.median;
    table.rows.push_back({static_cast<double>(workers), epoch.median, epoch.low, epoch.high, speed,
                          speed / std::min(workers, threads), run.setup * 1e3, static_cast<double>(run.test.size()),
                          run.train.back(), run.test.back()});
  }
  return table;
}

LabTable accuracy_table(const Runs& runs, bool train) {
  LabTable table{train ? "Training accuracy after each epoch" : "Test accuracy after each epoch", {{"epoch", "", 0}}, {}};
  std::size_t most = 0;
  for (const auto& [workers, run] : runs) {
    table.columns.push_back({words(workers), "%"});
    most = std::max(most, run.test.size());
  }
  for (std::size_t epoch = 0; epoch < most; ++epoch) {
    auto& row = table.rows.emplace_back(table.columns.size());
    row[0] = static_cast<double>(epoch + 1);
    std::size_t column = 0;
    for (const auto& [workers, run] : runs) {
      const std::vector<double>& all = train ? run.train : run.test;
      if (++column; epoch < all.size()) row[column] = all[epoch];
    }
  }
  return table;
}

LabTable published_table() {
  LabTable table{"Published: the Go thesis",
                 {{"what", ""}, {"machine", ""}, {"workers", "", 0}, {"epoch", "", 0}, {"figure", "", 2}, {"unit", ""}},
                 {}};
  const auto add = [&](const char* what, const char* machine, int workers, const LabCell& epoch, double figure,
                       const char* unit) {
    table.rows.push_back({what, machine, static_cast<double>(workers), epoch, figure, unit});
  };
  for (const Accuracy& a : kAccuracies)
    add(a.train ? "training accuracy" : "test accuracy", "", a.workers, static_cast<double>(a.epoch), a.percent, "%");
  add("best test accuracy", "", 1, {}, kBestTest, "%");
  add("training accuracy beside it", "", 1, {}, kBestTrain, "%");
  for (const Speed& s : kSpeeds) add("speed-up", s.machine, s.workers, {}, s.percent, "%");
  add("an epoch", kSmall, 1, {}, kSmallOne, "s");
  add("an epoch", kSmall, 4, {}, kSmallFour, "s");
  add("an epoch", kBig, 1, {}, kBigOne, "s");
  add("an epoch", kBig, 16, {}, kBigSixteen, "s");
  for (const Again& a : kAgain) {
    add("its program run again: an epoch", "2 cores", a.workers, 1.0, a.seconds, "s");
    add("its program run again: test accuracy", "2 cores", a.workers, 1.0, a.percent, "%");
  }
  return table;
}

LabChart time_chart(const Runs& runs) {
  LabChart chart{LabChart::Kind::lines, "Seconds an epoch", "workers", "s", {}, {{"soma", false, {}, {}}}};
  for (const auto& [workers, run] : runs) {
    chart.series[0].x.push_back(workers);
    chart.series[0].y.push_back(run.median());
  }
  chart.series.push_back({kSmall, true, {1, 4}, {kSmallOne, kSmallFour}});
  chart.series.push_back({kBig, true, {1, 16}, {kBigOne, kBigSixteen}});
  chart.series.push_back({"2 cores, run again", true, {}, {}});
  for (const Again& a : kAgain) {
    chart.series.back().x.push_back(a.workers);
    chart.series.back().y.push_back(a.seconds);
  }
  chart.log_y = true;
  return chart;
}

LabChart speed_chart(const Runs& runs) {
  LabChart chart{LabChart::Kind::lines, "Speed-up over one worker", "workers", "%", {}, {{"soma", false, {}, {}}}};
  for (const auto& [workers, run] : runs) {
    chart.series[0].x.push_back(workers);
    chart.series[0].y.push_back(100 * runs.at(1).median() / run.median());
  }
  for (const char* machine : {kSmall, kBig}) {
    LabChart::Series& series = chart.series.emplace_back(LabChart::Series{machine, true, {1}, {100}});
    for (const Speed& s : kSpeeds)
      if (s.machine == machine) {
        series.x.push_back(s.workers);
        series.y.push_back(s.percent);
      }
  }
  return chart;
}

/// Accuracy over epochs, or over the seconds of training that they took.
LabChart accuracy_chart(const Runs& runs, bool train, bool by_time) {
  LabChart chart{LabChart::Kind::lines,
                 fmt::format("{} accuracy by {}", train ? "Training" : "Test", by_time ? "time" : "epoch"),
                 by_time ? "s of training" : "epoch",
                 "%",
                 {},
                 {}};
  for (const auto& [workers, run] : runs) {
    LabChart::Series series{words(workers), false, {}, train ? run.train : run.test};
    double seconds = 0;
    for (std::size_t i = 0; i < series.y.size(); ++i) {
      seconds += run.seconds[i];
      series.x.push_back(by_time ? seconds : static_cast<double>(i + 1));
    }
    chart.series.push_back(std::move(series));
  }
  chart.log_x = by_time;
  if (by_time) return chart;
  for (const int workers : {1, 16}) {
    LabChart::Series series{words(workers) + ", thesis", true, {}, {}};
    for (const Accuracy& a : kAccuracies)
      if (a.train == train && a.workers == workers) {
        series.x.push_back(static_cast<double>(a.epoch));
        series.y.push_back(a.percent);
      }
    if (!series.x.empty()) chart.series.push_back(std::move(series));
  }
  return chart;
}

void judge_accuracy(LabReport& report, const Runs& runs, bool mnist) {
  for (const Accuracy& a : kAccuracies) {
    const auto mine = runs.at(a.workers).accuracy(a);
    report.verdicts.push_back(
        {mine && *mine >= a.percent - kNear,
         fmt::format("{} accuracy, {}, epoch {}: published {:.2f} %, {}", a.train ? "training" : "test", words(a.workers),
                     a.epoch, a.percent, mine ? fmt::format("soma {:.2f} %", *mine) : std::string("not run so far here")),
         mnist && mine});
  }
  const Run& one = runs.at(1);
  const auto reached = std::find_if(one.train.begin(), one.train.end(), [](double percent) { return percent >= kBestTrain; });
  const double beside = reached == one.train.end() ? 0 : one.test[static_cast<std::size_t>(reached - one.train.begin())];
  report.verdicts.push_back(
      {beside >= kBestTest - kNear,
       fmt::format("test accuracy when the training lines are at {:.2f} %, 1 worker: published {:.2f} %, {}", kBestTrain,
                   kBestTest, beside > 0 ? fmt::format("soma {:.2f} %", beside) : std::string("not run so far here")),
       mnist && beside > 0});
}

/// Machines differ in cores: a speed-up is judged where as many threads could work here as did there.
void judge_speed(LabReport& report, const Runs& runs, int threads, bool mnist) {
  const double one = runs.at(1).median();
  for (const Speed& s : kSpeeds) {
    const double speed = 100 * one / runs.at(s.workers).median();
    const int there = std::min(s.workers, s.threads), here = std::min(s.workers, threads);
    report.verdicts.push_back({speed >= s.percent,
                               fmt::format("{} on {}, {} at once: published {:.0f} %; soma {:.0f} % with {} at once",
                                           words(s.workers), s.machine, there, s.percent, speed, here),
                               here == there});
  }
  const auto enough = runs.upper_bound(threads) == runs.begin() ? runs.begin() : std::prev(runs.upper_bound(threads));
  const double more = runs.at(16).median() / enough->second.median();
  report.verdicts.push_back(
      {more <= 1.1,
       fmt::format("16 workers on fewer cores: published to cost almost nothing; soma takes {:.2f} × the time of {} on "
                   "{} thread{} (judged: at most 1.1)",
                   more, words(enough->first), threads, threads == 1 ? "" : "s"),
       threads < 16});
  for (const Again& a : kAgain) {
    const Run& run = runs.at(a.workers);
    report.verdicts.push_back(
        {run.median() < a.seconds && run.test[0] >= a.percent - kNear,
         fmt::format("an epoch of its program on two cores, {}: published {:.1f} s and {:.1f} % of the test set; soma {:.2f} s "
                     "({:.0f} × faster) and {:.2f} %",
                     words(a.workers), a.seconds, a.percent, run.median(), a.seconds / run.median(), run.test[0]),
         mnist});
  }
}

}  // namespace

Result<LabReport> run_thesis_speedup(const LabOptions& options) {
  const auto found = find_dataset("mnist");
  if (!found) return found.error();
  const bool mnist = found->has_value();
  const auto place = ScratchDirectory::create("thesis");
  if (!place) return place.error();
  std::map<int, std::int64_t> epochs;
  if (options.quick)
    epochs = {{1, 2}, {2, 2}, {4, 2}, {8, 2}, {16, 2}};
  else
    epochs = {{1, 16}, {2, 16}, {3, 16}, {4, 16}, {6, 16}, {8, 16}, {12, 16}, {16, 49}};
  const std::string name = mnist ? "mnist" : "digits";
  say(options, "loading");
  const auto runs = run_all(thesis_batch(epochs, name + ":train", name + ":test", place->path()), options);
  if (!runs) return runs.error();
  const int threads = options.threads > 0 ? options.threads : available_threads();

  LabReport report;
  report.tables = {speed_table(*runs, threads), accuracy_table(*runs, true), accuracy_table(*runs, false), published_table()};
  report.charts = {time_chart(*runs),
                   speed_chart(*runs),
                   accuracy_chart(*runs, true, false),
                   accuracy_chart(*runs, false, false),
                   accuracy_chart(*runs, true, true),
                   accuracy_chart(*runs, false, true)};
  judge_accuracy(report, *runs, mnist);
  judge_speed(report, *runs, threads, mnist);
  report.notes = {
      fmt::format("784-100-10 (Identity, ELU, SoftMax) on {}, WorkerBatch 100, rate 0.8, lambda 1e-7, first weights "
                  "±0.1, in the thesis's arithmetic: the units of a batch file (docs/batch.md), the numbers of "
                  "workers in turns, epoch by epoch.",
                  name),
      fmt::format("Accuracies count as borne out from {} points below the published ones on: first weights and the "
                  "order of the lines are others. The thesis merges copies as workers finish, here they are merged in "
                  "worker order, so that the result does not depend on time.",
                  kNear),
      "Seconds are those of the pass over the training lines, without making workers, testing and saving."};
  if (!mnist) report.notes.emplace_back(kWithoutMnist);
  return report;
}

}  // namespace soma
