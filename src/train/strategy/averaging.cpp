// averaging: rounds of samples → parameters: every worker trains a copy on its own samples, then the copies become one.
#include <algorithm>

#include "train/strategy.h"
#include "train/strategy/replica.h"

namespace soma {
namespace {

/// Exemplar parallelism. In worker order, w += (copy − start)/k, with k counting down from the number of copies to 1 (merge =
/// "weighted", the Go thesis's) or always their number (merge = "average"). Optimizer arrays and running statistics are averaged.
class Averaging final : public SampleStrategy {
 public:
  explicit Averaging(const RunState& run)
      : replicas_(make_replicas(run, std::min(run.config.train.batch, run.config.train.worker_batch))),
        start_(run.net.plan().parameter_end),
        weighted_(run.config.train.merge == "weighted") {}

  [[nodiscard]] bool moves_parameters() const override { return true; }

  [[nodiscard]] std::int64_t steps_per_epoch(const RunState& run) const override {
    const TrainConfig& train = run.config.train;
    const std::int64_t round = train.worker_batch * train.workers, rounds = run.samples() / round;
    const auto steps = [&](std::int64_t samples) {
      return (std::min(samples, train.worker_batch) + train.batch - 1) / train.batch;
    };
    return rounds * steps(train.worker_batch) + steps(run.samples() - rounds * round);  // those of the first worker
  }

  Result<void> take(RunState& run, Gradient) override {
    const std::int64_t each = run.config.train.worker_batch, batch = run.config.train.batch;
    const std::int64_t per_worker = (each + batch - 1) / batch;  // batches, for dropout
    const auto active =
        std::min<std::int64_t>(static_cast<std::int64_t>(replicas_.size()), (run.samples() - run.at.next + each - 1) / each);
    const float* master = run.net.parameters();
    std::copy(master, master + start_.size(), start_.data());
    run.team.share(active, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t k = begin; k < end; ++k) {
        Replica& replica = *replicas_[static_cast<std::size_t>(k)];
        prepare(run, replica);
        std::int64_t at = run.at.next + k * each, pass = run.at.batch + k * per_worker;
        const std::int64_t last = std::min(at + each, run.samples());
        for (; at < last; at += batch, ++pass) {
          if (!replica.gradient(run, at, std::min(batch, last - at), pass, LossOf::mean)) return;
          replica.update(run, run.at.step + replica.steps);
        }
      }
    });
    for (std::int64_t k = 0; k < active; ++k)
      if (!replicas_[static_cast<std::size_t>(k)]->finite) return not_finite(run);
    merge(run, active);
    const Replica& first = *replicas_.front();
    for (std::int64_t k = 0; k < active; ++k) run.at.sum += replicas_[static_cast<std::size_t>(k)]->sum;
    run.optimizer = first.optimizer;
    run.rate = first.rate;
    run.at.step += first.steps;
    run.at.batch += active * per_worker;
    run.at.next = std::min(run.at.next + active * each, run.samples());
    return {};
  }

 private:
  void prepare(const RunState& run, Replica& replica) {
    std::copy(start_.data(), start_.data() + start_.size(), replica.net().parameters());
    std::copy(run.state0.data(), run.state0.data() + run.state0.size(), replica.state0.data());
    std::copy(run.state1.data(), run.state1.data() + run.state1.size(), replica.state1.data());
    replica.optimizer = run.optimizer;
    replica.sum = {};
    replica.steps = 0;
  }

  void merge(RunState& run, std::int64_t active) {
    constexpr std::int64_t kPiece = 2048;  // 8 KiB: stays in the first cache from one worker to the next
    const std::int64_t trained = run.net.plan().trained_end;
    run.team.share((start_.size() + kPiece - 1) / kPiece, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t piece = begin; piece < end; ++piece) {
        const std::int64_t from = piece * kPiece, to = std::min(from + kPiece, start_.size());
        float* w = run.net.parameters();
        const float* start = start_.data();
        for (std::int64_t k = 0; k < active; ++k) {
          const float* copy = replicas_[static_cast<std::size_t>(k)]->net().parameters();
          const auto factor = 1 / static_cast<float>(weighted_ ? active - k : active);
          const std::int64_t border = std::clamp(trained, from, to);
          for (std::int64_t i = from; i < border; ++i) w[i] += (copy[i] - start[i]) * factor;
          for (std::int64_t i = border; i < to; ++i) w[i] += (copy[i] - start[i]) / static_cast<float>(active);
        }
      }
    });
    const auto average = [&](Block<float>& state, Block<float> Replica::*of) {
      for (std::int64_t i = 0; i < state.size(); ++i) {
        float sum = 0;
        for (std::int64_t k = 0; k < active; ++k) sum += ((*replicas_[static_cast<std::size_t>(k)]).*of).data()[i];
        state.data()[i] = sum / static_cast<float>(active);
      }
    };
    average(run.state0, &Replica::state0);
    average(run.state1, &Replica::state1);
  }

  std::vector<std::unique_ptr<Replica>> replicas_;
  Block<float> start_;
  bool weighted_;
};

}  // namespace

std::unique_ptr<SampleStrategy> make_averaging(const RunState& run) { return std::make_unique<Averaging>(run); }

}  // namespace soma
