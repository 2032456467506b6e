// this processor and $SOMA_TARGET → the one kernel table the process uses.
#include <fmt/format.h>
#include <hwy/highway.h>

#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include "core/text.h"
#include "kernels/kernels.h"
#include "kernels/targets.h"
#include "soma/device.h"

namespace soma {

const char* simd_target_name(std::int64_t target) {
  switch (target) {
    case HWY_AVX3:
      return "avx512";
    case HWY_AVX2:
      return "avx2";
    case HWY_SSE4:
      return "sse4";
    case HWY_NEON:
      return "neon";
    default:
      return nullptr;  // emulated vectors, or a family nobody has tried: the reference serves those
  }
}

namespace {

struct Tables {
  std::deque<Kernels<float>> filled;
  std::vector<const Kernels<float>*> usable;

  Tables() {
    // Lower bits are better targets. Dispatch is pointed at each in turn, then left to find its own best again.
    const std::int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;
    for (std::int64_t rest = supported; rest != 0; rest &= rest - 1) {
      const std::int64_t target = rest & -rest;
      const char* name = simd_target_name(target);
      if (!name) continue;
      hwy::GetChosenTarget().Update(target);
      Kernels<float>& table = filled.emplace_back(reference_kernels<float>());
      table.target = name;
      for (const auto fill : {fill_gemm, fill_panels, fill_pooled, fill_activation, fill_softmax, fill_pool, fill_reduce,
                              fill_update, fill_online, fill_winners, fill_dots})
        fill(table);
      usable.push_back(&table);
    }
    hwy::GetChosenTarget().DeInit();
    usable.push_back(&reference_kernels<float>());
  }
};

}  // namespace

std::span<const Kernels<float>* const> usable_kernels() {
  static const Tables tables;
  return tables.usable;
}

Result<const Kernels<float>*> kernels_named(std::string_view name) {
  if (name.empty()) return usable_kernels().front();
  for (const Kernels<float>* table : usable_kernels())
    if (table->target == name) return table;
  const std::vector<std::string> known = targets();
  const std::string close = nearest(name, known);
  return Error{Error::Kind::usage, fmt::format("SOMA_TARGET: wanted {} on this machine, got '{}'; try '{}'", one_of(known), name,
                                               close.empty() ? known.front() : close)};
}

Result<const Kernels<float>*> select_kernels() {
  static const Result<const Kernels<float>*> selected = [] {
    const char* name = std::getenv("SOMA_TARGET");
    return kernels_named(name ? name : "");
  }();
  return selected;
}

std::vector<std::string> targets() {
  std::vector<std::string> names;
  for (const Kernels<float>* table : usable_kernels()) names.emplace_back(table->target);
  return names;
}

Result<std::string> target() {
  const Result<const Kernels<float>*> kernels = select_kernels();
  if (!kernels) return kernels.error();
  return std::string((*kernels)->target);
}

}  // namespace soma
