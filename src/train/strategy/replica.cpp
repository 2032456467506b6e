// some samples → their gradient or the parameters it moves: one worker with activations and gradients of its own.
#include "train/strategy/replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace soma {

Replica::Replica(const RunState& run, std::int64_t rows)
    : state0(run.state0.size()),
      state1(run.state1.size()),
      net_(make_plan(run.net.plan().network, rows, PlanFor::training).value(), run.net.kernels(), alone_),
      targets_(run.data->train, net_.plan().network.spec.input, net_.plan().network.shapes.back(), rows) {}

bool Replica::gradient(const RunState& run, std::int64_t first, std::int64_t rows, std::int64_t pass, LossOf of) {
  targets_.fill(run.batches, first, rows, net_.input(), 0);
  const Net<float>::Mode mode{true, run.config.train.seed, static_cast<std::uint64_t>(pass)};
  net_.forward(rows, mode);
  const LossSum batch =
      loss_and_gradient(run.config.loss, net_.output(), targets_.targets(), rows, net_.output_size(), net_.output_gradient(), of);
  sum += batch;
  samples += rows;
  finite = finite && std::isfinite(batch.loss);
  run.scale_up(net_.output_gradient(), rows * net_.output_size());
  if (finite) net_.backward(rows, mode, false);
  return finite;
}

void Replica::update(const RunState& run, std::int64_t step) {
  const OptimizerConfig& o = run.config.optimizer;
  const std::int64_t weights = net_.plan().weight_end, end = net_.plan().trained_end;
  double scale = 1;
  if (o.clip_norm > 0) scale = clip_scale(o.clip_norm, std::sqrt(net_.kernels().sum_squares(net_.parameter_gradients(), end)));
  const Update<float> numbers = run.numbers_of(step, scale, optimizer, rate);
  float* s0 = state0.size() > 0 ? state0.data() : nullptr;
  float* s1 = state1.size() > 0 ? state1.data() : nullptr;
  net_.kernels().update(numbers, net_.parameters(), net_.parameter_gradients(), s0, s1, weights);
  net_.kernels().update(without_penalties(numbers), net_.parameters() + weights, net_.parameter_gradients() + weights,
                        s0 == nullptr ? nullptr : s0 + weights, s1 == nullptr ? nullptr : s1 + weights, end - weights);
  ++steps;
}

std::vector<std::unique_ptr<Replica>> make_replicas(const RunState& run, std::int64_t rows) {
  std::vector<std::unique_ptr<Replica>> replicas;
  replicas.reserve(static_cast<std::size_t>(run.config.train.workers));
  for (int i = 0; i < run.config.train.workers; ++i) replicas.push_back(std::make_unique<Replica>(run, rows));
  return replicas;
}

Error not_finite(const RunState& run) {
  return {Error::Kind::diverged,
          fmt::format("train: step {}: wanted a finite loss, got NaN or infinity at rate {:.6g}; try a lower "
                      "optimizer.rate or optimizer.clip_norm",
                      run.at.step + 1, run.rate)};
}

}  // namespace soma
