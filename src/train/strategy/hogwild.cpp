// hogwild: samples → parameters that all workers move at once, without a lock (Niu, Recht, Ré, Wright 2011).
#include <algorithm>
#include <atomic>

#include "train/strategy.h"
#include "train/strategy/replica.h"

namespace soma {
namespace {

// Every access to a number that others may be moving: relaxed, and load and store apart, so that an update may be lost. That is
// the point; nothing else in the program races.
float peek(float& x) { return std::atomic_ref(x).load(std::memory_order_relaxed); }
void poke(float& x, float value) { std::atomic_ref(x).store(value, std::memory_order_relaxed); }

/// A worker looks at the parameters, works out its step on what it saw, and adds what the step moved. Optimizer arrays stay with
/// their worker; a checkpoint keeps their average. Running statistics are those of the first worker.
class Hogwild final : public SampleStrategy {
 public:
  explicit Hogwild(const RunState& run) : replicas_(make_replicas(run, run.config.train.batch)) {
    for (std::size_t i = 0; i < replicas_.size(); ++i) seen_.emplace_back(run.net.plan().trained_end);
  }

  [[nodiscard]] bool moves_parameters() const override { return true; }

  [[nodiscard]] std::int64_t steps_per_epoch(const RunState& run) const override {
    return (run.samples() + run.config.train.batch - 1) / run.config.train.batch;
  }

  /// About worker_batch samples for each worker; whoever is free takes the next batch.
  Result<void> take(RunState& run, Gradient) override {
    const std::int64_t batch = run.config.train.batch, workers = run.config.train.workers;
    const std::int64_t wanted = std::max<std::int64_t>(1, run.config.train.worker_batch / batch) * workers;
    const std::int64_t batches = std::min(wanted, (run.samples() - run.at.next + batch - 1) / batch);
    std::atomic<std::int64_t> next{0};
    run.team.share(workers, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t k = begin; k < end; ++k) {
        Replica& replica = *replicas_[static_cast<std::size_t>(k)];
        prepare(run, replica);
        for (std::int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < batches;
             i = next.fetch_add(1, std::memory_order_relaxed)) {
          const std::int64_t first = run.at.next + i * batch;
          if (!work(run, replica, seen_[static_cast<std::size_t>(k)], first, std::min(batch, run.samples() - first), i)) break;
        }
      }
    });
    finish(run, batches);
    for (const auto& replica : replicas_)
      if (!replica->finite) return not_finite(run);
    run.at.step += batches;
    run.at.batch += batches;
    run.at.next = std::min(run.at.next + batches * batch, run.samples());
    return {};
  }

 private:
  static void prepare(const RunState& run, Replica& replica) {
    std::copy(run.state0.data(), run.state0.data() + run.state0.size(), replica.state0.data());
    std::copy(run.state1.data(), run.state1.data() + run.state1.size(), replica.state1.data());
    replica.optimizer = run.optimizer;
    replica.sum = {};
    replica.steps = 0;
  }

  static bool work(const RunState& run, Replica& replica, Block<float>& seen, std::int64_t first, std::int64_t rows,
                   std::int64_t i) {
    float* shared = const_cast<float*>(run.net.parameters());
    float* own = replica.net().parameters();
    for (std::int64_t p = 0; p < seen.size(); ++p) seen.data()[p] = own[p] = peek(shared[p]);
    if (!replica.gradient(run, first, rows, run.at.batch + i, LossOf::mean)) return false;
    replica.update(run, run.at.step + i);
    for (std::int64_t p = 0; p < seen.size(); ++p)
      if (const float moved = own[p] - seen.data()[p]; moved != 0) poke(shared[p], peek(shared[p]) + moved);
    return true;
  }

  void finish(RunState& run, std::int64_t batches) {
    std::int64_t busy = 0;
    for (const auto& replica : replicas_) {
      run.at.sum += replica->sum;
      busy += replica->steps > 0 ? 1 : 0;
      if (replica->steps > 0) run.rate = replica->rate;
    }
    if (busy == 0 || batches == 0) return;
    const auto average = [&](Block<float>& state, Block<float> Replica::*of) {
      for (std::int64_t i = 0; i < state.size(); ++i) {
        float sum = 0;
        for (const auto& replica : replicas_)
          if (replica->steps > 0) sum += ((*replica).*of).data()[i];
        state.data()[i] = sum / static_cast<float>(busy);
      }
    };
    average(run.state0, &Replica::state0);
    average(run.state1, &Replica::state1);
  }

  std::vector<std::unique_ptr<Replica>> replicas_;
  std::vector<Block<float>> seen_;
};

}  // namespace

std::unique_ptr<SampleStrategy> make_hogwild(const RunState& run) { return std::make_unique<Hogwild>(run); }

}  // namespace soma
