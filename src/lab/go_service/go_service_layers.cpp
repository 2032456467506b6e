// four strategies on the layers of the Go service → time and memory of a call, beside the published ones and soma's own kernels.
#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "kernels/kernels.h"
#include "lab/experiment.h"
#include "lab/go_service/counting_memory.h"
#include "lab/go_service/soma_layer.h"
#include "lab/measure.h"

namespace soma {
namespace {

constexpr int kStrategies = 4;

/// A row of the published table: a Go program on a Ryzen 9 7900X, 12 cores, in the order of strategy_kinds().
struct Published {
  double nanoseconds[kStrategies], bytes[kStrategies], allocations[kStrategies];
  double two_core_microseconds;  ///< the same Go code, sequential, on a 2-core machine; 0 = not known
};

struct Case {
  std::string name;
  std::unique_ptr<ServiceLayer> layer;
  const Published* published;
  int rounds;  ///< 0 = as many as the effort says
};

constexpr Published kPublished[] = {
    {{1796, 4285, 6798, 4078}, {96, 1256, 3021, 125}, {3, 15, 30, 4}, 0},
    {{151364, 69158, 74663, 86828}, {1072, 29786, 6151, 1141}, {3, 261, 30, 4}, 222},
    {{629133, 2238759, 4683951, 3276528}, {71349, 1841204, 410733, 71508}, {603, 14429, 635, 604}, 0},
    {{5979858, 4406027, 7081673, 6270808}, {86986, 2074652, 467657, 87057}, {739, 16239, 773, 740}, 9600},
};

std::vector<Case> cases(bool quick) {
  std::vector<Case> list;
  list.push_back({"linear 256→10", make_service_linear(256, 10), &kPublished[0], 0});
  list.push_back({"linear 1024→256", make_service_linear(1024, 256), &kPublished[1], 0});
  list.push_back({"conv (1,28,28) k5 → (24,24,24)", make_service_conv(1, 28, 24, 5), &kPublished[2], 0});
  list.push_back({"conv (24,24,24) k3 → (32,22,22)", make_service_conv(24, 24, 32, 3), &kPublished[3], 0});
  list.push_back({"linear 4096→4096", make_service_linear(4096, 4096), nullptr, quick ? 3 : 11});
  if (quick)
    list.push_back({"conv (64,56,56) k3 → (64,54,54)", make_service_conv(64, 56, 64, 3), nullptr, 3});
  else
    list.push_back({"conv (256,56,56) k3 → (256,54,54)", make_service_conv(256, 56, 256, 3), nullptr, 5});
  return list;
}

/// One reading of the table: a strategy and how many outputs it hands out at a time.
struct Way {
  std::size_t strategy;
  std::int64_t batch;
};

std::vector<Way> ways(std::int64_t outputs, int threads) {
  std::vector<Way> list = {{0, outputs}};
  for (std::size_t strategy = 1; strategy < kStrategies; ++strategy) {
    list.push_back({strategy, 1});
    if (outputs > 64 * threads) list.push_back({strategy, 64});
    list.push_back({strategy, (outputs + threads - 1) / threads});
  }
  return list;
}

struct Outcome {
  Way way;
  Reading time;
  std::int64_t bytes = 0, allocations = 0;
};

struct CaseOutcome {
  std::vector<Outcome> ways;
  Reading soma;
  [[nodiscard]] double sequential() const { return ways.front().time.median; }
  /// Of a strategy that hands out single outputs, relative to one loop.
  [[nodiscard]] double ratio(std::size_t strategy) const {
    const auto found = std::ranges::find_if(ways, [&](const Outcome& o) { return o.way.strategy == strategy; });
    return found->time.median / sequential();
  }
  /// Of a strategy that hands each thread its even share.
  [[nodiscard]] double share_ratio(std::size_t strategy) const {
    const auto found =
        std::ranges::find_if(ways.rbegin(), ways.rend(), [&](const Outcome& o) { return o.way.strategy == strategy; });
    return found->time.median / sequential();
  }
};

CaseOutcome measure_case(const Case& each, const Kernels<float>& kernels, Team& team, Effort effort) {
  if (each.rounds > 0) effort.rounds = each.rounds;
  CaseOutcome outcome;
  std::pmr::memory_resource* heap = std::pmr::new_delete_resource();
  std::vector<std::unique_ptr<Strategy>> strategies;
  for (const StrategyKind& kind : strategy_kinds()) strategies.push_back(kind.make(team.size(), heap));
  std::vector<std::function<void()>> work;
  for (const Way& way : ways(each.layer->outputs(), team.size())) {
    CountingMemory memory;
    {
      const auto counted = strategy_kinds()[way.strategy].make(team.size(), &memory);
      const std::int64_t bytes = memory.bytes(), count = memory.count();
      each.layer->forward(*counted, way.batch, &memory);
      outcome.ways.push_back({way, {}, memory.bytes() - bytes, memory.count() - count});
    }
    work.emplace_back(
        [&each, heap, way, &strategy = *strategies[way.strategy]] { each.layer->forward(strategy, way.batch, heap); });
  }
  Net<float> net = make_soma_layer(*each.layer, kernels, team);
  work.emplace_back([&net] { net.forward(1, {}); });
  const std::vector<Reading> times = measure_interleaved(work, effort);
  for (std::size_t i = 0; i < outcome.ways.size(); ++i) outcome.ways[i].time = times[i];
  outcome.soma = times.back();
  return outcome;
}

void add_rows(LabTable& table, const Case& each, const CaseOutcome& outcome) {
  const auto row = [&](const char* strategy, LabCell batch, const Reading& time, double bytes, double allocations) {
    table.rows.push_back({each.name, strategy, std::move(batch), time.median * 1e6, time.low * 1e6, time.high * 1e6,
                          time.median / outcome.sequential(), bytes, allocations});
  };
  for (const Outcome& o : outcome.ways)
    row(strategy_kinds()[o.way.strategy].name, o.way.strategy == 0 ? LabCell() : static_cast<double>(o.way.batch), o.time,
        static_cast<double>(o.bytes), static_cast<double>(o.allocations));
  row("soma's kernels, team", {}, outcome.soma, 0, 0);
}

LabTable published_table(const std::vector<Case>& list) {
  LabTable table{"Published: Go, 12 cores (7900X)",
                 {{"layer", ""},
                  {"strategy", ""},
                  {"time", "µs", 1},
                  {"× sequential", ""},
                  {"bytes", "", 0},
                  {"allocations", "", 0},
                  {"on 2 cores", "µs", 0}},
                 {}};
  for (const Case& each : list)
    for (std::size_t s = 0; each.published != nullptr && s < kStrategies; ++s) {
      const Published& p = *each.published;
      table.rows.push_back({each.name, strategy_kinds()[s].name, p.nanoseconds[s] / 1e3, p.nanoseconds[s] / p.nanoseconds[0],
                            p.bytes[s], p.allocations[s],
                            s == 0 && p.two_core_microseconds > 0 ? LabCell(p.two_core_microseconds) : LabCell()});
    }
  return table;
}

LabVerdict verdict(const Case& each, const CaseOutcome& outcome) {
  std::string there, here;
  int agree = 0;
  for (std::size_t s = 1; s < kStrategies; ++s) {
    const double published = each.published->nanoseconds[s] / each.published->nanoseconds[0], measured = outcome.ratio(s);
    agree += (published < 1) == (measured < 1) ? 1 : 0;
    there += fmt::format("{}{} {:.2f}", s > 1 ? ", " : "", strategy_kinds()[s].name, published);
    here += fmt::format("{}{:.2f}", s > 1 ? ", " : "", measured);
  }
  return {agree == kStrategies - 1,
          fmt::format(
              "{}: published, relative to one loop: {}; here {}: {} of 3 on the same side of 1. One loop took {:.1f} µs there "
              "and {:.1f} µs here, soma's kernels {:.1f} µs",
              each.name, there, here, agree, each.published->nanoseconds[0] / 1e3, outcome.sequential() * 1e6,
              outcome.soma.median * 1e6)};
}

LabChart singles_chart() {
  LabChart chart{LabChart::Kind::bars, "One output a task, relative to one loop", "", "× sequential", {}, {}};
  for (std::size_t s = 1; s < kStrategies; ++s) {
    chart.series.push_back({strategy_kinds()[s].name, false, {}, {}});
    chart.series.push_back({std::string(strategy_kinds()[s].name) + " (12 cores, Go)", true, {}, {}});
  }
  chart.log_y = true;
  return chart;
}

double thread_cost(const Effort& effort) {
  return measure([] { std::thread([] {}).join(); }, effort).median;
}

}  // namespace

Result<LabReport> run_go_service_layers(const LabOptions& options) {
  auto kernels = select_kernels();
  if (!kernels) return kernels.error();
  const Effort effort = effort_for(options);
  Team team(options.threads);

  LabTable measured{"Measured here",
                    {{"layer", ""},
                     {"strategy", ""},
                     {"outputs a task", "", 0},
                     {"time", "µs", 1},
                     {"low", "µs", 1},
                     {"high", "µs", 1},
                     {"× sequential", "", 3},
                     {"bytes", "", 0},
                     {"allocations", "", 0}},
                    {}};
  LabChart singles = singles_chart();
  LabChart shares{LabChart::Kind::bars, "An even share a task, relative to one loop", "", "× sequential", {}, {}};
  for (std::size_t s = 1; s < kStrategies; ++s) shares.series.push_back({strategy_kinds()[s].name, false, {}, {}});
  shares.series.push_back({"soma's kernels, team", false, {}, {}});
  shares.log_y = true;

  LabReport report;
  const std::vector<Case> list = cases(options.quick);
  for (const Case& each : list) {
    say(options, each.name);
    const CaseOutcome outcome = measure_case(each, **kernels, team, effort);
    add_rows(measured, each, outcome);
    shares.categories.push_back(each.name);
    for (std::size_t s = 1; s < kStrategies; ++s) shares.series[s - 1].y.push_back(outcome.share_ratio(s));
    shares.series.back().y.push_back(outcome.soma.median / outcome.sequential());
    if (each.published == nullptr) continue;
    singles.categories.push_back(each.name);
    for (std::size_t s = 1; s < kStrategies; ++s) {
      singles.series[2 * s - 2].y.push_back(outcome.ratio(s));
      singles.series[2 * s - 1].y.push_back(each.published->nanoseconds[s] / each.published->nanoseconds[0]);
    }
    report.verdicts.push_back(verdict(each, outcome));
  }
  report.tables = {measured, published_table(list)};
  report.charts = {singles, shares};
  report.notes = {
      fmt::format(
          "A goroutine is stood for by the cheapest task there is here: one block from the heap, appended without a lock to the "
          "list of a lasting thread, as Go's runtime does. A thread of its own for each output would cost {:.0f} µs.",
          thread_cost(effort) * 1e6),
      "Layers compute each output with plain loops over slices of slices, as the Go service did; a call takes its output slices "
      "from the "
      "heap. All strategies give the same bits.",
      "Bytes and allocations are what one warm call asks of its memory resource. Not in them: the state and stack that each "
      "thread made "
      "for a call takes from the system (workerpool). soma's kernels take nothing: the plan holds all memory.",
      "The large layers and tasks of several outputs are what the author of the service wished to see."};
  return report;
}

}  // namespace soma
