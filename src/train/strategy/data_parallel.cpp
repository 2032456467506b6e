// data-parallel: a batch → its gradient, each worker at its share of the samples; sums in worker order.
#include <algorithm>

#include "train/strategy.h"
#include "train/strategy/replica.h"

namespace soma {
namespace {

/// A master holds the parameters, which the workers share and only read; each has activations and gradients of its own.
class DataParallel final : public SampleStrategy {
 public:
  explicit DataParallel(const RunState& run)
      : replicas_(make_replicas(run, (run.config.train.batch + run.config.train.workers - 1) / run.config.train.workers)) {}

  [[nodiscard]] bool moves_parameters() const override { return false; }

  [[nodiscard]] std::int64_t steps_per_epoch(const RunState& run) const override {
    const std::int64_t per_step = run.config.train.batch * run.config.train.accumulate;
    return (run.samples() + per_step - 1) / per_step;
  }

  Result<void> take(RunState& run, bool first) override {
    const std::int64_t rows = std::min(run.config.train.batch, run.samples() - run.at.next);
    const auto workers = static_cast<std::int64_t>(replicas_.size());
    const auto begin_of = [&](std::int64_t k) { return rows * k / workers; };
    run.team.share(workers, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t k = begin; k < end; ++k) {
        Replica& replica = *replicas_[static_cast<std::size_t>(k)];
        replica.sum = {};
        const std::int64_t from = begin_of(k), count = begin_of(k + 1) - from;
        if (count == 0) continue;
        replica.net().use_parameters(run.net.parameters());
        replica.gradient(run, run.at.next + from, count, run.at.batch * workers + k, false);
      }
    });
    LossSum sum;
    bool finite = true;
    for (const auto& replica : replicas_) {
      sum += replica->sum;
      finite = finite && replica->finite;
    }
    if (!finite) return not_finite(run);
    add_up(run, sum.weight, first);
    run.at.sum += sum;
    run.at.next += rows;
    ++run.at.batch;
    return {};
  }

 private:
  /// Each worker has the gradient of the mean over its own samples: weighted by them, the sum is that of the whole batch.
  void add_up(RunState& run, double weight, bool first) {
    constexpr std::int64_t kPiece = 2048;  // 8 KiB: stays in the first cache from one worker to the next
    const std::int64_t all = run.net.plan().trained_end;
    const Kernels<float>& kernels = run.net.kernels();
    run.team.share((all + kPiece - 1) / kPiece, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t piece = begin; piece < end; ++piece) {
        const std::int64_t from = piece * kPiece, n = std::min(kPiece, all - from);
        float* total = run.net.parameter_gradients() + from;
        bool fresh = first;
        for (const auto& replica : replicas_) {
          if (replica->sum.weight == 0) continue;
          float* part = replica->net().parameter_gradients() + from;
          kernels.scale(static_cast<float>(replica->sum.weight / weight), part, n);
          if (fresh)
            std::copy(part, part + n, total);
          else
            kernels.add(total, part, total, n);
          fresh = false;
        }
      }
    });
  }

  std::vector<std::unique_ptr<Replica>> replicas_;
};

}  // namespace

std::unique_ptr<SampleStrategy> make_data_parallel(const RunState& run) { return std::make_unique<DataParallel>(run); }

}  // namespace soma
