// a strategy's name → how the work of training is spread: over the units of each operation, or over samples.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/team.h"
#include "soma/error.h"

namespace soma {

struct LossSum;
struct RunState;

class SampleStrategy;

/// A way of handing out the work of a step, as docs/strategies.md tells of it.
struct Strategy {
  std::string_view name;
  bool alone = false;                                        ///< on one thread, whatever the number
  std::unique_ptr<Spread> (*spread)(int workers) = nullptr;  ///< units of an operation, where no team runs them
  std::unique_ptr<SampleStrategy> (*workers)(const RunState& run) =
      nullptr;                     ///< samples, each worker its own: changes the result
  bool exchanges = false;          ///< workers: each moves parameters of its own, and they exchange them
  bool merges_statistics = false;  ///< workers: running statistics become one, so that there may be some
  bool in_order = true;            ///< steps have numbers that nobody else has
};

/// Every strategy there is, the default first.
std::span<const Strategy> strategies();

/// Null for a name that none has.
const Strategy* find_strategy(std::string_view name);

/// Whether the strategy spreads samples over workers, and so changes the result; the others only decide who computes what.
bool spreads_samples(std::string_view name);

/// Workers that each take their own samples through a network of their own. One object serves one RunState.
class SampleStrategy {
 public:
  SampleStrategy() = default;
  SampleStrategy(const SampleStrategy&) = delete;
  SampleStrategy& operator=(const SampleStrategy&) = delete;
  virtual ~SampleStrategy() = default;

  /// Whether take() always moves the parameters itself.
  [[nodiscard]] virtual bool moves_parameters() const = 0;

  /// The samples from at.next on: adds to at.sum, and moves at.next and at.batch (and at.step with the parameters). What becomes
  /// of their gradient when the strategy does not always use it up: `replace` puts it into the run's, `add` adds it there, and
  /// `use` moves the parameters by it at once and leaves the run's alone. Fails when a loss is not finite.
  enum class Gradient { replace, add, use };
  [[nodiscard]] virtual Result<void> take(RunState& run, Gradient gradient) = 0;

  /// Brings the run's parameters and optimizer state to where `at` stands, for a strategy that keeps them elsewhere between two
  /// calls of take(). Called before anything reads them; the run's own when it returns. By default they never left.
  [[nodiscard]] virtual Result<void> settle(RunState&) { return {}; }

  /// The run's parameters and optimizer state were replaced: those kept elsewhere are out of date.
  virtual void replaced() {}

  /// Loss and hits over the validation samples, when the strategy has a faster way than the run's own; else nothing.
  [[nodiscard]] virtual Result<std::optional<LossSum>> validate(RunState& run);

  /// Optimizer steps in an epoch, for schedules.
  [[nodiscard]] virtual std::int64_t steps_per_epoch(const RunState& run) const = 0;
};

/// The workers of run.config.train.strategy, or the GPU that train.device names; null where it has neither. Fails for a network
/// that the strategy cannot train, or a GPU that cannot be had.
[[nodiscard]] Result<std::unique_ptr<SampleStrategy>> make_sample_strategy(const RunState& run);

// One file each.
std::unique_ptr<Spread> make_spawn(int workers);
std::unique_ptr<Spread> make_pool(int workers);
std::unique_ptr<Spread> make_static_pool(int workers);
std::unique_ptr<SampleStrategy> make_data_parallel(const RunState& run);
std::unique_ptr<SampleStrategy> make_averaging(const RunState& run);
std::unique_ptr<SampleStrategy> make_hogwild(const RunState& run);
Result<std::unique_ptr<SampleStrategy>> make_on_device(const RunState& run);

}  // namespace soma
