// on a GPU: samples → parameters there: as many steps as take 20 ms are one submit; what is read here comes back when asked for.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "gpu/engine.h"
#include "train/run_state.h"
#include "train/strategy.h"

namespace soma {
namespace {

constexpr double kSubmitSeconds = 0.02;                        // far below every driver's watchdog, and Ctrl-C is heard
constexpr std::int64_t kRingNumbers = std::int64_t{16} << 20;  // 64 MB of rows that the team fills for one submit

constexpr std::int64_t kChunk = 4096;  // rows worked out before they are sent

TargetBuffer target_buffer(const RunState& run, std::int64_t rows) {
  const ResolvedNetwork& network = run.net.plan().network;
  return {run.data->train, network.spec.input, network.shapes.back(), rows};
}

class OnDevice final : public SampleStrategy {
 public:
  /// Brings the data of the run to the GPU, or makes room for a ring of it.
  static Result<std::unique_ptr<SampleStrategy>> create(const RunState& run) {
    auto device = gpu::Device::open(run.config.train.device);
    if (!device) return device.error();
    std::unique_ptr<OnDevice> made(new OnDevice(run));
    const Dataset& train = run.data->train;
    const std::span<const float> table = run.batches.table_of_bytes();
    const std::int64_t count = train.count + (run.data->validation ? run.data->validation->count : 0);
    const std::int64_t numbers = table.empty() ? count * run.batches.row_size() : (count * run.batches.row_size() + 3) / 4;
    gpu::Settings settings;
    settings.loss = run.config.loss;
    settings.values = train.task != Task::classes;
    settings.row_weights = !train.weights.empty();
    settings.optimizer = rule_of(run.config.optimizer.kind);
    settings.clip_norm = run.config.optimizer.clip_norm;
    settings.seed = run.config.train.seed;
    const std::int64_t wanted = gpu::target_numbers(settings, run.net.output_size());  // of a sample
    // Rows are worked out here, batch by batch, where the GPU cannot (augmentation), or has no room for all of them.
    made->ring_ = run.config.augment != Augment{} || std::max(numbers, count * wanted) > (*device)->longest_range();
    settings.tables = made->ring_ ? 0 : std::ssize(table) / 256;
    const std::int64_t batch = run.net.plan().max_batch, row = run.batches.row_size();
    made->most_ = made->ring_ ? std::clamp<std::int64_t>(kRingNumbers / (batch * row), 1, gpu::kMostSteps) : gpu::kMostSteps;
    const std::int64_t rows = made->ring_ ? made->most_ * batch : count;
    auto engine =
        gpu::Engine::create(std::move(*device), run.net.plan(), settings,
                            {made->ring_ ? rows * row : numbers, rows * wanted, rows, made->ring_ ? 0 : std::ssize(table)});
    if (!engine) return engine.error();
    made->engine_ = std::move(*engine);
    if (auto sent = made->ring_ ? made->prepare_ring(run, rows) : made->send(run, table); !sent) return sent.error();
    return std::unique_ptr<SampleStrategy>(std::move(made));
  }

  [[nodiscard]] bool moves_parameters() const override { return true; }

  [[nodiscard]] std::int64_t steps_per_epoch(const RunState& run) const override {
    return (run.samples() + run.config.train.batch - 1) / run.config.train.batch;
  }

