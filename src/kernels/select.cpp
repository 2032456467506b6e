// this processor and $SOMA_TARGET → the one kernel table the process uses.
#include <fmt/format.h>
#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <cpuid.h>
#elif HWY_ARCH_ARM_A64
#include <sys/auxv.h>
#endif

#include <cstdlib>
#include <deque>
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

/// The targets whose instructions this processor has and its system saves.
std::int64_t runnable_targets() {
#if HWY_ARCH_X86
  const auto extended = [](unsigned leaf, unsigned bit) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(leaf, &a, &b, &c, &d) != 0 && (c & bit) != 0;
  };
  const bool sse4 = __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul") &&
                    __builtin_cpu_supports("aes");
  const bool avx2 = sse4 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2") && extended(1, bit_F16C) && extended(0x80000001, bit_LZCNT);
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                      __builtin_cpu_supports("avx512vl");
  return (sse4 ? HWY_SSE4 : 0) | (avx2 ? HWY_AVX2 : 0) | (avx512 ? HWY_AVX3 : 0);
#elif HWY_ARCH_ARM_A64
  return (::getauxval(AT_HWCAP) & HWCAP_AES) != 0 ? HWY_NEON : 0;  // Highway compiles it with the AES instructions
#else
  return 0;
#endif
}

struct Tables {
  std::deque<Kernels<float>> filled;
  std::vector<const Kernels<float>*> usable;

  Tables() {
    for_each_simd_target([this](std::int64_t target, const char* name) {
      Kernels<float>& table = filled.emplace_back(reference_kernels<float>());
      table.target = name;
      for (const auto fill : {fill_gemm, fill_panels, fill_pooled, fill_activation, fill_softmax, fill_pool, fill_reduce,
                              fill_update, fill_winners, fill_dots})
        fill(target, table);
      usable.push_back(&table);
    });
    usable.push_back(&reference_kernels<float>());
  }
};

struct OnlineTables {
  std::deque<OnlineKernels> filled;
  std::vector<const OnlineKernels*> usable;

  OnlineTables() {
    for_each_simd_target([this](std::int64_t target, const char* name) {
      OnlineKernels& table = filled.emplace_back();
      table.target = name;
      fill_online(target, table);
      usable.push_back(&table);
    });
    usable.push_back(&reference_online_kernels());
  }
};

}  // namespace

void for_each_simd_target(const std::function<void(std::int64_t target, const char* name)>& visit) {
  for (std::int64_t rest = runnable_targets() & HWY_TARGETS; rest != 0; rest &= rest - 1) {  // lower bits are better targets
    const std::int64_t target = rest & -rest;
    if (const char* name = name_of(target); name != nullptr) visit(target, name);
  }
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
