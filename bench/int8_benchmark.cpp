// a model and its data → one image, one thread: microseconds in floats and in 8 bits, taking turns; and the accuracy of both.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "integer/executor.h"
#include "model/check.h"
#include "soma/device.h"

namespace soma {
namespace {

constexpr int kRounds = 40, kCalls = 500;

/// Nanoseconds of each of kCalls calls, a sample each.
template <class Network>
void time_calls(Network& network, const std::vector<float>& x, std::vector<double>& nanoseconds) {
  std::vector<float> y(static_cast<std::size_t>(network.output_size()));
  const auto size = static_cast<std::size_t>(network.input_size());
  for (std::size_t i = 0; i < kCalls; ++i) {
    const float* sample = x.data() + i % (x.size() / size) * size;
    const auto begin = std::chrono::steady_clock::now();
    network.forward(sample, y.data(), 1);
    nanoseconds.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count());
  }
}

double percentile(std::vector<double>& values, double part) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at / 1000;
}

int measure(const char* file, const std::string& calibration, const std::string& test) {
  const Model model = read_onnx(file).value();
  const DataOptions options = data_options(model);
  const Model bytes = quantize(model, load_dataset(calibration, options).value()).value();
  const Dataset samples = load_dataset(test, options).value();

  Batches batches(samples, model.preprocess, {}, 0, false);
  batches.begin_epoch(0);
  std::vector<float> x(static_cast<std::size_t>(kCalls * batches.row_size()));
  batches.fill(0, std::min<std::int64_t>(kCalls, samples.count), x.data(), nullptr);
  auto real = Network::create(model.network, {1, 1, 1}).value();
  real.set_parameters(model.parameters).value();
  auto fast = IntegerExecutor::create(integer_program(bytes).value(), {1, 1, 1}).value();
  std::vector<double> slow_times, fast_times;
  for (int round = 0; round < kRounds; ++round) {
    time_calls(real, x, slow_times);
    time_calls(fast, x, fast_times);
  }
  const double slow = percentile(slow_times, 0.5), quick = percentile(fast_times, 0.5);
  fmt::print("{} on {}, one image, one thread, target {}/{}\n", model.name, machine(), target().value(),
             int8_kernels_for(target().value()).target);
  fmt::print("floats {:7.2f} us p50 {:7.2f} us p99\n", slow, percentile(slow_times, 0.99));
  fmt::print("int8   {:7.2f} us p50 {:7.2f} us p99   {:.2f} x\n", quick, percentile(fast_times, 0.99), slow / quick);
  const auto accuracy = [&](const Model& each) {
    return 100 * Predictor::create(each).value().evaluate(samples).value().accuracy;
  };
  fmt::print("accuracy on {}: {:.2f} % in floats, {:.2f} % in 8 bits\n", test, accuracy(model), accuracy(bytes));
  return 0;
}

}  // namespace
}  // namespace soma

int main(int count, char** words) {
  if (count != 4) {
    fmt::print(stderr, "usage: int8_benchmark MODEL CALIBRATION TEST\n");
    return 2;
  }
  return soma::measure(words[1], words[2], words[3]);
}
