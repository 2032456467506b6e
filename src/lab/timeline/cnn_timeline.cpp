// the rungs from nested loops to soma's engine → seconds of an epoch of mnist-cnn, beside the C program's published run.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "lab/experiment.h"
#include "lab/measure.h"
#include "lab/pace.h"
#include "lab/preset_work.h"
#include "lab/timeline/rung.h"
#include "soma/device.h"
#include "soma/model.h"
#include "soma/train.h"

namespace soma {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kBatch = 64, kEpochSamples = 60000;
/// Of a training step, counted densely: conv forward and weights, two linear layers forward, weights and inputs.
constexpr double kFlops = 2.0 * (2 * kFilters * kPixels * kKernel * kKernel + 3 * kFlat * kHidden + 3 * kHidden * kClasses);

// The C program: ten epochs on a Zen 4 machine, one thread; its present version on a 2-core machine.
constexpr double kPublishedSeconds = 1556.74, kPresentEpoch = 77, kPublishedRight = 9868;
constexpr double kPublishedLoss[] = {0.2594, 0.0983, 0.0757, 0.0674, 0.0585, 0.0477, 0.0418, 0.0412, 0.0408, 0.0331};
constexpr double kPublishedAccuracy[] = {92.58,    kNothing, kNothing, kNothing, kNothing,
                                         kNothing, kNothing, kNothing, kNothing, 99.00};

double epoch_of(double batch_seconds) { return batch_seconds * static_cast<double>(kEpochSamples) / kBatch; }

/// The rows of an epoch, batch after batch, for the rungs written here; the engine reads its own.
class Rows {
 public:
  explicit Rows(const PresetWork& work)
      : batches_(work.data.train, work.data.preprocess, {}, 1, true), x_(kBatch * kPixels), labels_(kBatch) {
    batches_.begin_epoch(0);
  }
  void next() {
    if (at_ + kBatch > batches_.count()) at_ = 0;
    batches_.fill(at_, kBatch, x_.data(), labels_.data());
    at_ += kBatch;
  }
  [[nodiscard]] const float* x() const { return x_.data(); }
  [[nodiscard]] const std::int32_t* labels() const { return labels_.data(); }

 private:
  Batches batches_;
  std::vector<float> x_;
  std::vector<std::int32_t> labels_;
  std::int64_t at_ = 0;
};

struct Step {
  std::string name, idea;
  Reading batch;
};

constexpr const char* kEngine = "threads";  // the rung that is soma as `soma train mnist-cnn` runs it

/// Threads and precision of soma's own rungs. Half precision is one where the processor has it: emulated it is none.
std::vector<std::pair<int, const char*>> engine_kinds(const Config& config) {
  std::vector<std::pair<int, const char*>> kinds = {{1, "fp32"}, {config.train.threads, "fp32"}};
  if (native_half()) kinds.emplace_back(config.train.threads, "fp16");
  return kinds;
}

constexpr const char* kGpu = "GPU";

/// A rung on the GPU, where there is one that is no software; alone, since it leaves the processor be.
Result<void> add_gpu(std::vector<Step>& steps, Config config, const RunData& data, const Effort& effort) {
  std::string why;
  const std::optional<Gpu> gpu = gpu_to_measure(why);
  if (!gpu || gpu->software) return {};
  config.train.device = gpu->id;
  config.train.precision = "fp32";
  const auto pace = training_pace(config, data, effort);
  if (!pace) return pace.error();
  const Reading& row = pace->row;
  steps.push_back({kGpu,
                   fmt::format("the same plan as recorded dispatches on {}", gpu->name),
                   {row.median * kBatch, row.low * kBatch, row.high * kBatch,
                    static_cast<std::int64_t>(pace->rows / kBatch / effort.rounds)}});
  return {};
}

Result<std::vector<Step>> measure_rungs(const PresetWork& work, const Effort& effort) {
  auto kernels = select_kernels();
  if (!kernels) return kernels.error();
  Config endless = work.config;
  endless.train.epochs = 1000000;
  endless.train.batch = kBatch;
  std::vector<Trainer> engines;
  for (const auto& [threads, precision] : engine_kinds(work.config)) {
    endless.train.threads = threads;
    endless.train.precision = precision;
    auto trainer = Trainer::create(endless, work.data);
    if (!trainer) return trainer.error();
    engines.push_back(std::move(*trainer));
  }
  CnnArrays<float> weights;
  const std::vector<Tensor> first = engines[0].parameters();
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = first[i].values;

  Rows rows(work);
  std::vector<Step> steps;
  std::vector<std::unique_ptr<Rung<float>>> rungs;
  std::vector<std::function<void()>> pieces;
  for (const RungKind& kind : rung_kinds()) {
    rungs.push_back(kind.make(weights, kBatch, **kernels));
    steps.push_back({kind.name, kind.idea, {}});
    pieces.emplace_back([&rows, &rung = *rungs.back()] {
      rows.next();
      rung.gradient(rows.x(), rows.labels(), kBatch);
      rung.update();
    });
  }
  steps.push_back({"fused", "soma's engine: conv, pool and relu in one pass, packed weights", {}});
  steps.push_back({kEngine, "the same engine, samples and weights shared over a team", {}});
  if (engines.size() > 2) steps.push_back({"fp16", "the same on the team, matrix products in half precision", {}});
  std::optional<Error> failed;
  for (Trainer& engine : engines)
    pieces.emplace_back([&engine, &failed] {
      if (auto done = engine.step(); !done && !failed) failed = done.error();
    });
  const std::vector<Reading> times = measure_interleaved(pieces, effort);
  if (failed) return *failed;
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i].batch = times[i];
  if (auto added = add_gpu(steps, endless, work.data, effort); !added) return added.error();
  return steps;
}

