// every kernel table of this machine → the rate of its matrix product on the shapes that networks of soma's presets have.
#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/kernels.h"

namespace {

using namespace soma;

/// y [m, n] = x [m, k] · w in panels, as a linear layer's forward pass calls it. Reports multiply-adds, counted as two, a second.
void product(benchmark::State& state, const Kernels<float>& kernels, std::int64_t m, std::int64_t n, std::int64_t k) {
  const auto numbers = [](std::int64_t count) { return std::vector<float>(static_cast<std::size_t>(count), 0.5f); };
  const std::vector<float> x = numbers(m * k), w = numbers(panels(n) * kPanel * k);
  std::vector<float> y = numbers(m * n);
  Gemm<float> g;
  g.m = m;
  g.n = n;
  g.depth = k;
  g.a = x.data();
  g.a_row = k;
  g.b = w.data();
  g.b_panel = k * kPanel;
  g.c = y.data();
  g.c_row = n;
  for (auto _ : state) {
    kernels.gemm(g);
    benchmark::ClobberMemory();
  }
  state.counters["FLOP/s"] =
      benchmark::Counter(2.0 * static_cast<double>(m * n * k), benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  struct Shape {
    std::int64_t m, n, k;
  };
  for (const soma::Kernels<float>* kernels : soma::usable_kernels())
    for (const Shape s :
         {Shape{64, 128, 6272}, {64, 128, 784}, {256, 256, 800}, {10, 1600, 2600}, {3, 1600, 2600}, {1, 256, 1024}, {1, 10, 256}})
      benchmark::RegisterBenchmark(
          (std::string(kernels->target) + "/" + std::to_string(s.m) + "x" + std::to_string(s.n) + "x" + std::to_string(s.k))
              .c_str(),
          product, *kernels, s.m, s.n, s.k);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
