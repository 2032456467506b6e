// a strategy's name → what runs it.
#include <fmt/format.h>

#include <array>

#include "train/run_state.h"
#include "train/strategy.h"

namespace soma {

std::span<const std::string> strategy_names() {
  static const std::array<std::string, 8> names = {"team",        "sequential",    "spawn",     "pool",
                                                   "static-pool", "data-parallel", "averaging", "hogwild"};
  return names;
}

bool spreads_samples(std::string_view strategy) {
  return strategy == "data-parallel" || strategy == "averaging" || strategy == "hogwild";
}

std::unique_ptr<Spread> make_spread(std::string_view strategy, int workers) {
  if (strategy == "spawn") return make_spawn(workers);
  if (strategy == "pool") return make_pool(workers);
  if (strategy == "static-pool") return make_static_pool(workers);
  return nullptr;
}

Result<std::unique_ptr<SampleStrategy>> make_sample_strategy(const RunState& run) {
  const std::string& name = run.config.train.strategy;
  if (!spreads_samples(name)) return std::unique_ptr<SampleStrategy>();
  const Plan& plan = run.net.plan();
  if (name != "averaging" && plan.parameter_end > plan.trained_end)
    return Error{Error::Kind::usage,
                 fmt::format("train.strategy: wanted a network without batch_norm for {}, whose workers would each move the "
                             "running statistics; try averaging or team",
                             name)};
  if (name == "data-parallel") return make_data_parallel(run);
  if (name == "averaging") return make_averaging(run);
  return make_hogwild(run);
}

}  // namespace soma