LabTable rung_table(const std::vector<Step>& steps) {
  LabTable table{"Rungs",
                 {{"rung", ""},
                  {"what is new", ""},
                  {"a batch", "ms", 3},
                  {"low", "ms", 3},
                  {"high", "ms", 3},
                  {"an epoch", "s", 2},
                  {"× the rung before", "", 1},
                  {"× the first", "", 1},
                  {"counted densely", "GFLOP/s", 1}},
                 {}};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Reading& r = steps[i].batch;
    table.rows.push_back({steps[i].name, steps[i].idea, r.median * 1e3, r.low * 1e3, r.high * 1e3, epoch_of(r.median),
                          i > 0 ? LabCell(steps[i - 1].batch.median / r.median) : LabCell(), steps[0].batch.median / r.median,
                          kBatch * kFlops / r.median / 1e9});
  }
  const auto missing = [&](const char* name, const std::string& why) {
    table.rows.push_back({name, why, {}, {}, {}, {}, {}, {}, {}});
  };
  if (!native_half()) missing("fp16", fmt::format("unavailable: no AVX512-FP16 in target {}", target().value()));
  if (steps.back().name == kGpu) return table;
  std::string why;
  const std::optional<Gpu> gpu = gpu_to_measure(why);
  missing(kGpu, gpu ? fmt::format("only software here ({}): soma lab run gpu", gpu->name) : why);
  return table;
}

LabChart rung_chart(const std::vector<Step>& steps) {
  LabChart chart{
      LabChart::Kind::bars, "Seconds an epoch", "", "s", {}, {{"measured here", false, {}, {}}, {"published", true, {}, {}}}};
  const auto bar = [&](const std::string& name, double measured, double published) {
    chart.categories.push_back(name);
    chart.series[0].y.push_back(measured);
    chart.series[1].y.push_back(published);
  };
  bar("C, first (Zen 4)", kNothing, kPublishedSeconds / 10);
  bar("C, present (2 cores)", kNothing, kPresentEpoch);
  for (const Step& step : steps) bar(step.name, epoch_of(step.batch.median), kNothing);
  chart.log_y = true;
  return chart;
}

void add_epochs(LabReport& report, const std::vector<EpochRecord>& history, std::int64_t samples) {
  const std::string mine = samples == kEpochSamples ? "soma" : fmt::format("soma, {} images", samples);
  LabTable table{"Epochs",
                 {{"epoch", "", 0},
                  {"published loss", "", 4},
                  {mine + ": loss", "", 4},
                  {"published accuracy", "%"},
                  {mine + ": accuracy", "%"},
                  {mine + ": time", "s"}},
                 {}};
  LabChart chart{
      LabChart::Kind::lines, "Training loss", "epoch", "cross-entropy", {}, {{"published", true, {}, {}}, {mine, false, {}, {}}}};
  chart.log_y = true;
  for (std::size_t i = 0; i < std::size(kPublishedLoss); ++i) {
    const double accuracy = kPublishedAccuracy[i];
    auto& row = table.rows.emplace_back();
    row = {static_cast<double>(i + 1), kPublishedLoss[i], {}, std::isnan(accuracy) ? LabCell() : LabCell(accuracy), {}, {}};
    chart.series[0].x.push_back(static_cast<double>(i + 1));
    chart.series[0].y.push_back(kPublishedLoss[i]);
    if (i >= history.size()) continue;
    row[2] = history[i].loss;
    row[4] = 100 * history[i].accuracy;
    row[5] = history[i].seconds;
    chart.series[1].x.push_back(static_cast<double>(i + 1));
    chart.series[1].y.push_back(history[i].loss);
  }
  report.tables.push_back(std::move(table));
  report.charts.push_back(std::move(chart));
}

