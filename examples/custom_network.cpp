// an architecture written as data → a residual network, its table of layers, and its first training steps.
#include <iomanip>
#include <iostream>

#include "soma/soma.h"

int main() {
  using soma::Activation;
  const soma::Layer relu = Activation{Activation::Kind::relu};

  // A node reads the one before it, or those it names: the sum below joins two branches.
  soma::Config config;
  config.name = "residual";
  config.data.train = "digits";
  config.data.limit = 2000;
  config.preprocess = {{.kind = soma::PreprocessKind::divide, .by = 255}};
  config.network.nodes = {
      {.name = "stem", .layer = soma::Conv2d{.out = 8, .kernel_h = 5, .kernel_w = 5, .stride_h = 2, .stride_w = 2}},
      {.name = "trunk", .layer = relu},
      {.name = "branch", .layer = soma::Conv2d{.out = 8, .kernel_h = 3, .kernel_w = 3, .padding_h = 1, .padding_w = 1}},
      {.name = "norm", .layer = soma::BatchNorm{}},
      {.name = "sum", .layer = soma::Add{}, .inputs = {"trunk", "norm"}},
      {.name = "joined", .layer = relu},
      {.name = "flat", .layer = soma::Flatten{}},
      {.name = "out", .layer = soma::Linear{}},  // as many outputs as the data has classes
  };

  // What does not chain is said here, with the layer's name, what it wanted and what it got.
  soma::NetworkSpec spec = config.network;
  spec.input = {1, 28, 28};
  const auto network = soma::resolve(spec, 10);
  if (!network) return std::cerr << network.error().message << '\n', 1;
  for (const auto& layer : soma::summarise(*network)) {
    std::cout << std::left << std::setw(8) << layer.name << std::setw(12) << layer.kind << std::setw(10)
              << soma::to_string(layer.output) << std::right << std::setw(8) << layer.parameters << " parameters\n";
  }

  // The trainer can be driven step by step, to watch or to stop whenever one likes.
  const auto data = soma::load_run_data(config);
  if (!data) return std::cerr << data.error().message << '\n', 1;
  auto trainer = soma::Trainer::create(config, *data);
  if (!trainer) return std::cerr << trainer.error().message << '\n', 1;
  double accuracy = 0;
  for (int step = 1; step <= 100; ++step) {
    const auto progress = trainer->step();
    if (!progress) return std::cerr << progress.error().message << '\n', 1;
    accuracy = progress->accuracy;
    if (step % 25 == 0) std::cout << "step " << step << "  loss " << progress->loss << "  accuracy " << accuracy << '\n';
  }
  return accuracy > 0.8 ? 0 : 1;
}
