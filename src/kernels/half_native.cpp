// floats → sums of products in half precision by AVX512-FP16: 32 multiply-adds, each rounded once, in one instruction.
#include <algorithm>
#include <array>
#include <utility>

#include "kernels/half_blocks.h"
#include "kernels/half_targets.h"
#include "kernels/unroll.h"

#if defined(__x86_64__)
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // false alarms on its own intrinsics, gcc bug 105593
#endif
#include <cpuid.h>
#include <immintrin.h>

#define SOMA_FP16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))

// Compiled and read in disassembly, not yet run: none of the processors this was written on has the instruction. half_test.cpp
// compares it with the definition, bit for bit, wherever one has.

namespace soma {
namespace {

constexpr std::int64_t kLanes = 32;  // columns in a register of halves
constexpr int kSums = 28;            // of 32 registers; the rest hold b and a broadcast

/// sum += x · b in each lane, the only instruction here that is not in AVX-512 proper. As an intrinsic clang 14 has no type for
/// it.
SOMA_FP16 inline __m512i fused(__m512i sum, __m512i x, __m512i b) {
  asm("vfmadd231ph %2, %1, %0" : "+v"(sum) : "v"(x), "v"(b));
  return sum;
}

struct Native {
  using Left = std::uint32_t;   // a half twice: 32 bits are broadcast by the load ports, 16 bits take a port that multiplies
  using Right = std::uint16_t;  // a half
  using Tile = HalfTile<Left, Right>;
  static constexpr std::int64_t kMostRows = kSums, kPanels = kLanes / kPanel;
  static std::int64_t rows(std::int64_t columns) { return columns > kLanes ? kSums / 2 : kSums; }

  SOMA_FP16 static void left(const float* x, std::int64_t x_row, std::int64_t rows, std::int64_t cols, Left* y,
                             std::int64_t y_row) {
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < cols; j += 16) {
        const auto mask = static_cast<__mmask16>((1U << std::min<std::int64_t>(16, cols - j)) - 1);
        const __m512 wide = _mm512_maskz_loadu_ps(mask, x + i * x_row + j);
        const __m512i half = _mm512_cvtepu16_epi32(_mm512_cvtps_ph(wide, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
        _mm512_mask_storeu_epi32(y + i * y_row + j, mask, _mm512_or_si512(half, _mm512_slli_epi32(half, 16)));
      }
  }
  SOMA_FP16 static void right(const float* x, std::int64_t x_row, std::int64_t rows, Right* y) {
    for (std::int64_t i = 0; i < rows; ++i)
      _mm256_store_si256(reinterpret_cast<__m256i*>(y + i * kHalfColumns),
                         _mm512_cvtps_ph(_mm512_loadu_ps(x + i * x_row), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }

  /// M rows of N registers of columns: with 14 × 2, fourteen broadcasts and two loads for 28 multiply-adds.
  template <int M, int N, bool kByColumn>
  SOMA_FP16 __attribute__((noinline)) static void rows_of(const Tile& t) {
    const Left* a = t.a;
    const Right* b = t.b;
    for (std::int64_t first = 0; first < t.depth; first += kHalfBlock) {
      __m512i partial[M][N];
#pragma GCC unroll kUnroll
      for (int i = 0; i < M; ++i)
#pragma GCC unroll kUnroll
        for (int v = 0; v < N; ++v) partial[i][v] = _mm512_setzero_si512();
      const Right* const end = b + std::min(kHalfBlock, t.depth - first) * kHalfColumns;
      for (; b != end; b += kHalfColumns, a += kByColumn ? kHalfRows : 1) {
        __m512i wide[N];
#pragma GCC unroll kUnroll
        for (int v = 0; v < N; ++v) wide[v] = _mm512_load_si512(b + v * kLanes);
#pragma GCC unroll kUnroll
        for (int i = 0; i < M; ++i) {
          const __m512i x = _mm512_set1_epi32(static_cast<int>(a[i * (kByColumn ? 1 : kHalfDepth)]));
#pragma GCC unroll kUnroll
          for (int v = 0; v < N; ++v) partial[i][v] = fused(partial[i][v], x, wide[v]);
        }
      }
#pragma GCC unroll kUnroll
      for (int i = 0; i < M; ++i)
#pragma GCC unroll kUnroll
        for (int v = 0; v < N; ++v) {
          float* sum = t.sums + i * kHalfColumns + v * kLanes;
          const __m512 low = _mm512_cvtph_ps(_mm512_castsi512_si256(partial[i][v]));
          const __m512 high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(partial[i][v], 1));
          _mm512_store_ps(sum, _mm512_add_ps(_mm512_load_ps(sum), low));
          _mm512_store_ps(sum + 16, _mm512_add_ps(_mm512_load_ps(sum + 16), high));
        }
    }
  }

  template <int N, bool kByColumn, std::size_t... I>
  static constexpr auto tiles_of(std::index_sequence<I...>) {
    return std::array<void (*)(const Tile&), sizeof...(I)>{&rows_of<static_cast<int>(I) + 1, N, kByColumn>...};
  }
  /// [rows − 1] for tiles N registers wide.
  template <int N, bool kByColumn>
  static constexpr auto kTiles = tiles_of<N, kByColumn>(std::make_index_sequence<kSums / N>());

  static void tile(const Tile& t) {
    const auto row = static_cast<std::size_t>(t.rows - 1);
    if (t.columns > kLanes)
      (t.by_column ? kTiles<2, true> : kTiles<2, false>)[row](t);
    else
      (t.by_column ? kTiles<1, true> : kTiles<1, false>)[row](t);
  }
};

bool has_fp16() {
  // avx512f includes that the system saves the wide registers. clang 14 does not know "avx512fp16" by name.
  if (__builtin_cpu_supports("avx512f") == 0 || __builtin_cpu_supports("avx512bw") == 0 ||
      __builtin_cpu_supports("avx512vl") == 0 || __builtin_cpu_supports("avx512dq") == 0)
    return false;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 23 & 1) != 0;
}

}  // namespace

const HalfKernels* native_half_kernels() {
  static const HalfKernels table = {"avx512-fp16", true, &half_gemm<Native>};
  static const bool here = has_fp16();
  return here ? &table : nullptr;
}

}  // namespace soma

#else

namespace soma {
const HalfKernels* native_half_kernels() { return nullptr; }
}  // namespace soma

#endif
