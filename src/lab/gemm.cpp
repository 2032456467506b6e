// the products of linear layers → their rate, shape by shape, as a fraction of this machine's peak.
#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "core/random.h"
#include "kernels/half.h"
#include "lab/experiment.h"
#include "lab/peak.h"
#include "nn/net.h"
#include "soma/device.h"

namespace soma {
namespace {

enum class Product { forward, input_gradient, weight_gradient };

/// A product as m × n outputs, each a sum over k; which of a linear layer's three it is says how its operands lie.
struct Work {
  Product product;
  std::int64_t m, n, k;
};

// The shapes that training the presets meets; the products of one layer stand together.
constexpr Work kShapes[] = {
    {Product::forward, 64, 128, 6272},
    {Product::input_gradient, 64, 6272, 128},
    {Product::weight_gradient, 6272, 128, 64},
    {Product::forward, 256, 100, 784},
    {Product::weight_gradient, 784, 100, 256},
    {Product::forward, 10, 2600, 1600},
    {Product::forward, 3, 2600, 1600},
    {Product::weight_gradient, 1600, 2600, 10},
    {Product::input_gradient, 10, 1600, 2600},
    {Product::forward, 1, 256, 1024},
    {Product::forward, 1, 10, 256},
};

const char* name_of(Product product) {
  return product == Product::forward ? "y = x·Wᵀ" : product == Product::input_gradient ? "dx = dy·W" : "dW = dyᵀ·x";
}

/// A network whose second step is the linear layer; the first, from a single number, makes it want an input gradient.
class Bench {
 public:
  Bench(const Work& work, const Kernels<float>& kernels, Team& team) : work_(work), net_(plan(work), kernels, team) {
    const auto fill = [](float* x, std::int64_t n) {
      for (std::int64_t i = 0; i < n; ++i) x[i] = static_cast<float>(random_unit(7, 0, static_cast<std::uint64_t>(i)) - 0.5);
    };
    const LinearStep& s = step();
    const auto pass = net_.run(net_.plan().max_batch, {true}, false);
    fill(net_.parameters(), net_.plan().trained_end);
    fill(pass.value(s.x.value), pass.rows * s.in);
    fill(pass.gradient(s.y), pass.rows * s.out);
  }

  void operator()() {
    const auto pass = net_.run(net_.plan().max_batch, {true}, false);
    switch (work_.product) {
      case Product::forward:
        return forward(step(), pass);
      case Product::input_gradient:
        return input_gradient(step(), pass);
      case Product::weight_gradient:
        return weight_gradient(step(), pass);
    }
  }

 private:
  /// Batch, inputs and outputs of the layer whose product has this shape.
  static Plan plan(const Work& w) {
    const bool forward = w.product == Product::forward, dx = w.product == Product::input_gradient;
    const std::int64_t rows = forward || dx ? w.m : w.k, in = forward ? w.k : dx ? w.n : w.m, out = forward || !dx ? w.n : w.k;
    NetworkSpec spec;
    spec.input = {1};
    spec.nodes = {{.layer = Linear{in}}, {.layer = Linear{out}}};
    return make_plan(resolve(spec).value(), rows, PlanFor::training).value();
  }
  const LinearStep& step() const { return std::get<LinearStep>(net_.plan().steps[1].kind); }

  Work work_;
  Net<float> net_;
};

/// Kernels and what their products are called in the table.
struct Arithmetic {
  std::string name;
  const Kernels<float>* kernels;
  std::vector<Work> works;
};

}  // namespace

Result<LabReport> run_gemm(const LabOptions& options) {
  auto kernels = select_kernels();
  if (!kernels) return kernels.error();
  LabReport report;
  const Effort effort = effort_for(options);
  Team one(1), all(options.threads);
  std::vector<Team*> teams = {&one};
  if (all.size() > 1) teams.push_back(&all);

  std::vector<Work> works(std::begin(kShapes), std::end(kShapes));
  for (const std::int64_t side : {16, 32, 64, 128, 256, 512, 1024})
    if (!options.quick || side <= 256) works.push_back({Product::forward, side, side, side});

  const Kernels<float> half = with_half_products(**kernels);
  Arithmetic fp16{native_half() ? "fp16" : "fp16, emulated", &half, {}};
  for (const Work& w : kShapes)
    if (w.product != Product::input_gradient || w.m >= 64) fp16.works.push_back(w);  // of few rows it stays in fp32

  LabTable table{"Products",
                 {{"product", ""},
                  {"arithmetic", ""},
                  {"m", "", 0},
                  {"n", "", 0},
                  {"k", "", 0},
                  {"threads", "", 0},
                  {"time", "µs", 2},
                  {"rate", "GFLOP/s", 1},
                  {"low", "GFLOP/s", 1},
                  {"high", "GFLOP/s", 1},
                  {"of fp32 peak", "%", 0}},
                 {}};
  LabChart chart{LabChart::Kind::bars, "Fraction of peak", "m×n×k", "% of measured fp32 peak", {}, {}};
  for (const Work& w : works) chart.categories.push_back(fmt::format("{}×{}×{}", w.m, w.n, w.k));
  for (Team* team : teams) {
    const double peak = fp32_peak(*team, effort);
    report.notes.push_back(fmt::format("Peak with {} thread{}: {:.1f} GFLOP/s (fp32 multiply-adds on registers).", team->size(),
                                       team->size() > 1 ? "s" : "", peak / 1e9));
    auto& series = chart.series.emplace_back();
    series.name = fmt::format("{} thread{}", team->size(), team->size() > 1 ? "s" : "");
    double large = 0, slowest = 1e9;
    for (const Arithmetic& arithmetic : {Arithmetic{"fp32", *kernels, works}, fp16})
      for (const Work& w : arithmetic.works) {
        say(options,
            fmt::format("{} {}×{}×{}, {}, {} threads", name_of(w.product), w.m, w.n, w.k, arithmetic.name, team->size()));
        Bench bench(w, *arithmetic.kernels, *team);
        const Reading time = measure([&] { bench(); }, effort);
        const double flops = 2.0 * static_cast<double>(w.m * w.n * w.k), share = 100 * flops / time.median / peak;
        table.rows.push_back({name_of(w.product), arithmetic.name, static_cast<double>(w.m), static_cast<double>(w.n),
                              static_cast<double>(w.k), static_cast<double>(team->size()), time.median * 1e6,
                              flops / time.median / 1e9, flops / time.high / 1e9, flops / time.low / 1e9, share});
        if (arithmetic.kernels != *kernels) continue;
        series.y.push_back(share);
        if (w.m * w.n * w.k >= 1 << 22) {
          ++large;
          slowest = std::min(slowest, share);
        }
      }
    report.verdicts.push_back(
        {slowest >= 80, fmt::format("{} thread{}: each of the {:.0f} products with m·n·k ≥ 2²² wants 80 % of "
                                    "peak; the slowest reaches {:.0f} %",
                                    team->size(), team->size() > 1 ? "s" : "", large, slowest)});
  }
  report.tables = {table};
  report.charts = {chart};
  report.notes.emplace_back(
      "Weights lie as a network keeps them, in panels of 16 columns; making the transposed ones that dx wants "
      "is part of its time.");
  report.notes.push_back(
      native_half() ? fmt::format("fp16: by {}, operands rounded and packed in the time; chart and verdicts are of fp32.",
                                  half_kernels_for(half.target).target)
                    : fmt::format("fp16: target {} has no half-precision multiply-adds (AVX512-FP16). What is measured is the "
                                  "emulation that training with train.precision = \"fp16\" runs on here.",
                                  half.target));
  return report;
}

}  // namespace soma
