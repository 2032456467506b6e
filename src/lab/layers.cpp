// every step of the presets' networks → how long it takes, forward and backward, batch by batch.
#include <fmt/format.h>

#include "core/random.h"
#include "lab/experiment.h"
#include "lab/peak.h"
#include "nn/init.h"
#include "nn/net.h"
#include "soma/config.h"

namespace soma {
namespace {

/// The preset's network for the data it is made for, and that data's shape.
struct Subject {
  const char* preset;
  Shape input;
  std::int64_t classes;
};
const Subject kSubjects[] = {{"mnist-mlp", {784}, 10},
                             {"mnist-cnn", {1, 28, 28}, 10},
                             {"mnist-lenet", {1, 28, 28}, 10},
                             {"iris-small", {4}, 1},
                             {"iris-large", {4}, 1}};

Result<ResolvedNetwork> network_of(const Subject& subject) {
  auto config = preset(subject.preset);
  if (!config) return config.error();
  if (config->network.input.empty()) config->network.input = subject.input;
  return resolve(config->network, subject.classes);
}

/// "conv2d1 + max_pool1 + relu1": the layers that step i covers.
std::string covered(const Plan& plan, std::size_t i) {
  std::string names;
  for (std::size_t node = i == 0 ? 0 : plan.steps[i - 1].node + 1; node <= plan.steps[i].node; ++node)
    names += (names.empty() ? "" : " + ") + plan.network.spec.nodes[node].name;
  return names.empty() ? "sum of gradients" : names;
}

void prepare(Net<float>& net, std::int64_t batch) {
  std::vector<Tensor> first;
  for (std::size_t i = 0; i < net.plan().parameters.size(); ++i) first.push_back(first_values(net.plan(), i, 1));
  net.set(net.parameters(), first).value();
  for (std::int64_t i = 0; i < batch * net.input_size(); ++i)
    net.input()[i] = static_cast<float>(random_unit(3, 0, static_cast<std::uint64_t>(i)));
  net.forward(batch, {true});
  std::copy_n(net.output(), batch * net.output_size(), net.output_gradient());
  net.backward(batch, {true}, false);
}

}  // namespace

Result<LabReport> run_layers(const LabOptions& options) {
  auto kernels = select_kernels();
  if (!kernels) return kernels.error();
  LabReport report;
  const Effort effort = options.quick ? Effort{0.001, 3} : effort_for(options);
  Team team(options.threads);
  const double peak = fp32_peak(team, effort);
  LabTable table{"Layers",
                 {{"network", ""},
                  {"layers", ""},
                  {"batch", "", 0},
                  {"forward", "µs", 1},
                  {"low", "µs", 1},
                  {"high", "µs", 1},
                  {"backward", "µs", 1},
                  {"low", "µs", 1},
                  {"high", "µs", 1},
                  {"both, of peak", "%", 0}},
                 {}};
  for (const Subject& subject : kSubjects) {
    auto network = network_of(subject);
    if (!network) return network.error();
    for (const std::int64_t batch : {1, 10, 64, 256}) {
      say(options, fmt::format("{}, batch {}", subject.preset, batch));
      auto plan = make_plan(*network, batch, PlanFor::training);
      if (!plan) return plan.error();
      Net<float> net(std::move(*plan), **kernels, team);
      prepare(net, batch);
      const Run<float> pass = net.run(batch, {true}, false);
      for (std::size_t i = 0; i < net.plan().steps.size(); ++i) {
        const StepKind& step = net.plan().steps[i].kind;
        const auto times = measure_interleaved({[&] { std::visit([&](const auto& kind) { forward(kind, pass); }, step); },
                                                [&] { std::visit([&](const auto& kind) { backward(kind, pass); }, step); }},
                                               effort);
        const double flops = static_cast<double>(training_flops(net.plan(), step) * batch);
        auto& row = table.rows.emplace_back();
        row = {subject.preset, covered(net.plan(), i), static_cast<double>(batch)};
        for (const Reading& time : times)
          for (const double seconds : {time.median, time.low, time.high}) row.emplace_back(seconds * 1e6);
        row.emplace_back();
        if (flops > 0) row.back() = 100 * flops / (times[0].median + times[1].median) / peak;
      }
    }
  }
  report.tables = {table};
  report.notes = {fmt::format("Peak: {:.1f} GFLOP/s with {} thread(s). Arithmetic is counted densely.", peak / 1e9, team.size()),
                  "Layers that the plan fused are one row. Each step runs again and again on the same data: its operands are as "
                  "warm as the caches allow."};
  return report;
}

}  // namespace soma
