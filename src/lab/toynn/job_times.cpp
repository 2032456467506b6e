// platforms + a job → seconds of ten sweeps by net, platform and batch size, measured or estimated from a part.
#include "lab/toynn/job_times.h"

#include <algorithm>
#include <chrono>

#include "lab/measure.h"

namespace soma {
namespace {

/// Seconds a row: the median of three readings of a third of the budget, or of fewer where a batch alone takes that long.
struct RowTime {
  double seconds = 0, rows = 0;
};
RowTime row_time(Walk walk, double budget) {
  using Clock = std::chrono::steady_clock;
  walk.next();
  std::vector<double> readings;
  RowTime result;
  for (double total = 0; readings.size() < 3 && total < budget;) {
    double seconds = 0, rows = 0;
    for (std::int64_t calls = 1; seconds < budget / 3; calls *= 2) {
      const auto start = Clock::now();
      for (std::int64_t i = 0; i < calls; ++i) rows += static_cast<double>(walk.next());
      seconds += std::chrono::duration<double>(Clock::now() - start).count();
    }
    readings.push_back(seconds / rows);
    result.rows += rows;
    total += seconds;
  }
  result.seconds = summarize(readings).median;
  return result;
}

void put(JobTimes& times, const Place& place, double row_seconds, double rows) {
  times.seconds[place] = kJobRows * row_seconds;
  times.rows[place] = std::min(kJobRows, rows);
}

}  // namespace

std::int64_t Walk::next() {
  const std::int64_t rows = std::min(batch_, count_ - at_);
  if (train_)
    platform_.train(at_, rows);
  else
    platform_.predict(at_, rows, y_.data());
  at_ = at_ + rows == count_ ? 0 : at_ + rows;
  return rows;
}

Result<std::unique_ptr<ToyPlatform>> make_platform(const std::string& name, const ToySetting& setting, std::int64_t batch,
                                                   int threads) {
  const double rate = batch == 1 ? 0.04 : 0.005;
  const ToyJob job{setting.layers, setting.rows, batch, rate};
  if (name == kLists) return make_lists(job);
  if (name == kArrays) return make_arrays(job);
  if (name == kBlas) return make_blas(job);
  return make_soma(setting, batch, rate, name == kOne ? 1 : threads);
}

Result<void> time_platform(JobTimes& times, ToySize size, const std::string& name, const ToySetting& setting, int threads,
                           const Patience& patience) {
  double row_seconds[2] = {};
  for (const std::int64_t batch : kToyBatches) {
    const auto bearable = [&](bool train) { return row_seconds[train ? 1 : 0] * static_cast<double>(batch) <= patience.cap; };
    if (!bearable(true) && !bearable(false)) break;
    auto platform = make_platform(name, setting, batch, threads);
    if (!platform && platform.error().kind == Error::Kind::unavailable) {
      times.reasons[{size, name}] = platform.error().message;
      return {};
    }
    if (!platform) return platform.error();
    for (const bool train : {true, false}) {
      if (!bearable(train)) continue;
      const RowTime time = row_time(Walk(**platform, setting.rows.count, batch, train), patience.budget);
      put(times, {size, name, train, batch}, time.seconds, time.rows);
      row_seconds[train ? 1 : 0] = time.seconds;
    }
  }
  return {};
}

void time_script(JobTimes& times, ToySize size, const std::string& name, Language language, const ToySetting& setting,
                 const ScriptDirectory& scripts, const Patience& patience) {
  ScriptJob job{{setting.rows.features}, {kToyBatches.begin(), kToyBatches.end()}, patience.budget, patience.cap};
  for (const ToyLayer& layer : setting.layers) job.sizes.push_back(layer.out);
  const auto readings = scripts.measure(language, job);
  if (!readings) {
    times.reasons[{size, name}] = readings.error().message;
    return;
  }
  for (const ToyReading& each : *readings) {
    const auto rows = static_cast<double>(each.rows);
    put(times, {size, name, each.train, each.batch}, each.seconds / rows, rows);
  }
}

}  // namespace soma
