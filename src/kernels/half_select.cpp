// this processor → the tables of half-precision kernels it can run, and the fastest that goes with a target.
#include <chrono>
#include <deque>
#include <limits>
#include <vector>

#include "kernels/half_targets.h"
#include "kernels/targets.h"
#include "soma/device.h"

namespace soma {
namespace {

struct Tables {
  std::deque<HalfKernels> filled;
  std::vector<const HalfKernels*> usable;

  Tables() {
    if (const HalfKernels* native = native_half_kernels(); native != nullptr) usable.push_back(native);
    for_each_simd_target([this](std::int64_t target, const char* name) {
      HalfKernels& table = filled.emplace_back(reference_half_kernels());
      table.target = name;
      fill_half(target, table);
      usable.push_back(&table);
    });
    usable.push_back(&reference_half_kernels());
  }
};

/// Seconds of a product of 64 × 64 × 256, the best of three.
double seconds_of(const HalfKernels& kernels) {
  constexpr std::int64_t kSide = 64, kDepth = 256;
  const std::vector<float> a(kSide * kDepth, 0.5f), b(kDepth * kSide, 0.25f);
  std::vector<float> c(kSide * kSide);
  Gemm<float> g;
  g.m = g.n = kSide;
  g.depth = g.a_row = kDepth;
  g.a = a.data();
  g.b = b.data();
  g.b_panel = kDepth * kPanel;
  g.c = c.data();
  g.c_row = kPanel;
  g.c_panel = kSide * kPanel;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    kernels.gemm(g);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

/// Of several, the one that takes the least time.
const HalfKernels& fastest(const std::vector<const HalfKernels*>& candidates) {
  const HalfKernels* best = candidates.front();
  if (candidates.size() == 1) return *best;
  double least = std::numeric_limits<double>::infinity();
  for (const HalfKernels* each : candidates)
    if (const double seconds = seconds_of(*each); seconds < least) {
      least = seconds;
      best = each;
    }
  return *best;
}

}  // namespace

std::span<const HalfKernels* const> usable_half_kernels() {
  static const Tables tables;
  return tables.usable;
}

const HalfKernels& half_kernels_for(std::string_view target) {
  const auto chosen = [](std::string_view name) -> const HalfKernels& {
    std::vector<const HalfKernels*> candidates;
    // "avx512" stands for that and its extensions: they change the speed, not a bit.
    for (const HalfKernels* table : usable_half_kernels())
      if (std::string_view(table->target).starts_with(name)) candidates.push_back(table);
    return candidates.empty() ? reference_half_kernels() : fastest(candidates);
  };
  if (target != "avx512") return chosen(target);
  static const HalfKernels& measured = chosen("avx512");
  return measured;
}

Kernels<float> with_half_products(Kernels<float> kernels) {
  kernels.gemm = half_kernels_for(kernels.target).gemm;
  kernels.pooled_gemm = nullptr;
  return kernels;
}

bool native_half() {
  const Result<const Kernels<float>*> kernels = select_kernels();
  return kernels && half_kernels_for((*kernels)->target).native;
}

}  // namespace soma
