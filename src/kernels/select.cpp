// this processor and $SOMA_TARGET → the one kernel table the process uses.
#include <fmt/format.h>
#include <hwy/highway.h>

#include <cstdlib>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "core/text.h"
#include "kernels/kernels.h"
#include "kernels/online.h"
#include "kernels/targets.h"
#include "soma/device.h"

namespace soma {
namespace {

/// Highway's number for a SIMD target → its name here, or null for one that has no table.
const char* name_of(std::int64_t target) {
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

struct Tables {
  std::deque<Kernels<float>> filled;
  std::vector<const Kernels<float>*> usable;

  Tables() {
    for_each_simd_target([this](const char* name) {
      Kernels<float>& table = filled.emplace_back(reference_kernels<float>());
      table.target = name;
      for (const auto fill : {fill_gemm, fill_panels, fill_pooled, fill_activation, fill_softmax, fill_pool, fill_reduce,
                              fill_update, fill_winners, fill_dots})
        fill(table);
      usable.push_back(&table);
    });
    usable.push_back(&reference_kernels<float>());
  }
};

struct OnlineTables {
  std::deque<OnlineKernels> filled;
  std::vector<const OnlineKernels*> usable;

  OnlineTables() {
    for_each_simd_target([this](const char* name) {
      OnlineKernels& table = filled.emplace_back();
      table.target = name;
      fill_online(table);
      usable.push_back(&table);
    });
    usable.push_back(&reference_online_kernels());
  }
};

}  // namespace

void for_each_simd_target(const std::function<void(const char* name)>& visit) {
  static std::mutex one_at_a_time;  // tables of several kinds may be made for the first time at once
  const std::lock_guard lock(one_at_a_time);
  // Lower bits are better targets.
  for (std::int64_t rest = hwy::SupportedTargets() & HWY_TARGETS; rest != 0; rest &= rest - 1) {
    const std::int64_t target = rest & -rest;
    const char* name = name_of(target);
    if (name == nullptr) continue;
    hwy::GetChosenTarget().Update(target);
    visit(name);
  }
  hwy::GetChosenTarget().DeInit();
}

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

std::span<const OnlineKernels* const> usable_online_kernels() {
  static const OnlineTables tables;
  return tables.usable;
}

const OnlineKernels& online_kernels_for(std::string_view target) {
  for (const OnlineKernels* table : usable_online_kernels())
    if (table->target == target) return *table;
  return reference_online_kernels();
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
