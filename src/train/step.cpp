// a batch → gradients → changed weights: one step of training, the same bits for any number of threads.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "kernels/half.h"
#include "soma/device.h"
#include "train/run_state.h"

namespace soma {
namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Shares `count` units of `numbers` numbers each; alone where a barrier would cost more than the work.
template <class F>
void share(Team& team, std::int64_t count, std::int64_t numbers, F&& f) {
  if (count * numbers >= 16384)
    team.share(count, std::forward<F>(f));
  else if (count > 0)
    f(std::int64_t{0}, count, 0);
}

Team team_for(const Strategy& strategy, int threads) {
  if (strategy.alone) return Team(1);
  if (strategy.spread != nullptr) return Team(strategy.spread(threads > 0 ? threads : available_threads()));
  return Team(threads);
}

}  // namespace

RunState::RunState(const Config& resolved, const RunData& run_data, Plan plan, const Kernels<float>& target, int threads)
    : config(resolved),
      data(&run_data),
      data_print(fingerprint(run_data.train)),
      team(team_for(*find_strategy(resolved.train.strategy), threads)),
      kernels(half() ? with_half_products(target) : target),
      net(std::move(plan), kernels, team),
      batches(run_data.train, run_data.preprocess, resolved.augment, resolved.train.seed, true),
      targets(run_data.train, net.plan().network.spec.input, net.plan().network.shapes.back(), net.plan().max_batch),
      state0(state_arrays(rule_of(resolved.optimizer.kind)) > 0 ? net.plan().trained_end : 0),
      state1(state_arrays(rule_of(resolved.optimizer.kind)) > 1 ? net.plan().trained_end : 0),
      best(resolved.train.early_stopping > 0 ? net.plan().parameter_end : 0) {
  if (data->validation) validation.emplace(*data->validation, data->preprocess, Augment{}, 0, false);
  constexpr std::int64_t kRecords = 4096;  // the end of an epoch asks for no memory either, in runs of any sensible length
  history.reserve(static_cast<std::size_t>(std::min(config.train.epochs, kRecords)));
}

double RunState::accuracy(const LossSum& sum, std::int64_t count) const {
  const bool right_or_wrong = data->train.task == Task::classes || data->train.task == Task::labels;
  return right_or_wrong ? static_cast<double>(sum.correct) / static_cast<double>(count)
                        : std::numeric_limits<double>::quiet_NaN();
}

std::int64_t RunState::steps_per_epoch() const {
  if (strategy) return strategy->steps_per_epoch(*this);
  const std::int64_t per_step = config.train.batch * config.train.accumulate;
  return (samples() + per_step - 1) / per_step;
}

Result<void> RunState::step() {
  const auto start = Clock::now();
  if (at.next == 0) batches.begin_epoch(at.epoch);
  if (auto done = step_by(strategy.get()); !done) return done;
  at.seconds += since(start);
  return at.next == samples() ? end_epoch() : Result<void>();
}

Result<void> RunState::step_by(SampleStrategy* by) {
  const std::int64_t left = (samples() - at.next + config.train.batch - 1) / config.train.batch;
  const std::int64_t count = std::min(config.train.accumulate, left);
  // Whoever asks for gradients asks at the end of an epoch; clipping and loss scaling need all of them before the first is used.
  const bool fused = config.train.accumulate == 1 && config.optimizer.clip_norm == 0 && left > 1 && !half();
  using Gradient = SampleStrategy::Gradient;
  for (std::int64_t i = 0; i < count; ++i) {
    const Gradient gradient = fused ? Gradient::use : i == 0 ? Gradient::replace : Gradient::add;
    if (auto done = by != nullptr ? by->take(*this, gradient) : batch(i, fused); !done) return done;
  }
  if (!fused && !(by != nullptr && by->moves_parameters())) return move(count);
  return {};
}

Result<void> RunState::batch(std::int64_t number, bool fused) {
  const std::int64_t rows = std::min(config.train.batch, samples() - at.next);
  share(team, rows, batches.row_size(), [&](std::int64_t begin, std::int64_t end, int) {
    targets.fill(batches, at.next + begin, end - begin, net.input(), begin);
  });
  const Net<float>::Mode mode{true, config.train.seed, static_cast<std::uint64_t>(at.batch)};
  net.forward(rows, mode);
  const LossSum sum =
      loss_and_gradient(config.loss, net.output(), targets.targets(), rows, net.output_size(), net.output_gradient());
  if (!std::isfinite(sum.loss)) {
    const int node = net.first_not_finite(rows);
    const std::string where = node < 0 ? "the loss"
                                       : fmt::format("the output of layer {} '{}'", node + 1,
                                                     config.network.nodes[static_cast<std::size_t>(node)].name);
    return Error{Error::Kind::diverged,
                 fmt::format("train: step {}: wanted finite numbers, got NaN or infinity in {} at rate {:.6g}; try a "
                             "lower optimizer.rate or optimizer.clip_norm",
                             at.step + 1, where, rate)};
  }
  scale_up(net.output_gradient(), rows * net.output_size());
  FusedUpdate<float> update;
  if (fused) update = {next_update(1), state0.size() > 0 ? state0.data() : nullptr, state1.size() > 0 ? state1.data() : nullptr};
  net.backward(rows, mode, number > 0, nullptr, fused ? &update : nullptr);
  at.sum += sum;
  at.next += rows;
  ++at.batch;
  if (fused)
    for (const Plan::Range& range : net.plan().not_fused) apply(update.numbers, range.begin, range.end);
  return {};
}

