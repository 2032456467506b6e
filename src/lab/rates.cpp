// an instruction or a block of memory → the fastest this machine goes: what every fraction of peak is a fraction of.
#include "lab/rates.h"

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace soma {
namespace {

constexpr int kTurns = 2000;  // of the loop in one call: some 10 µs
// Sums in flight: latency 4–6 cycles × 2 instructions a cycle need at least 12; 24 leave room for the operands in 32 registers.
constexpr int kSums = 24;

/// Where results go that nobody wants, so that they have to be worked out.
template <class V>
void keep(const V& value) {
  asm volatile("" : : "m"(value) : "memory");
}

#if defined(__x86_64__)

// A value as the compiler cannot know it: folded constants would measure nothing.
#define SOMA_OPAQUE(value) asm volatile("" : "+v"(value))

// Sums start as values the compiler cannot know to be equal, or it would work out one of them for all.
#define SOMA_RATE_LOOP(Sum, sums, step)                                          \
  Sum sum[(sums)] = {};                                                          \
  _Pragma("GCC unroll 32") for (int i = 0; i < (sums); ++i) SOMA_OPAQUE(sum[i]); \
  for (int turn = 0; turn < kTurns; ++turn) {                                    \
    _Pragma("GCC unroll 32") for (int i = 0; i < (sums); ++i) sum[i] = (step);   \
  }                                                                              \
  _Pragma("GCC unroll 32") for (int i = 0; i < (sums); ++i) SOMA_OPAQUE(sum[i]);

__attribute__((target("avx512f"))) void fp32_avx512() noexcept {
  __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
  SOMA_OPAQUE(a);
  SOMA_OPAQUE(b);
  SOMA_RATE_LOOP(__m512, kSums, _mm512_fmadd_ps(a, b, sum[i]))
}

__attribute__((target("avx2,fma"))) void fp32_avx2() noexcept {
  __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
  SOMA_OPAQUE(a);
  SOMA_OPAQUE(b);
  SOMA_RATE_LOOP(__m256, 12, _mm256_fmadd_ps(a, b, sum[i]))
}

void fp32_sse() noexcept {
  const __m128 a = _mm_set1_ps(0.5f);
  SOMA_RATE_LOOP(__m128, 12, _mm_add_ps(_mm_mul_ps(a, sum[i]), a))
}

__attribute__((target("avx512f"))) void fp16_avx512() noexcept {
  __m512i a = _mm512_set1_epi32(0x38003800);
  SOMA_OPAQUE(a);
  // As an intrinsic clang 14 has no type for it.
  const auto step = [&](__m512i sum) __attribute__((target("avx512f"), always_inline)) {
    asm("vfmadd231ph %1, %1, %0" : "+v"(sum) : "v"(a));
    return sum;
  };
  SOMA_RATE_LOOP(__m512i, kSums, step(sum[i]))
}

__attribute__((target("avx512bf16,avx512f"))) void bf16_avx512() noexcept {
  __m512i bits = _mm512_set1_epi16(0x3f00);
  SOMA_OPAQUE(bits);
  __m512bh a;
  std::memcpy(&a, &bits, sizeof a);
  const __m512bh b = a;
  SOMA_RATE_LOOP(__m512, kSums, _mm512_dpbf16_ps(sum[i], a, b))
}

__attribute__((target("avx512vnni,avx512f"))) void int8_avx512() noexcept {
  __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
  SOMA_OPAQUE(a);
  SOMA_OPAQUE(b);
  // As an intrinsic it would be measured with the register copies that g++ 12 puts around it.
  const auto step = [&](__m512i sum) __attribute__((target("avx512vnni,avx512f"), always_inline)) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
  };
  SOMA_RATE_LOOP(__m512i, kSums, step(sum[i]))
}

struct Features {
  bool avx2 = false, avx512 = false, fp16 = false, bf16 = false, vnni = false;
};

Features features() {
  Features f;
  f.avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  f.avx512 = __builtin_cpu_supports("avx512f") != 0;  // includes that the system saves the wide registers
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (f.avx512 && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
    f.vnni = (c >> 11 & 1) != 0;
    f.fp16 = (d >> 23 & 1) != 0;
  }
  if (f.avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) f.bf16 = (a >> 5 & 1) != 0;
  return f;
}

__attribute__((target("avx512f"))) void read_avx512(const float* x, std::size_t count) noexcept {
  __m512 sum[8] = {};
  for (std::size_t i = 0; i < count; i += 128) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < 8; ++v) sum[v] = _mm512_add_ps(sum[v], _mm512_load_ps(x + i + 16 * v));
  }
#pragma GCC unroll 8
  for (__m512& each : sum) SOMA_OPAQUE(each);
}

__attribute__((target("avx2"))) void read_avx2(const float* x, std::size_t count) noexcept {
  __m256 sum[8] = {};
  for (std::size_t i = 0; i < count; i += 64) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < 8; ++v) sum[v] = _mm256_add_ps(sum[v], _mm256_load_ps(x + i + 8 * v));
  }
#pragma GCC unroll 8
  for (__m256& each : sum) SOMA_OPAQUE(each);
}

#endif

void read_plainly(const float* x, std::size_t count) noexcept {
  float sum[16] = {};
  for (std::size_t i = 0; i < count; i += 16) {
    for (std::size_t v = 0; v < 16; ++v) sum[v] += x[i + v];
  }
  keep(sum);
}

}  // namespace

std::vector<RateProbe> rate_probes() {
#if defined(__x86_64__)
  const Features f = features();
  const auto probe = [](const char* format, const char* instruction, int sums, int lanes, void (*call)() noexcept) {
    return RateProbe{format, instruction, std::int64_t{2} * kTurns * sums * lanes, call};
  };
  const auto missing = [](const char* format, const char* why) { return RateProbe{format, why}; };
  return {f.avx512 ? probe("fp32", "vfmadd zmm", kSums, 16, &fp32_avx512)
          : f.avx2 ? probe("fp32", "vfmadd ymm", 12, 8, &fp32_avx2)
                   : probe("fp32", "mulps + addps xmm", 12, 4, &fp32_sse),
          f.fp16 ? probe("fp16", "vfmaddph zmm", kSums, 32, &fp16_avx512) : missing("fp16", "no AVX512-FP16 here"),
          f.bf16 ? probe("bf16", "vdpbf16ps zmm", kSums, 32, &bf16_avx512) : missing("bf16", "no AVX512-BF16 here"),
          f.vnni ? probe("int8", "vpdpbusd zmm", kSums, 64, &int8_avx512) : missing("int8", "no AVX512-VNNI here")};
#else
  return {};
#endif
}

void read_floats(const float* x, std::size_t count) noexcept {
#if defined(__x86_64__)
  static const Features f = features();
  if (f.avx512) return read_avx512(x, count);
  if (f.avx2) return read_avx2(x, count);
#endif
  read_plainly(x, count);
}

void copy_floats(const float* x, float* y, std::size_t count) noexcept {
  std::memcpy(y, x, count * sizeof(float));
  keep(*y);
}

}  // namespace soma
