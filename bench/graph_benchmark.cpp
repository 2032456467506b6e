// an ONNX file, a batch, a line on stdin for each round → calls a second of its graph, and of the same network as layers.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "soma/soma.h"

namespace {

/// Calls a second of `call`, for about 50 ms.
template <class Call>
double rate(Call&& call) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  for (std::int64_t calls = 1;; ++calls) {
    call();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (seconds > 0.05) return static_cast<double>(calls) / seconds;
  }
}

int fail(const std::string& message) {
  fmt::print(stderr, "graph_benchmark: {}\n", message);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return fail("wanted MODEL.onnx BATCH");
  const std::int64_t batch = std::strtoll(argv[2], nullptr, 10);
  auto graph = soma::Graph::read(argv[1]);
  if (!graph) return fail(graph.error().message);
  const auto model = soma::read_onnx(argv[1]);
  if (!model) return fail(model.error().message);
  soma::NetworkOptions options;
  options.threads = 1;
  options.max_batch = batch;
  auto network = soma::Network::create(model->network, options);
  if (!network || !network->set_parameters(model->parameters)) return fail("wanted a network");

  soma::Shape extents = graph->inputs().at(0).extents;
  extents[0] = batch;
  std::vector<float> x(static_cast<std::size_t>(soma::elements(extents)), 0.5F),
      y(static_cast<std::size_t>(batch * network->output_size()));
  soma::TypedArray input{soma::ElementType::f32, extents, std::vector<std::byte>(x.size() * sizeof(float)), {}};
  std::memcpy(input.bytes.data(), x.data(), input.bytes.size());
  const std::vector<soma::TypedArray> inputs = {input};
  if (const auto once = graph->run(inputs); !once) return fail(once.error().message);
  bool sound = true;
  while (std::getchar() == '\n' && sound) {
    fmt::print("{} {}\n", rate([&] { sound = sound && graph->run(inputs).ok(); }),
               rate([&] { network->forward(x.data(), y.data(), batch); }));
    std::fflush(stdout);
  }
  return 0;
}
