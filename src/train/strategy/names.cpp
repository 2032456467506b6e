// a strategy's name → what runs it: the one list of them.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "train/run_state.h"
#include "train/strategy.h"

namespace soma {

std::span<const Strategy> strategies() {
  static constexpr auto all = std::to_array<Strategy>({
      {.name = "team"},
      {.name = "sequential", .alone = true},
      {.name = "spawn", .spread = make_spawn},
      {.name = "pool", .spread = make_pool},
      {.name = "static-pool", .spread = make_static_pool},
      {.name = "data-parallel", .workers = make_data_parallel},
      {.name = "averaging", .workers = make_averaging, .exchanges = true, .merges_statistics = true},
      {.name = "hogwild", .workers = make_hogwild, .exchanges = true, .in_order = false},
  });
  return all;
}

const Strategy* find_strategy(std::string_view name) {
  const auto all = strategies();
  const auto found = std::ranges::find(all, name, &Strategy::name);
  return found == all.end() ? nullptr : &*found;
}

bool spreads_samples(std::string_view name) {
  const Strategy* strategy = find_strategy(name);
  return strategy != nullptr && strategy->workers != nullptr;
}

Result<std::optional<LossSum>> SampleStrategy::validate(RunState&) { return std::optional<LossSum>(); }

Result<std::unique_ptr<SampleStrategy>> make_sample_strategy(const RunState& run) {
  if (run.config.train.device != "cpu") return make_on_device(run);
  const Strategy* strategy = find_strategy(run.config.train.strategy);
  SOMA_REQUIRE(strategy != nullptr);
  if (strategy->workers == nullptr) return std::unique_ptr<SampleStrategy>();
  const Plan& plan = run.net.plan();
  if (!strategy->merges_statistics && plan.parameter_end > plan.trained_end)
    return Error{Error::Kind::usage,
                 fmt::format("train.strategy: wanted a network without batch_norm for {}, whose workers would each move the "
                             "running statistics; try averaging or team",
                             strategy->name)};
  return strategy->workers(run);
}

}  // namespace soma
