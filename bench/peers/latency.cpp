// a preset → how long one image waits for its answer, in soma and in ONNX Runtime.
#include "latency.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>

#include "core/random.h"
#include "onnxruntime.h"
#include "soma/config.h"
#include "soma/model.h"
#include "turns.h"
#include "work.h"

namespace soma::bench {
namespace {

/// No preprocessing: both get the numbers the network sees.
Result<Model> model_of(const std::string& name, const Network& network) {
  Model model;
  model.name = name;
  model.input = network.resolved().spec.input;
  model.network = network.resolved().spec;
  model.parameters = network.parameters();
  for (int digit = 0; digit < 10; ++digit) model.class_names.push_back(std::to_string(digit));
  auto config = preset(name);
  if (!config) return config.error();
  model.loss = config->loss;
  return model;
}

Result<Network> network_of(const std::string& name) {
  auto config = preset(name);
  if (!config) return config.error();
  config->network.input = {1, 28, 28};
  auto resolved = resolve(config->network, 10);
  if (!resolved) return resolved.error();
  return Network::create(resolved->spec, {.max_batch = 1, .threads = 1});
}

/// Each call between two readings of the clock, whose own cost (some 20 ns) is in them. Sorted.
std::vector<double> timed_calls(const std::function<void()>& predict) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds(1000);
  for (double& each : seconds) {
    const auto start = Clock::now();
    predict();
    each = std::chrono::duration<double>(Clock::now() - start).count();
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

}  // namespace

Result<std::vector<Latency>> measure_latency(const std::string& preset, const std::string& onnxruntime, int rounds,
                                             std::string& onnxruntime_version) {
  auto network = network_of(preset);
  if (!network) return network.error();
  auto model = model_of(preset, *network);
  if (!model) return model.error();
  std::vector<float> x(784), ours(10), theirs(10);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(random_unit(5, 0, i));
  std::vector<std::function<void()>> predict = {[&] { network->forward(x.data(), ours.data(), 1); }};
  std::vector<Latency> all = {{"soma", {}, {}}};
  if (!onnxruntime.empty()) {
    const auto file = std::filesystem::temp_directory_path() / fmt::format("soma-latency-{}.onnx", preset);
    if (auto written = write_onnx(*model, file); !written) return written.error();
    auto session = onnx_session(onnxruntime, file, x, {1, 1, 28, 28}, theirs, {1, 10});
    std::filesystem::remove(file);
    if (!session) return session.error();
    onnxruntime_version = session->version;
    predict.push_back(session->run);
    all.push_back({"ONNX Runtime", {}, {}});
    for (const auto& each : predict) each();
    if (const double apart = distance(theirs, ours); !(apart < 1e-4))
      return Error{Error::Kind::data, fmt::format("{}: wanted the same answer of both, got {:.2g} between them", preset, apart)};
  }
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < predict.size(); ++i) {
      wait_until_quiet();
      timed_calls(predict[i]);  // warm again after the other's turn
      const std::vector<double> seconds = timed_calls(predict[i]);
      all[i].p50.push_back(seconds[seconds.size() / 2]);
      all[i].p99.push_back(seconds[seconds.size() * 99 / 100]);
    }
  return all;
}

}  // namespace soma::bench