LabTable published_table() {
  return {"Published: the C program",
          {{"what", ""}, {"figure", "", 2}, {"unit", ""}},
          {{"ten epochs, Zen 4, one thread", kPublishedSeconds, "s"},
           {"an epoch of its present version, 2 cores", kPresentEpoch, "s"},
           {"test images right after ten epochs, of 10000", kPublishedRight, ""}}};
}

void judge(LabReport& report, const std::vector<Step>& steps, const TrainReport& run, const Evaluation& test, bool comparable) {
  const bool whole = comparable && run.history.size() == 10;
  const auto engine = std::find_if(steps.begin(), steps.end(), [](const Step& step) { return step.name == kEngine; });
  const double epoch = whole ? run.train_seconds / 10 : epoch_of(engine->batch.median);
  report.verdicts.push_back(
      {10 * epoch < kPublishedSeconds,
       fmt::format("ten epochs: published 1556.74 s, soma {:.1f} s{} ({:.0f} × faster), its first rung {:.0f} s (estimated)",
                   10 * epoch, whole ? "" : " (estimated)", kPublishedSeconds / 10 / epoch,
                   10 * epoch_of(steps[0].batch.median))});
  report.verdicts.push_back(
      {epoch < kPresentEpoch, fmt::format("an epoch of the present C program on two cores: published 77 s, soma {:.2f} s "
                                          "({:.0f} × faster)",
                                          epoch, kPresentEpoch / epoch)});
  for (std::size_t i = 0; i < std::size(kPublishedLoss); ++i) {
    std::string published = fmt::format("epoch {}: published loss {:.4f}", i + 1, kPublishedLoss[i]);
    if (!std::isnan(kPublishedAccuracy[i]))
      published += fmt::format(" and {:.2f} % of the training images", kPublishedAccuracy[i]);
    if (!comparable || i >= run.history.size()) {
      report.verdicts.push_back({false, published + ": not run over all of MNIST here", false});
      continue;
    }
    const EpochRecord& mine = run.history[i];
    const bool accurate = std::isnan(kPublishedAccuracy[i]) || 100 * mine.accuracy >= kPublishedAccuracy[i];
    report.verdicts.push_back({mine.loss <= kPublishedLoss[i] && accurate,
                               fmt::format("{}, soma {:.4f} and {:.2f} %", published, mine.loss, 100 * mine.accuracy)});
  }
  const double right = std::round(test.accuracy * static_cast<double>(test.samples));
  std::string line =
      fmt::format("test images after ten epochs: published {:.0f} of 10000 right, soma {:.0f} of {} after {} epoch{}",
                  kPublishedRight, right, test.samples, run.history.size(), run.history.size() == 1 ? "" : "s");
  report.verdicts.push_back({right >= kPublishedRight, std::move(line), whole});
}

}  // namespace

Result<LabReport> run_cnn_timeline(const LabOptions& options) {
  say(options, "loading");
  auto work = load_preset_work("mnist-cnn", options, options.quick ? 6000 : 0);
  if (!work) return work.error();
  say(options, "a step on each rung");
  auto steps = measure_rungs(*work, options.quick ? Effort{0.05, 3} : Effort{0.2, 15});
  if (!steps) return steps.error();

  work->config.train.epochs = options.quick ? 1 : 10;
  auto trainer = Trainer::create(work->config, work->data);
  if (!trainer) return trainer.error();
  TrainHooks hooks;
  hooks.on_epoch = [&](const EpochRecord& record) { say(options, fmt::format("soma, epoch {} done", record.epoch)); };
  auto run = trainer->run({}, hooks);
  if (!run) return run.error();
  auto predictor = Predictor::create(run->model);
  if (!predictor) return predictor.error();
  auto test = predictor->evaluate(work->data.test);
  if (!test) return test.error();

  LabReport report;
  report.tables = {rung_table(*steps), published_table()};
  report.charts = {rung_chart(*steps)};
  add_epochs(report, run->history, run->samples);
  judge(report, *steps, *run, *test, work->mnist && !options.quick);
  std::string batches;
  for (const Step& step : *steps) batches += fmt::format("{}{} {}", batches.empty() ? "" : ", ", step.name, step.batch.calls);
  report.notes = {fmt::format("mnist-cnn, batch 64, Adam. Each rung trains on batches of {}, in turns; a reading is so many "
                              "batches: {}. Seconds of an "
                              "epoch are those of a batch times {:.1f}.",
                              work->data.train.name, batches, static_cast<double>(kEpochSamples) / kBatch),
                  "The first three rungs are what the compiler makes of plain loops for the oldest processor it supports; all "
                  "but threads and fp16 use one thread. "
                  "Each rung but fp16 takes the same step as soma's engine (a test compares them).",
                  fmt::format("soma's own epochs: {} training images an epoch, accuracy and loss as seen while training; the "
                              "schedule is the preset's.",
                              run->samples)};
  if (!work->mnist) report.notes.emplace_back(kWithoutMnist);
  return report;
}

}  // namespace soma
