// ToyNeuralNet's two networks → processor beside GPU, by batch size, training and prediction, with what was published.
#include <fmt/format.h>

#include <cmath>
#include <map>

#include "lab/experiment.h"
#include "lab/pace.h"
#include "lab/toynn/job_times.h"

namespace soma {
namespace {

constexpr std::int64_t kBatches[] = {1, 3, 10, 64, 256};
constexpr const char *kHere = "processor", *kThere = "GPU";

/// The author's seconds for the large net, on 6 threads and on a GT 1030.
struct Published {
  double cpu = 0, gpu = 0;
};
const std::map<std::int64_t, Published> kPublished = {{3, {24, 9}}, {10, {9, 5.4}}};

/// The 120 rows ten times over: a job is one epoch, and batches of 256 are whole.
void ten_sweeps(Dataset& rows) {
  const auto labels = rows.labels;
  const auto floats = rows.floats;
  for (int sweep = 1; sweep < 10; ++sweep) {
    rows.labels.insert(rows.labels.end(), labels.begin(), labels.end());
    rows.floats.insert(rows.floats.end(), floats.begin(), floats.end());
  }
  rows.count *= 10;
}

LabTable seconds_table(const JobTimes& times, const Gpu& gpu) {
  LabTable table{"1200 rows",
                 {{"net", ""},
                  {"job", ""},
                  {"batch", "", 0},
                  {"processor", "s", 5},
                  {fmt::format("{}{}", gpu.id, gpu.software ? ", software" : ""), "s", 5},
                  {"GPU is faster", "×", 2},
                  {"published: CPU", "s", 1},
                  {"published: GPU", "s", 1}},
                 {}};
  for (const ToySize size : {ToySize::large, ToySize::small})
    for (const bool train : {true, false})
      for (const std::int64_t batch : kBatches) {
        const auto here = times.at(size, kHere, train, batch), there = times.at(size, kThere, train, batch);
        if (!here || !there) continue;
        auto& row = table.rows.emplace_back();
        row = {size == ToySize::large ? "large" : "small",
               train ? "training" : "prediction",
               static_cast<double>(batch),
               *here,
               *there,
               *here / *there,
               {},
               {}};
        const auto published = kPublished.find(batch);
        if (size == ToySize::small || !train || published == kPublished.end()) continue;
        row[6] = published->second.cpu;
        row[7] = published->second.gpu;
      }
  return table;
}

LabChart chart_of(const JobTimes& times, ToySize size) {
  LabChart chart{LabChart::Kind::lines,
                 size == ToySize::large ? "The large net, by batch size" : "The small net, by batch size",
                 "batch",
                 "s for 1200 rows",
                 {},
                 {}};
  for (const bool train : {true, false})
    for (const char* platform : {kHere, kThere}) {
      LabChart::Series series{fmt::format("{}, {}", train ? "training" : "prediction", platform), false, {}, {}};
      for (const std::int64_t batch : kBatches)
        if (const auto seconds = times.at(size, platform, train, batch)) {
          series.x.push_back(static_cast<double>(batch));
          series.y.push_back(*seconds);
        }
      chart.series.push_back(std::move(series));
    }
  if (size == ToySize::large) {
    chart.series.push_back({"training, CPU, 6 threads", true, {3, 10}, {24, 9}});
    chart.series.push_back({"training, GPU, GT 1030", true, {3, 10}, {9, 5.4}});
  }
  chart.log_x = chart.log_y = true;
  return chart;
}

void judge(LabReport& report, const JobTimes& times, const Gpu& gpu) {
  const std::string where = gpu.software ? " (software: it tells nothing of a GPU)" : "";
  const auto add = [&](bool holds, const std::string& published, ToySize size, bool train, std::int64_t batch) {
    const double here = *times.at(size, kHere, train, batch), there = *times.at(size, kThere, train, batch);
    report.verdicts.push_back(
        {holds, fmt::format("{}; here {:.4g} s on the processor, {:.4g} s on {}{}", published, here, there, gpu.name, where),
         !gpu.software});
  };
  const auto faster = [&](ToySize size, bool train, std::int64_t batch) {
    return *times.at(size, kThere, train, batch) < *times.at(size, kHere, train, batch);
  };
  for (const auto& [batch, published] : kPublished)
    add(faster(ToySize::large, true, batch),
        fmt::format("training the large net, batch {}: published CPU {} s, GPU {} s", batch, published.cpu, published.gpu),
        ToySize::large, true, batch);
  add(!faster(ToySize::large, false, 10), "predicting, large net, batch 10: published CPU slightly faster than GPU",
      ToySize::large, false, 10);
  add(!faster(ToySize::small, true, 10), "training the small net, batch 10: published CPU much faster than GPU", ToySize::small,
      true, 10);
}

}  // namespace

Result<LabReport> run_gpu(const LabOptions& options) {
  std::string why;
  const std::optional<Gpu> gpu = gpu_to_measure(why);
  if (!gpu) return Error{Error::Kind::unavailable, fmt::format("lab run gpu: {}", why)};
  const Effort effort = gpu->software ? Effort{0.1, 1} : options.quick ? Effort{0.1, 3} : Effort{0.5, 5};
  JobTimes times;
  bool iris = true;
  for (const ToySize size : {ToySize::large, ToySize::small}) {
    auto setting = toy_setting(size);
    if (!setting) return setting.error();
    iris = setting->iris;
    ten_sweeps(setting->data.train);
    Config config = setting->config;
    config.train.threads = options.threads;
    for (const std::int64_t batch : kBatches) {
      if (gpu->software && size == ToySize::large && batch > 10) continue;  // a step would take software ten seconds
      config.train.batch = batch;
      config.optimizer.rate = batch == 1 ? 0.04 : 0.005;
      for (const char* platform : {kHere, kThere}) {
        config.train.device = platform == kHere ? "cpu" : gpu->id;
        say(options, fmt::format("{} net, batch {}, {}", size == ToySize::large ? "large" : "small", batch, platform));
        for (const bool train : {true, false}) {
          const auto pace = train ? training_pace(config, setting->data, effort) : prediction_pace(config, setting->data, effort);
          if (!pace) return pace.error();
          times.seconds[{size, platform, train, batch}] = kJobRows * pace->row.median;
        }
      }
    }
  }
  LabReport report;
  report.tables = {seconds_table(times, *gpu)};
  report.charts = {chart_of(times, ToySize::large), chart_of(times, ToySize::small)};
  judge(report, times, *gpu);
  report.notes = {
      fmt::format(
          "{}: {}, driver {}, {}. Nets 4-1600-2600-1600-2500-1 and 4-3-4-5-1, sigmoid everywhere, squared error, plain gradient "
          "descent, over {}.",
          gpu->id, gpu->name, gpu->driver, gpu->software ? "software, on this very processor" : gpu->kind,
          iris ? "the 120 training rows of iris, ten times" : "120 rows drawn from a seed, ten times, since iris was not found"),
      "Training on the GPU is what soma train does there: as many steps in a submit as take 20 ms. Prediction is the forward "
      "pass of an "
      "evaluation, up to 256 batches in a submit; soma predict and serve stay on the processor."};
  if (gpu->software) report.notes.emplace_back("The large net in batches above 10 is left out: software takes too long.");
  return report;
}

}  // namespace soma