  Result<void> take(RunState& run, Gradient) override {
    if (auto there = bring(run); !there) return there;
    const std::int64_t batch = run.config.train.batch, left = run.samples() - run.at.next;
    const bool last = left <= batch;
    const std::int64_t forced = gpu::testing().steps_per_submit;
    const std::int64_t steps = last ? 1 : std::min({forced > 0 ? forced : steps_, most_, (left - 1) / batch});
    const gpu::Start start{ring_ ? 0 : run.at.next, run.at.batch, last ? left : batch};
    if (ring_)
      if (auto filled = fill(run, steps * start.rows); !filled) return filled;
    OptimizerState memory = run.optimizer;
    double rate = run.rate;
    updates_.clear();
    for (std::int64_t i = 0; i < steps; ++i) updates_.push_back(run.numbers_of(run.at.step + i, 1, memory, rate));
    if (gpu::testing().lose_at_step == run.at.step) engine_->device().lose();
    const auto begin = std::chrono::steady_clock::now();
    const auto records = engine_->train(start, updates_, last);
    if (!records)
      return Error{records.error().kind,
                   fmt::format("train: {} at step {}; try --resume DIR", records.error().message, run.at.step + 1)};
    measure(steps, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    if (std::any_of(records->begin(), records->end(), [](const gpu::StepRecord& r) { return !std::isfinite(r.loss); }))
      return walk_here(run, steps);
    for (const gpu::StepRecord& r : *records)
      run.at.sum += {static_cast<double>(r.loss), static_cast<double>(r.weight), r.correct};
    run.at.next += last ? left : steps * batch;
    run.at.step += steps;
    run.at.batch += steps;
    run.optimizer = memory;
    run.rate = rate;
    ahead_ = true;
    kept_gradients_ = last;
    return {};
  }

  Result<void> settle(RunState& run) override {
    if (!ahead_) return {};
    const Plan& plan = run.net.plan();
    for (const auto& [arena, to] : arenas_of(run))
      if (auto got = engine_->get(arena, to); !got) return got;
    if (kept_gradients_)
      if (auto got =
              engine_->get(gpu::Arena::gradients, {run.net.parameter_gradients(), static_cast<std::size_t>(plan.trained_end)});
          !got)
        return got;
    ahead_ = false;
    return {};
  }

  void replaced() override { there_ = ahead_ = false; }

  Result<std::optional<LossSum>> validate(RunState& run) override {
    if (ring_) return std::optional<LossSum>();
    if (auto there = bring(run); !there) return there.error();
    const std::int64_t batch = run.config.train.batch;
    LossSum sum;
    for (std::int64_t next = 0, count = run.validation->count(); next < count;) {
      const std::int64_t whole = std::min((count - next) / batch, gpu::kMostSteps);
      const gpu::Start start{run.samples() + next, 0, whole > 0 ? batch : count - next};
      const std::int64_t steps = std::max<std::int64_t>(whole, 1);
      const auto records = engine_->evaluate(start, steps);
      if (!records) return records.error();
      for (const gpu::StepRecord& r : *records) sum += {static_cast<double>(r.loss), static_cast<double>(r.weight), r.correct};
      next += steps * start.rows;
    }
    return std::optional(sum);
  }

 private:
  explicit OnDevice(const RunState& run) : targets_(target_buffer(run, 0)) {
    updates_.reserve(static_cast<std::size_t>(gpu::kMostSteps));
  }

  /// Training samples, then those to validate on, as they lie, with their targets; the order, in which validation stays as it is.
  Result<void> send(const RunState& run, std::span<const float> table) {
    std::int64_t number = 0;
    const std::int64_t row = run.batches.row_size();
    std::vector<float> x(static_cast<std::size_t>(kChunk * row));
    std::vector<std::byte> bytes;
    TargetBuffer targets = target_buffer(run, kChunk);
    for (const Dataset* set : {&run.data->train, run.data->validation ? &*run.data->validation : nullptr}) {
      if (set == nullptr) continue;
      const Batches plain(*set, run.data->preprocess, {}, 0, false);
      for (std::int64_t first = 0, rows = 0; first < set->count; first += rows, number += rows) {
        rows = std::min(kChunk, set->count - first);
        targets.fill(plain, first, rows, x.data(), 0);
        if (auto sent = engine_->put_targets(number, rows, targets.targets()); !sent) return sent;
        if (!table.empty()) continue;
        if (auto sent = engine_->put<float>(gpu::Arena::samples, {x.data(), static_cast<std::size_t>(rows * row)}, number * row);
            !sent)
          return sent;
      }
      for (std::int64_t i = 0; i < set->count && !table.empty(); ++i) {
        const auto* first = reinterpret_cast<const std::byte*>(set->bytes_at(i));
        bytes.insert(bytes.end(), first, first + set->sample_size());
      }
    }
    order_.resize(static_cast<std::size_t>(number));
    std::iota(order_.begin(), order_.end(), 0);
    if (auto sent = engine_->put<std::int32_t>(gpu::Arena::order, order_); !sent) return sent;
    if (table.empty()) return {};
    bytes.resize((bytes.size() + 3) / 4 * 4);
    if (auto sent = engine_->put<float>(gpu::Arena::table, table); !sent) return sent;
    return engine_->put<std::byte>(gpu::Arena::samples, bytes);
  }

  Result<void> prepare_ring(const RunState& run, std::int64_t rows) {
    rows_ = Block<float>(rows * run.batches.row_size());
    targets_ = target_buffer(run, rows);
    order_.resize(static_cast<std::size_t>(rows));
    std::iota(order_.begin(), order_.end(), 0);
    return engine_->put<std::int32_t>(gpu::Arena::order, order_);
  }

  /// The next rows of the epoch, into the ring.
  Result<void> fill(RunState& run, std::int64_t rows) {
    run.team.share(rows, [&](std::int64_t begin, std::int64_t end, int) {
      targets_.fill(run.batches, run.at.next + begin, end - begin, rows_.data(), begin);
    });
    if (auto sent = engine_->put_targets(0, rows, targets_.targets()); !sent) return sent;
    return engine_->put<float>(gpu::Arena::samples, {rows_.data(), static_cast<std::size_t>(rows * run.batches.row_size())});
  }

  using Part = std::pair<gpu::Arena, std::span<float>>;
  static std::array<Part, 3> arenas_of(RunState& run) {
    const auto all = [](float* first, std::int64_t count) { return std::span<float>(first, static_cast<std::size_t>(count)); };
    return {Part{gpu::Arena::parameters, all(run.net.parameters(), run.net.plan().parameter_end)},
            Part{gpu::Arena::state0, all(run.state0.data(), run.state0.size())},
            Part{gpu::Arena::state1, all(run.state1.data(), run.state1.size())}};
  }

  /// What the GPU has is what the run stands at: parameters and state, and the order of this epoch.
  Result<void> bring(RunState& run) {
    if (!there_)
      for (const auto& [arena, from] : arenas_of(run))
        if (auto sent = engine_->put<float>(arena, from); !sent) return sent;
    if (!ring_ && (!there_ || epoch_ != run.at.epoch)) {
      for (std::int64_t p = 0; p < run.samples(); ++p)
        order_[static_cast<std::size_t>(p)] = static_cast<std::int32_t>(run.batches.sample_at(p));
      if (auto sent = engine_->put<std::int32_t>(gpu::Arena::order, {order_.data(), static_cast<std::size_t>(run.samples())});
          !sent)
        return sent;
      epoch_ = run.at.epoch;
    }
    there_ = true;
    return {};
  }

  /// The first submits say how long a step takes. A power of two: so few lengths of recordings come up.
  void measure(std::int64_t steps, double seconds) {
    constexpr int kMeasured = 3;
    if (gpu::testing().steps_per_submit > 0 || steps != steps_ || measured_ == kMeasured) return;
    ++measured_;
    const double fitting = kSubmitSeconds * static_cast<double>(steps) / seconds;
    while (steps_ * 2 <= most_ && static_cast<double>(steps_ * 2) <= fitting) steps_ *= 2;
    while (steps_ > 1 && static_cast<double>(steps_) > 2 * fitting) steps_ /= 2;
  }

  /// A loss was not finite: the same steps again on this machine's team, which says in which layer. Should they be finite here,
  /// training goes on from what they left.
  Result<void> walk_here(RunState& run, std::int64_t steps) {
    if (auto restored = engine_->restore(); !restored) return restored;
    ahead_ = true;
    kept_gradients_ = false;
    if (auto settled = settle(run); !settled) return settled;
    for (std::int64_t i = 0; i < steps; ++i)
      if (auto done = run.step_by(nullptr); !done) return done;
    there_ = false;
    return {};
  }

  std::unique_ptr<gpu::Engine> engine_;
  std::vector<Update<float>> updates_;
  std::vector<std::int32_t> order_;
  Block<float> rows_;     // of the ring
  TargetBuffer targets_;  // and what they are compared with
  bool ring_ = false;     // rows are filled here
  bool there_ = false;    // the GPU has the run's parameters
  bool ahead_ = false;    // and has moved them since the run's own were read
  bool kept_gradients_ = false;
  std::int64_t epoch_ = -1;                          // whose order the GPU has
  std::int64_t steps_ = 1, most_ = gpu::kMostSteps;  // of a submit
  int measured_ = 0;
};

}  // namespace

Result<std::unique_ptr<SampleStrategy>> make_on_device(const RunState& run) { return OnDevice::create(run); }

}  // namespace soma
