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

  Result<void> take(RunState& run, Gradient gradient) override {
    const std::int64_t rows = std::min(run.config.train.batch, run.samples() - run.at.next);
    const auto workers = static_cast<std::int64_t>(replicas_.size());
    const auto begin_of = [&](std::int64_t k) { return rows * k / workers; };
    run.team.share(workers, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t k = begin; k < end; ++k) {
        Replica& replica = *replicas_[static_cast<std::size_t>(k)];
        replica.sum = {};
        replica.samples = 0;
        const std::int64_t from = begin_of(k), count = begin_of(k + 1) - from;
        if (count == 0) continue;
        replica.net().use_parameters(run.net.parameters());
        replica.gradient(run, run.at.next + from, count, run.at.batch * workers + k, LossOf::sum);
      }
    });
    LossSum sum;
    bool finite = true;
    for (const auto& replica : replicas_) {
      sum += replica->sum;
      finite = finite && replica->finite;
    }
    if (!finite) return not_finite(run);
    const double share = sum.weight > 0 ? 1 / sum.weight : 0;
    if (gradient == Gradient::use)
      move(run, run.numbers_of(run.at.step++, share, run.optimizer, run.rate));
    else
      add_up(run, static_cast<float>(share), gradient == Gradient::replace);
    run.at.sum += sum;
    run.at.next += rows;
    ++run.at.batch;
    return {};
  }

 private:
  /// f(first, n, sum) for each piece of the parameters, with the sum of its gradients over the workers. The sum lies in the place
  /// of the first worker's: a piece stays in the first cache until it is used.
  template <class F>
  void each_piece(RunState& run, const F& f) {
    constexpr std::int64_t kPiece = 2048;  // 8 KiB
    const std::int64_t all = run.net.plan().trained_end;
    run.team.share((all + kPiece - 1) / kPiece, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t from = begin * kPiece; from < std::min(end * kPiece, all); from += kPiece) {
        const std::int64_t n = std::min(kPiece, all - from);
        float* sum = nullptr;
        for (const auto& replica : replicas_) {
          if (replica->samples == 0) continue;
          float* part = replica->net().parameter_gradients() + from;
          if (sum == nullptr)
            sum = part;
          else
            run.net.kernels().add(sum, part, sum, n);
        }
        if (sum != nullptr) f(from, n, sum);
      }
    });
  }

  /// Parameters moved by the mean gradient of the batch, which is forgotten.
  void move(RunState& run, const Update<float>& update) {
    const Update<float> biases = without_penalties(update);
    const auto at = [](Block<float>& state, std::int64_t i) { return state.size() > 0 ? state.data() + i : nullptr; };
    each_piece(run, [&](std::int64_t first, std::int64_t n, float* sum) {
      const std::int64_t weights = std::clamp<std::int64_t>(run.net.plan().weight_end - first, 0, n);
      const auto apply = [&](const Update<float>& numbers, std::int64_t i, std::int64_t count) {
        run.net.kernels().update(numbers, run.net.parameters() + i, sum + (i - first), at(run.state0, i), at(run.state1, i),
                                 count);
      };
      if (weights > 0) apply(update, first, weights);
      if (weights < n) apply(biases, first + weights, n - weights);
    });
  }

  /// The mean gradient of the batch, in the run's place.
  void add_up(RunState& run, float scale, bool replace) {
    each_piece(run, [&](std::int64_t first, std::int64_t n, float* sum) {
      float* total = run.net.parameter_gradients() + first;
      run.net.kernels().scale(scale, sum, n);
      if (replace)
        std::copy(sum, sum + n, total);
      else
        run.net.kernels().add(total, sum, total, n);
    });
  }

  std::vector<std::unique_ptr<Replica>> replicas_;
};

}  // namespace

std::unique_ptr<SampleStrategy> make_data_parallel(const RunState& run) { return std::make_unique<DataParallel>(run); }

}  // namespace soma
