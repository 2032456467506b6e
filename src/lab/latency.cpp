// one sample → how long a prediction takes: median and tail, network by network, one thread.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "core/random.h"
#include "lab/experiment.h"
#include "lab/measure.h"
#include "soma/config.h"
#include "soma/network.h"

namespace soma {
namespace {

struct Subject {
  std::string name;
  NetworkSpec spec;
};

NetworkSpec alone(Shape input, const Layer& layer) {
  NetworkSpec spec;
  spec.input = std::move(input);
  spec.nodes = {{.layer = layer}};
  return spec;
}

Conv2d convolution(std::int64_t out, std::int64_t kernel) {
  Conv2d conv;
  conv.out = out;
  conv.kernel_h = conv.kernel_w = kernel;
  return conv;
}

Result<std::vector<Subject>> subjects() {
  std::vector<Subject> all;
  for (const auto& [name, input] : {std::pair<const char*, Shape>{"mnist-lenet", {1, 28, 28}},
                                    {"mnist-cnn", {1, 28, 28}},
                                    {"mnist-mlp", {784}},
                                    {"iris-small", {4}}}) {
    auto config = preset(name);
    if (!config) return config.error();
    config->network.input = input;
    auto resolved = resolve(config->network, 10);
    if (!resolved) return resolved.error();
    all.push_back({name, resolved->spec});
  }
  all.push_back({"linear 1024→256", alone({1024}, Linear{256})});
  all.push_back({"linear 256→10", alone({256}, Linear{10})});
  all.push_back({"conv (1,28,28) 5×5→24", alone({1, 28, 28}, convolution(24, 5))});
  all.push_back({"conv (24,24,24) 3×3→32", alone({24, 24, 24}, convolution(32, 3))});
  return all;
}

}  // namespace

Result<LabReport> run_latency(const LabOptions& options) {
  using Clock = std::chrono::steady_clock;
  LabReport report;
  auto all = subjects();
  if (!all) return all.error();
  LabTable table{"One sample, one thread",
                 {{"network", ""}, {"mean", "µs", 2}, {"p50", "µs", 2}, {"p99", "µs", 2}, {"p99.9", "µs", 2}, {"rate", "1/s", 0}},
                 {}};
  const double seconds = options.quick ? 0.2 : 2;
  for (const Subject& subject : *all) {
    say(options, subject.name);
    auto network = Network::create(subject.spec, {.max_batch = 1, .threads = 1});
    if (!network) return network.error();
    std::vector<float> x(static_cast<std::size_t>(network->input_size())), y(static_cast<std::size_t>(network->output_size()));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(random_unit(5, 0, i));
    const auto predict = [&] { network->forward(x.data(), y.data(), 1); };
    const Reading mean = measure(predict, effort_for(options));  // without the clock's own cost
    const auto calls = static_cast<std::size_t>(std::clamp(seconds / mean.median, 1000.0, 1e6));
    std::vector<double> times(calls);
    for (double& time : times) {
      const auto start = Clock::now();
      predict();
      time = std::chrono::duration<double, std::micro>(Clock::now() - start).count();
    }
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) { return times[static_cast<std::size_t>(share * static_cast<double>(calls - 1))]; };
    table.rows.push_back({subject.name, mean.median * 1e6, at(0.5), at(0.99), at(0.999), 1 / mean.median});
  }
  report.tables = {table};
  report.notes = {
      "Mean: many calls between two readings of the clock. Percentiles: each call between two readings, whose own cost "
      "(some 20 ns) is in them.",
      "The network alone, on preprocessed numbers; the same sample each time, so its weights are as warm as the caches "
      "allow."};
  return report;
}

}  // namespace soma
