// a trained network + its first batch → what each of its layers takes, forward and backward.
#include "train/time_layers.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "train/run_state.h"

namespace soma {
namespace {

constexpr double kPatience = 0.1;  // seconds: a large network gets fewer passes rather than a long wait

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// The steps of a plan by the layers they cover: fused layers in one name. Steps that only move numbers (a reordering, a sum of
/// gradients) count for the layer they stand behind.
std::vector<std::pair<std::string, std::vector<std::size_t>>> rows_of(const Plan& plan) {
  std::vector<std::pair<std::string, std::vector<std::size_t>>> rows;
  std::size_t next = 0;  // first node that no row has named yet
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const std::size_t last = plan.steps[i].node;
    if (last >= next) {
      std::string name;
      for (; next <= last; ++next) name += (name.empty() ? "" : " + ") + plan.network.spec.nodes[next].name;
      rows.emplace_back(std::move(name), std::vector<std::size_t>{});
    }
    if (rows.empty()) rows.emplace_back("input", std::vector<std::size_t>{});
    rows.back().second.push_back(i);
  }
  return rows;
}

}  // namespace

std::vector<LayerTime> time_layers(RunState& state, int passes) {
  Net<float>& net = state.net;
  const std::int64_t rows = std::min(state.config.train.batch, state.samples());
  Batches first(state.data->train, state.data->preprocess, {}, 0, false);
  first.begin_epoch(0);
  state.targets.fill(first, 0, rows, net.input(), 0);

  // Batch norm moves its running statistics in a training pass: they are put back.
  const std::vector<float> kept(net.parameters(), net.parameters() + net.plan().parameter_end);
  const std::size_t steps = net.plan().steps.size();
  std::vector<std::vector<double>> forward(steps), backward(steps);
  std::vector<double> seconds(steps);
  const auto start = std::chrono::steady_clock::now();
  const auto spent = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  for (int pass = 0; pass < std::max(passes, 1) && (pass == 0 || spent() < kPatience); ++pass) {
    const Net<float>::Mode mode{true, state.config.train.seed, static_cast<std::uint64_t>(pass)};
    net.forward(rows, mode, seconds.data());
    for (std::size_t i = 0; i < steps; ++i) forward[i].push_back(seconds[i]);
    loss_and_gradient(state.config.loss, net.output(), state.targets.targets(), rows, net.output_size(), net.output_gradient());
    net.backward(rows, mode, false, seconds.data());
    for (std::size_t i = 0; i < steps; ++i) backward[i].push_back(seconds[i]);
  }
  std::copy(kept.begin(), kept.end(), net.parameters());

  std::vector<LayerTime> times;
  for (const auto& [name, members] : rows_of(net.plan())) {
    LayerTime& time = times.emplace_back(LayerTime{name});
    for (const std::size_t step : members) {
      time.forward_seconds += median(forward[step]);
      time.backward_seconds += median(backward[step]);
    }
  }
  return times;
}

}  // namespace soma
