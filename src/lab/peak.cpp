// this machine → its multiply-add rates by number format and its bandwidth by level of memory, one core and all.
#include "lab/peak.h"

#include <fmt/format.h>

#include "core/arena.h"
#include "lab/experiment.h"
#include "lab/rates.h"
#include "soma/device.h"

namespace soma {
namespace {

constexpr int kCalls = 20;  // of a probe in one region: its barrier costs less than a hundredth

Reading rate_of(const RateProbe& probe, Team& team, const Effort& effort) {
  return measure(
      [&] {
        team.run([&](int) {
          for (int i = 0; i < kCalls; ++i) probe.call();
        });
      },
      effort);
}

double per_second(const RateProbe& probe, const Team& team, double seconds) {
  return kCalls * static_cast<double>(probe.operations) * team.size() / seconds;
}

/// "median", "low", "high" of amount / seconds: the slow quartile of the time is the low one of the rate.
void add_rate(std::vector<LabCell>& row, double amount, const Reading& time, double unit) {
  row.emplace_back(amount / time.median / unit);
  row.emplace_back(amount / time.high / unit);
  row.emplace_back(amount / time.low / unit);
}

struct Level {
  const char* name;
  std::int64_t floats;
};
// Half of a first-level cache of 32 KiB, half of a second level of 1 MiB, and far more than most last levels.
constexpr Level kLevels[] = {
    {"16 KiB (L1)", 4 << 10}, {"512 KiB (L2)", 128 << 10}, {"64 MiB (L3 or memory)", 16 << 20}, {"512 MiB (memory)", 128 << 20}};

}  // namespace

double fp32_peak(Team& team, const Effort& effort) {
  const std::vector<RateProbe> probes = rate_probes();
  return probes.empty() ? 0 : per_second(probes.front(), team, rate_of(probes.front(), team, effort).median);
}

Result<LabReport> run_peak(const LabOptions& options) {
  LabReport report;
  const Effort effort = effort_for(options);
  Team one(1), all(options.threads);
  std::vector<Team*> teams = {&one};
  if (all.size() > 1) teams.push_back(&all);

  LabTable rates{
      "Multiply-adds",
      {{"format", ""}, {"instruction", ""}, {"threads", "", 0}, {"rate", "GOP/s", 1}, {"low", "GOP/s", 1}, {"high", "GOP/s", 1}},
      {}};
  LabChart chart{LabChart::Kind::bars, "Multiply-adds by number format", "", "GOP/s", {}, {}};
  for (Team* team : teams)
    chart.series.push_back({fmt::format("{} thread{}", team->size(), team->size() > 1 ? "s" : ""), false, {}, {}});
  for (const RateProbe& probe : rate_probes()) {
    say(options, "multiply-adds, " + probe.format);
    if (probe.operations == 0) {
      rates.rows.push_back({probe.format, probe.instruction, {}, {}, {}, {}});
      continue;
    }
    chart.categories.push_back(probe.format);
    for (std::size_t t = 0; t < teams.size(); ++t) {
      const Reading time = rate_of(probe, *teams[t], effort);
      rates.rows.push_back({probe.format, probe.instruction, static_cast<double>(teams[t]->size())});
      add_rate(rates.rows.back(), per_second(probe, *teams[t], 1), time, 1e9);
      chart.series[t].y.push_back(per_second(probe, *teams[t], time.median) / 1e9);
    }
  }

  LabTable bandwidth{"Memory",
                     {{"block of each thread", ""},
                      {"access", ""},
                      {"threads", "", 0},
                      {"rate", "GB/s", 1},
                      {"low", "GB/s", 1},
                      {"high", "GB/s", 1}},
                     {}};
  for (const Level& level : kLevels) {
    if (options.quick && level.floats > 16 << 20) continue;
    say(options, std::string("bandwidth, ") + level.name);
    for (Team* team : teams) {
      std::vector<Block<float>> blocks;
      blocks.reserve(static_cast<std::size_t>(team->size()));
      for (int i = 0; i < team->size(); ++i) blocks.emplace_back(level.floats);
      const std::int64_t repeats = std::max<std::int64_t>(1, (1 << 20) / level.floats);  // at least 4 MiB in a region
      const double bytes = static_cast<double>(level.floats * repeats) * sizeof(float) * team->size();
      const auto on_all = [&](auto access) {
        return [&, access] {
          team->run([&](int member) {
            for (std::int64_t i = 0; i < repeats; ++i) access(blocks[static_cast<std::size_t>(member)].data());
          });
        };
      };
      const auto half = static_cast<std::size_t>(level.floats / 2);
      const auto times = measure_interleaved(
          {on_all([half](float* x) { read_floats(x, 2 * half); }), on_all([half](float* x) { copy_floats(x, x + half, half); })},
          effort);
      for (std::size_t i = 0; i < times.size(); ++i) {
        bandwidth.rows.push_back({level.name, i == 0 ? "read" : "copy (read + write)", static_cast<double>(team->size())});
        add_rate(bandwidth.rows.back(), bytes, times[i], 1e9);
      }
    }
  }
  report.tables = {rates, bandwidth};
  report.charts = {chart};
  report.notes = {"A multiply-add counts as two operations. Rates are medians; low and high are the quartiles of the readings.",
                  "A dot-product instruction (bf16, int8) adds several products into one wider sum."};
  return report;
}

}  // namespace soma
