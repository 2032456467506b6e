// one network on many platforms → seconds of ten sweeps by batch size, beside those that ToyNeuralNet's author published.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "lab/experiment.h"
#include "lab/pace.h"
#include "lab/toynn/job_times.h"
#include "lab/toynn/system_calls.h"
#include "soma/kernel.h"

namespace soma {
namespace {

// The author's seconds: the same job in three kinds of Python, and training the large net on 6 threads and on a GT 1030.
constexpr double kPublishedLists = 260, kPublishedArrays = 160, kPublishedNumpy = 95;
constexpr double kCpuBatch3 = 24, kGpuBatch3 = 9, kCpuBatch10 = 9, kGpuBatch10 = 5.4;
constexpr double kPublishedCalls = 620000, kPublishedGpuCalls = 100000;

constexpr const char *kGo = "Go", *kPythonLists = "Python, lists", *kPythonArrays = "Python, arrays", *kNumpy = "NumPy",
                     *kGpu = "GPU", *kInKernel = "in-kernel";
const std::vector<const char*> kPlatforms = {kPythonLists, kPythonArrays, kNumpy, kGo,  kLists,   kArrays,
                                             kBlas,        kOne,          kTeam,  kGpu, kInKernel};

const char* name_of(ToySize size) { return size == ToySize::large ? "large" : "small"; }

LabTable seconds_table(const JobTimes& times, bool train) {
  LabTable table{train ? "Training, ten sweeps of 120 rows" : "Prediction, ten sweeps of 120 rows",
                 {{"net", ""},
                  {"platform", ""},
                  {"batch 1", "s", 4},
                  {"batch 3", "s", 4},
                  {"batch 10", "s", 4},
                  {"batch 100", "s", 4},
                  {"rows measured, least", "", 0},
                  {"remark", ""}},
                 {}};
  for (const ToySize size : {ToySize::large, ToySize::small})
    for (const char* platform : kPlatforms) {
      auto& row = table.rows.emplace_back(table.columns.size());
      row[0] = name_of(size);
      row[1] = platform;
      double least = kJobRows;
      for (std::size_t i = 0; i < kToyBatches.size(); ++i)
        if (const auto seconds = times.at(size, platform, train, kToyBatches[i])) {
          row[2 + i] = *seconds;
          least = std::min(least, times.rows.at({size, platform, train, kToyBatches[i]}));
        }
      LabCell &rows = row[2 + kToyBatches.size()], &remark = row.back();
      if (const auto reason = times.reasons.find({size, platform}); reason != times.reasons.end()) {
        remark = reason->second;
        continue;
      }
      rows = least;
      if (least < kJobRows) remark = "estimated from a part";
    }
  return table;
}

LabTable published_table() {
  const char* python = "not told, the same for all three";
  return {"Published",
          {{"job", ""}, {"platform", ""}, {"figure", "", 1}, {"unit", ""}},
          {{python, "Python lists", kPublishedLists, "s"},
           {python, "Python arrays", kPublishedArrays, "s"},
           {python, "NumPy", kPublishedNumpy, "s"},
           {"training, large net, batch 3", "CPU, 6 threads", kCpuBatch3, "s"},
           {"training, large net, batch 3", "GPU, GT 1030", kGpuBatch3, "s"},
           {"training, large net, batch 10", "CPU, 6 threads", kCpuBatch10, "s"},
           {"training, large net, batch 10", "GPU, GT 1030", kGpuBatch10, "s"},
           {"prediction, batch 10", "CPU slightly faster than GPU", {}, ""},
           {"small net", "CPU much faster than GPU", {}, ""},
           {"system calls while training", "CPU (sched_yield and poll)", kPublishedCalls, "1/s"},
           {"system calls while training", "GPU", kPublishedGpuCalls, "1/s"}}};
}

LabChart batch_chart(const JobTimes& times) {
  LabChart chart{LabChart::Kind::lines, "Training the large net, by batch size", "batch", "s for ten sweeps", {}, {}};
  for (const char* platform : kPlatforms) {
    LabChart::Series series{platform, false, {}, {}};
    for (const std::int64_t batch : kToyBatches)
      if (const auto seconds = times.at(ToySize::large, platform, true, batch)) {
        series.x.push_back(static_cast<double>(batch));
        series.y.push_back(*seconds);
      }
    if (!series.x.empty()) chart.series.push_back(std::move(series));
  }
  chart.series.push_back({"CPU, 6 threads", true, {3, 10}, {kCpuBatch3, kCpuBatch10}});
  chart.series.push_back({"GPU, GT 1030", true, {3, 10}, {kGpuBatch3, kGpuBatch10}});
  chart.log_x = chart.log_y = true;
  return chart;
}

LabChart small_chart(const JobTimes& times) {
  LabChart chart{
      LabChart::Kind::bars, "Training the small net, batch 10", "", "s for ten sweeps", {}, {{"measured here", false, {}, {}}}};
  for (const char* platform : kPlatforms)
    if (const auto seconds = times.at(ToySize::small, platform, true, 10)) {
      chart.categories.emplace_back(platform);
      chart.series[0].y.push_back(*seconds);
    }
  chart.log_y = true;
  return chart;
}

/// On a GPU, one that is no software: what software needs is the processor's time.
Result<void> time_gpu(JobTimes& times, ToySize size, const ToySetting& setting, const Patience& patience) {
  std::string why;
  const std::optional<Gpu> gpu = gpu_to_measure(why);
  if (!gpu || gpu->software) {
    times.reasons[{size, kGpu}] = gpu ? fmt::format("only software here ({}): soma lab run gpu", gpu->name) : why;
    return {};
  }
  Config config = setting.config;
  config.train.device = gpu->id;
  for (const std::int64_t batch : kToyBatches) {
    config.train.batch = batch;
    config.optimizer.rate = batch == 1 ? 0.04 : 0.005;
    for (const bool train : {true, false}) {
      const Effort effort{patience.budget / 3, 3};
      const auto pace = train ? training_pace(config, setting.data, effort) : prediction_pace(config, setting.data, effort);
      if (!pace) return pace.error();
      times.seconds[{size, kGpu, train, batch}] = kJobRows * pace->row.median;
      times.rows[{size, kGpu, train, batch}] = std::min(kJobRows, pace->rows);
    }
  }
  return {};
}

struct Calls {
  LabTable table;
  std::optional<double> team;  ///< of soma on all threads, the most of the two nets
  std::string reason;
};

Result<Calls> count_calls(const std::map<ToySize, ToySetting>& settings, const LabOptions& options) {
  Calls calls{{"System calls while training, batch 10", {{"net", ""}, {"platform", ""}, {"system calls", "1/s", 0}}, {}}, {}, {}};
  for (const auto& [size, setting] : settings)
    for (const char* name : {kArrays, kBlas, kOne, kTeam}) {
      say(options, fmt::format("system calls, {} net, {}", name_of(size), name));
      auto platform = make_platform(name, setting, 10, options.threads);
      if (!platform && platform.error().kind == Error::Kind::unavailable) continue;
      if (!platform) return platform.error();
      Walk walk(**platform, setting.rows.count, 10, true);
      const auto rate = system_calls_per_second([&] { walk.next(); }, options.quick ? 0.3 : 2);
      if (!rate) {
        calls.reason = rate.error().message;
        return calls;
      }
      calls.table.rows.push_back({name_of(size), name, *rate});
      if (name == kTeam) calls.team = std::max(calls.team.value_or(0), *rate);
    }
  return calls;
}

/// Training on `platform` relative to `other`, at the largest batch both have, for each net; none where one is not here.
struct Ratios {
  std::string text;
  bool slower = true, faster = true, any = false;
};
Ratios compare(const JobTimes& times, const char* platform, const char* other) {
  Ratios ratios;
  for (const ToySize size : {ToySize::large, ToySize::small})
    for (auto batch = kToyBatches.rbegin(); batch != kToyBatches.rend(); ++batch) {
      const auto mine = times.at(size, platform, true, *batch), theirs = times.at(size, other, true, *batch);
      if (!mine || !theirs) continue;
      ratios.text += fmt::format("{}{:.2g} × ({} net, batch {})", ratios.any ? ", " : "", *mine / *theirs, name_of(size), *batch);
      ratios.slower = ratios.slower && *mine > *theirs;
      ratios.faster = ratios.faster && *mine < *theirs;
      ratios.any = true;
      break;
    }
  if (!ratios.any) ratios.text = "not measured";
  return ratios;
}

void judge(LabReport& report, const JobTimes& times, const Calls& calls) {
  const auto add = [&](bool holds, std::string text, bool judged = true) {
    report.verdicts.push_back({holds, std::move(text), judged});
  };
  const auto team = [&](ToySize size, bool train, std::int64_t batch) { return times.at(size, kTeam, train, batch).value_or(0); };
  const Ratios lists = compare(times, kPythonLists, kNumpy), arrays = compare(times, kPythonArrays, kPythonLists);
  add(lists.slower, fmt::format("Python lists: published 260 s, 2.7 × NumPy's 95 s; here {}", lists.text), lists.any);
  add(arrays.faster, fmt::format("Python arrays: published 160 s, 0.62 × the lists' 260 s; here {}", arrays.text), arrays.any);
  const auto numpy = times.at(ToySize::large, kNumpy, true, 10);
  add(numpy && team(ToySize::large, true, 10) < *numpy,
      numpy ? fmt::format("NumPy: published 95 s, the fastest of three; here, large net, batch 10: {:.2f} s, soma {:.2f} s",
                          *numpy, team(ToySize::large, true, 10))
            : std::string("NumPy: published 95 s, the fastest of three; not here"),
      numpy.has_value());
  const auto large = [&](std::int64_t batch, double cpu, double gpu) {
    const double mine = team(ToySize::large, true, batch);
    const auto there = times.at(ToySize::large, kGpu, true, batch);
    add(mine < cpu && (!there || *there < gpu),
        fmt::format("training the large net, batch {}: published CPU {} s, GPU {} s; soma on this CPU {:.2f} s, {}", batch, cpu,
                    gpu, mine, there ? fmt::format("GPU {:.3f} s", *there) : "no GPU measured here"));
  };
  large(3, kCpuBatch3, kGpuBatch3);
  large(10, kCpuBatch10, kGpuBatch10);
  const double one = team(ToySize::large, true, 1), three = team(ToySize::large, true, 3), ten = team(ToySize::large, true, 10);
  add(three > ten && one > three, fmt::format("batches help: published 24 → 9 s from batch 3 to 10 on the CPU (2.7 ×); soma "
                                              "{:.2f} → {:.2f} → {:.2f} s for 1, 3, 10 ({:.1f} × from 3 to 10)",
                                              one, three, ten, three / ten));
  const auto beside_gpu = [&](const char* published, ToySize size, bool train) {
    const auto there = times.at(size, kGpu, train, 10);
    add(there && team(size, train, 10) < *there,
        there ? fmt::format("{}; soma {:.3g} s and {:.3g} s", published, team(size, train, 10), *there)
              : fmt::format("{}; no GPU measured here", published),
        there.has_value());
  };
  beside_gpu("prediction, batch 10: published CPU slightly faster than GPU", ToySize::large, false);
  beside_gpu("small net: published CPU much faster than GPU", ToySize::small, true);
  add(calls.team && *calls.team < kPublishedGpuCalls,
      fmt::format("system calls while training: published 620000 a second on the CPU, 100000 with the GPU; soma {}",
                  calls.team ? fmt::format("{:.0f}", *calls.team) : calls.reason),
      calls.team.has_value());
}

/// What keeps the net out of a program of soma kernel.
std::string why_not_in_kernel(const ToyLayers& layers) {
  std::int64_t products = 0;
  for (const ToyLayer& layer : layers) products += layer.in * layer.out;
  if (products > kMostKernelProducts)
    return fmt::format("does not fit: {} multiply-adds, of at most {}", products, kMostKernelProducts);
  return "does not fit: a sigmoid between layers, which has no form in 8 bits; soma lab run in-kernel has 4-8-3 with relu";
}

}  // namespace

Result<LabReport> run_toynn_platforms(const LabOptions& options) {
  const Patience here = options.quick ? Patience{0.03, 0.6} : Patience{1, 60},
                 scripted = options.quick ? Patience{0.05, 0.6} : Patience{1, 60};
  JobTimes times;
  std::map<ToySize, ToySetting> settings;
  for (const ToySize size : {ToySize::large, ToySize::small}) {
    auto setting = toy_setting(size);
    if (!setting) return setting.error();
    const ToySetting& kept = settings.emplace(size, std::move(*setting)).first->second;
    for (const char* name : {kLists, kArrays, kBlas, kOne, kTeam}) {
      say(options, fmt::format("{} net, {}", name_of(size), name));
      if (auto done = time_platform(times, size, name, kept, options.threads, here); !done) return done.error();
    }
    const auto scripts = ScriptDirectory::create(kept.rows);
    if (!scripts) return scripts.error();
    for (const auto& [name, language] :
         {std::pair{kPythonLists, Language::python_lists}, std::pair{kPythonArrays, Language::python_arrays},
          std::pair{kNumpy, Language::numpy}, std::pair{kGo, Language::go}}) {
      say(options, fmt::format("{} net, {}", name_of(size), name));
      time_script(times, size, name, language, kept, *scripts, scripted);
    }
    say(options, fmt::format("{} net, {}", name_of(size), kGpu));
    if (auto done = time_gpu(times, size, kept, here); !done) return done.error();
    times.reasons[{size, kInKernel}] = why_not_in_kernel(kept.layers);
  }
  auto calls = count_calls(settings, options);
  if (!calls) return calls.error();

  LabReport report;
  report.tables = {seconds_table(times, true), seconds_table(times, false), published_table()};
  if (calls->reason.empty()) report.tables.push_back(calls->table);
  report.charts = {batch_chart(times), small_chart(times)};
  judge(report, times, *calls);
  const ToySetting& setting = settings.at(ToySize::small);
  report.notes = {fmt::format("Rows: {}. Nets 4-1600-2600-1600-2500-1 and 4-3-4-5-1, sigmoid everywhere, squared error, plain "
                              "gradient descent, rate 0.04 "
                              "singly and 0.005 in batches.",
                              setting.iris ? "iris, 120 of them, standardised"
                                           : "120 of iris's shape drawn from a seed, since iris was not found"),
                  "A reading that would last longer than ten sweeps' share of the budget is estimated from as many rows as its "
                  "column says, times 1200 / "
                  "rows. A dash is a batch that would have taken too long.",
                  fmt::format("Numbers are floats in C++ and soma, doubles in Python and Go. BLAS: {}.",
                              blas_name().empty() ? "none" : blas_name()),
                  calls->reason.empty() ? "System calls are counted by strace -c -f attached to the process while it trains; "
                                          "tracing makes each slower, so large "
                                          "counts are lower bounds."
                                        : "System calls were not counted: " + calls->reason};
  return report;
}

}  // namespace soma
