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

/// Rows that are worked out here, batch by batch, as the GPU cannot (augmentation), or has no room for all of them.
bool needs_ring(const RunState& run, std::int64_t numbers, std::int64_t longest) {
  const Augment& a = run.config.augment;
  return (run.data->train.is_image() && (a.shift > 0 || a.rotate > 0 || a.scale > 0 || a.elastic > 0)) || numbers > longest;
}

class OnDevice final : public SampleStrategy {
 public:
  /// Brings the data of the run to the GPU, or makes room for a ring of it.
  static Result<std::unique_ptr<SampleStrategy>> create(const RunState& run) {
    auto device = gpu::Device::open(run.config.train.device);
    if (!device) return device.error();
    std::unique_ptr<OnDevice> made(new OnDevice(run));
    const Dataset& train = run.data->train;
    const Dataset* validation = run.data->validation ? &*run.data->validation : nullptr;
    const std::span<const float> table = run.batches.table_of_bytes();
    const std::int64_t count = train.count + (validation != nullptr ? validation->count : 0);
    const std::int64_t numbers = table.empty() ? count * run.batches.row_size() : (count * run.batches.row_size() + 3) / 4;
    made->ring_ = needs_ring(run, numbers, (*device)->longest_range());
    gpu::Settings settings;
    settings.loss = run.config.loss;
    settings.optimizer = rule_of(run.config.optimizer.kind);
    settings.clip_norm = run.config.optimizer.clip_norm;
    settings.seed = run.config.train.seed;
    settings.tables = made->ring_ ? 0 : std::ssize(table) / 256;
    const std::int64_t batch = run.net.plan().max_batch, row = run.batches.row_size();
    made->most_ = made->ring_ ? std::clamp<std::int64_t>(kRingNumbers / (batch * row), 1, gpu::kMostSteps) : gpu::kMostSteps;
    const std::int64_t rows = made->ring_ ? made->most_ * batch : count;
    auto engine = gpu::Engine::create(std::move(*device), run.net.plan(), settings,
                                      {made->ring_ ? rows * row : numbers, rows, rows, made->ring_ ? 0 : std::ssize(table)});
    if (!engine) return engine.error();
    made->engine_ = std::move(*engine);
    if (auto sent = made->ring_ ? made->prepare_ring(rows, row) : made->send(run, table); !sent) return sent.error();
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
  explicit OnDevice(const RunState& run) {
    updates_.reserve(static_cast<std::size_t>(gpu::kMostSteps));
    labels_.resize(static_cast<std::size_t>(run.samples()));
  }

  /// Training samples, then those to validate on, as they lie; labels; the order, in which validation stays as it is.
  Result<void> send(const RunState& run, std::span<const float> table) {
    std::int64_t number = 0;
    std::vector<float> rows;
    std::vector<std::byte> bytes;
    std::vector<std::int32_t> labels;
    const Dataset* validation = run.data->validation ? &*run.data->validation : nullptr;
    for (const Dataset* set : {&run.data->train, validation}) {
      if (set == nullptr) continue;
      labels.insert(labels.end(), set->labels.begin(), set->labels.end());
      number += set->count;
      if (!table.empty()) {
        const auto* first = reinterpret_cast<const std::byte*>(set->bytes.data());
        bytes.insert(bytes.end(), first, first + set->bytes.size());
        continue;
      }
      const Batches plain(*set, run.data->preprocess, {}, 0, false);
      const std::size_t at = rows.size();
      rows.resize(at + static_cast<std::size_t>(set->count * plain.row_size()));
      plain.fill(0, set->count, rows.data() + at, nullptr);
    }
    order_.resize(static_cast<std::size_t>(number));
    std::iota(order_.begin(), order_.end(), 0);
    bytes.resize((bytes.size() + 3) / 4 * 4);
    if (auto sent = engine_->put<std::int32_t>(gpu::Arena::labels, labels); !sent) return sent;
    if (auto sent = engine_->put<std::int32_t>(gpu::Arena::order, order_); !sent) return sent;
    if (table.empty()) return engine_->put<float>(gpu::Arena::samples, rows);
    if (auto sent = engine_->put<float>(gpu::Arena::table, table); !sent) return sent;
    return engine_->put<std::byte>(gpu::Arena::samples, bytes);
  }

  Result<void> prepare_ring(std::int64_t rows, std::int64_t row_size) {
    rows_ = Block<float>(rows * row_size);
    labels_.resize(static_cast<std::size_t>(rows));
    order_.resize(static_cast<std::size_t>(rows));
    std::iota(order_.begin(), order_.end(), 0);
    return engine_->put<std::int32_t>(gpu::Arena::order, order_);
  }

  /// The next rows of the epoch, into the ring.
  Result<void> fill(RunState& run, std::int64_t rows) {
    const std::int64_t size = run.batches.row_size();
    run.team.share(rows, [&](std::int64_t begin, std::int64_t end, int) {
      run.batches.fill(run.at.next + begin, end - begin, rows_.data() + begin * size, labels_.data() + begin);
    });
    if (auto sent = engine_->put<std::int32_t>(gpu::Arena::labels, {labels_.data(), static_cast<std::size_t>(rows)}); !sent)
      return sent;
    return engine_->put<float>(gpu::Arena::samples, {rows_.data(), static_cast<std::size_t>(rows * size)});
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
  std::vector<std::int32_t> order_, labels_;
  Block<float> rows_;   // of the ring
  bool ring_ = false;   // rows are filled here
  bool there_ = false;  // the GPU has the run's parameters
  bool ahead_ = false;  // and has moved them since the run's own were read
  bool kept_gradients_ = false;
  std::int64_t epoch_ = -1;                          // whose order the GPU has
  std::int64_t steps_ = 1, most_ = gpu::kMostSteps;  // of a submit
  int measured_ = 0;
};

}  // namespace

Result<std::unique_ptr<SampleStrategy>> make_on_device(const RunState& run) { return OnDevice::create(run); }

}  // namespace soma