Result<void> RunState::move(std::int64_t batches_in_step) {
  if (half()) {
    gradient_factor = 1 / loss_scale.value;
    const bool finite = std::isfinite(gradient_norm());
    loss_scale.after(finite);
    if (loss_scale.value < LossScale::kLeast)
      return Error{Error::Kind::diverged,
                   fmt::format("train: step {}: wanted a finite gradient, got NaN or infinity at any loss scale, at rate {:.6g}; "
                               "try a lower optimizer.rate, or train.precision = \"fp32\"",
                               at.step + 1, rate)};
    if (!finite) return {};
  }
  update_all(next_update(batches_in_step));
  return {};
}

double RunState::gradient_norm() const {
  // Pieces of fixed length, added in order: the same sum for any number of threads. Padding adds zeros.
  constexpr std::int64_t kPiece = 65536;
  double square = 0;
  Net<float>& network = const_cast<Net<float>&>(net);
  for (std::int64_t first = 0; first < net.plan().trained_end; first += kPiece)
    square += net.kernels().sum_squares(network.parameter_gradients() + first, std::min(kPiece, net.plan().trained_end - first));
  return std::sqrt(square);
}

Update<float> RunState::numbers_of(std::int64_t step, double scale, OptimizerState& memory, double& used) const {
  const Position position{step, steps_per_epoch(), config.train.epochs};
  used = rate_at(config.schedule, config.optimizer.rate, position, plateau);
  return update_for<float>(config.optimizer, memory, {step + 1, used, momentum_at(config.schedule, position), scale});
}

Update<float> RunState::next_update(std::int64_t batches_in_step) {
  double scale = gradient_factor / static_cast<double>(batches_in_step);
  if (config.optimizer.clip_norm > 0) scale *= clip_scale(config.optimizer.clip_norm, gradient_norm() * scale);
  return numbers_of(at.step++, scale, optimizer, rate);
}

void RunState::update_all(const Update<float>& update) {
  apply(update, 0, net.plan().weight_end);
  apply(update, net.plan().weight_end, net.plan().trained_end);
}

void RunState::apply(const Update<float>& update, std::int64_t first, std::int64_t last) {
  constexpr std::int64_t kPiece = 1024;  // floats: whole cache lines, so that no two members write to one
  const Update<float> numbers = first < net.plan().weight_end ? update : without_penalties(update);
  share(team, (last - first + kPiece - 1) / kPiece, kPiece, [&](std::int64_t begin, std::int64_t stop, int) {
    const std::int64_t from = first + begin * kPiece, n = std::min(first + stop * kPiece, last) - from;
    net.kernels().update(numbers, net.parameters() + from, net.parameter_gradients() + from,
                         state0.size() > 0 ? state0.data() + from : nullptr, state1.size() > 0 ? state1.data() + from : nullptr,
                         n);
  });
}

Result<LossSum> RunState::validate() {
  if (strategy) {
    auto sum = strategy->validate(*this);
    if (!sum) return sum.error();
    if (*sum) return **sum;
  }
  if (auto settled = settle(); !settled) return settled.error();
  LossSum sum;
  for (std::int64_t first = 0; first < validation->count(); first += config.train.batch) {
    const std::int64_t rows = std::min(config.train.batch, validation->count() - first);
    share(team, rows, batches.row_size(), [&](std::int64_t begin, std::int64_t end, int) {
      targets.fill(*validation, first + begin, end - begin, net.input(), begin);
    });
    net.forward(rows, {});
    sum += loss_and_gradient<float>(config.loss, net.output(), targets.targets(), rows, net.output_size(), nullptr);
  }
  return sum;
}

Result<void> RunState::end_epoch() {
  EpochRecord record;
  record.epoch = at.epoch + 1;
  record.loss = at.sum.mean();
  record.accuracy = accuracy(at.sum, samples());
  record.rate = rate;
  record.seconds = at.seconds;
  double judged = record.loss;
  if (validation) {
    const auto sum = validate();
    if (!sum) return sum.error();
    record.validation_loss = judged = sum->mean();
    record.validation_accuracy = accuracy(*sum, validation->count());
  }
  history.push_back(record);
  observe_loss(config.schedule, judged, plateau);
  at.epoch += 1;
  at.next = 0;
  at.sum = {};
  at.seconds = 0;
  if (config.train.early_stopping == 0) return {};
  if (judged < at.best_loss - config.train.min_delta) {
    if (auto settled = settle(); !settled) return settled;
    at.best_loss = judged;
    at.since_best = 0;
    std::copy(net.parameters(), net.parameters() + best.size(), best.data());
  } else if (++at.since_best >= config.train.early_stopping) {
    at.stopped_early = true;
  }
  return {};
}

}  // namespace soma
