// bytes × signed bytes → sums and bytes by AVX512-VNNI: four products and their sum in one instruction and lane.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/int8_targets.h"

#if defined(__x86_64__)
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // false alarms on its own intrinsics, gcc bug 105593
#endif
#include <immintrin.h>

#define SOMA_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

namespace soma {
namespace {

constexpr int kSums = 24;  // of 32 registers; the rest hold weights, an input and what the compiler wants

/// Rows of a tile that is N panels wide.
template <int N>
constexpr int kRows = std::min<int>(kMostWindows, std::max(1, kSums / N));

/// sum += x · w in each lane. As an intrinsic g++ 12 puts register copies around it.
SOMA_VNNI inline __m512i dot(__m512i sum, __m512i x, __m512i w) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
  return sum;
}

/// The sums of M rows for N panels, bias included: to[(m·N + v)·16 + lane].
template <int M, int N>
SOMA_VNNI __attribute__((noinline)) void tile(const Int8Product& p, const std::uint8_t* const* rows, std::int64_t panel,
                                              std::int32_t* to) {
  __m512i sum[M][N];
#pragma GCC unroll 16
  for (int v = 0; v < N; ++v) {
    const __m512i bias = _mm512_loadu_si512(p.bias + (panel + v) * kInt8Panel);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) sum[m][v] = bias;
  }
  const std::int64_t tap_size = int8_panels(p.n) * kInt8Panel * 4;
  const std::int8_t* w = p.w + panel * kInt8Panel * 4;
  const std::int32_t *tap = p.tap, *end = p.tap + p.taps;
  for (; tap != end; ++tap, w += tap_size) {
    __m512i wide[N];
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v) wide[v] = _mm512_loadu_si512(w + v * kInt8Panel * 4);
    const std::int64_t offset = *tap;
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      std::int32_t bytes = 0;
      std::memcpy(&bytes, rows[m] + offset, sizeof bytes);
      const __m512i x = _mm512_set1_epi32(bytes);
#pragma GCC unroll 16
      for (int v = 0; v < N; ++v) sum[m][v] = dot(sum[m][v], x, wide[v]);
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v) _mm512_store_si512(to + (m * N + v) * kInt8Panel, sum[m][v]);
}

/// The columns of one panel: what turns their sums into bytes.
struct Columns {
  __m512i multiplier, odd_multiplier, shift, odd_shift, half, odd_half, zero;
};

SOMA_VNNI inline Columns columns_at(const Requantization& r, std::int64_t column) {
  const __m512i one = _mm512_set1_epi64(1), multiplier = _mm512_loadu_si512(r.multiplier + column);
  const __m512i both = _mm512_loadu_si512(r.shift + column);
  const __m512i shift = _mm512_and_si512(both, _mm512_set1_epi64(0xffffffff)), odd_shift = _mm512_srli_epi64(both, 32);
  return {multiplier,
          _mm512_srli_epi64(multiplier, 32),
          shift,
          odd_shift,
          _mm512_sllv_epi64(one, _mm512_sub_epi64(shift, one)),
          _mm512_sllv_epi64(one, _mm512_sub_epi64(odd_shift, one)),
          _mm512_set1_epi32(r.zero)};
}

SOMA_VNNI inline __m128i requantized(__m512i sum, const Columns& c) {
  const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(sum, c.multiplier), c.half);
  const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(sum, 32), c.odd_multiplier), c.odd_half);
  // The factor is below 1, so the low half of each is the whole result.
  const __m512i both =
      _mm512_mask_shuffle_epi32(_mm512_srav_epi64(even, c.shift), 0xaaaa, _mm512_srav_epi64(odd, c.odd_shift), _MM_PERM_CCAA);
  return _mm512_cvtusepi32_epi8(_mm512_max_epi32(_mm512_add_epi32(both, c.zero), _mm512_setzero_si512()));
}

/// The largest of each pixel's windows → rows [first, first + pixels) of the result, one panel of N.
SOMA_VNNI void finish(const Int8Product& p, std::int64_t first, std::int64_t pixels, std::int64_t panel, const std::int32_t* sums,
                      std::int64_t row) {
  const std::int64_t column = panel * kInt8Panel;
  const auto mask = static_cast<__mmask16>((1U << std::min(kInt8Panel, p.n - column)) - 1);
  Columns c{};
  if (p.sums == nullptr) c = columns_at(p.requantization, column);
  for (std::int64_t i = 0; i < pixels; ++i, sums += p.windows * row) {
    __m512i best = _mm512_load_si512(sums);
    for (std::int64_t window = 1; window < p.windows; ++window)
      best = _mm512_max_epi32(best, _mm512_load_si512(sums + window * row));
    const std::int64_t at = (first + i) * p.y_row + column;
    if (p.sums != nullptr)
      _mm512_mask_storeu_epi32(p.sums + at, mask, best);
    else if (mask == 0xffff)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p.y + at), requantized(best, c));
    else
      _mm_mask_storeu_epi8(p.y + at, mask, requantized(best, c));
  }
}

using Tile = void (*)(const Int8Product&, const std::uint8_t* const*, std::int64_t, std::int32_t*);

template <int N, std::size_t... I>
constexpr auto tiles_of(std::index_sequence<I...>) {
  return std::array<Tile, sizeof...(I)>{&tile<static_cast<int>(I) + 1, N>...};
}

/// Panels from `panel` on, as many groups of N as there are, then narrower ones.
template <int N>
SOMA_VNNI void panels_from(const Int8Product& p, std::int64_t panel, std::int64_t first, std::int64_t pixels,
                           const std::uint8_t* const* rows) {
  static constexpr auto kTiles = tiles_of<N>(std::make_index_sequence<kRows<N>>());
  alignas(64) std::int32_t sums[kRows<N> * N * kInt8Panel];
  for (; panel + N <= int8_panels(p.n); panel += N) {
    kTiles[static_cast<std::size_t>(pixels * p.windows - 1)](p, rows, panel, sums);
    for (int v = 0; v < N; ++v) finish(p, first, pixels, panel + v, sums + v * kInt8Panel, N * kInt8Panel);
  }
  if constexpr (N > 1)
    if (panel < int8_panels(p.n)) panels_from<N / 2>(p, panel, first, pixels, rows);
}

void product(const Int8Product& p) noexcept {
  const std::int64_t step = std::max<std::int64_t>(1, kMostWindows / p.windows);
  const std::uint8_t* rows[kMostWindows];
  for (std::int64_t first = 0; first < p.m; first += step) {
    const std::int64_t pixels = std::min(step, p.m - first), count = pixels * p.windows;
    std::int64_t r = 0;
    for (std::int64_t i = first; i < first + pixels; ++i)
      for (std::int64_t window = 0; window < p.windows; ++window) rows[r++] = p.a + i * p.a_step + p.window[window];
    // Few rows want wide tiles, to keep enough sums in flight to cover the latency of the instruction.
    if (count <= kRows<16>)
      panels_from<16>(p, 0, first, pixels, rows);
    else if (count <= kRows<8>)
      panels_from<8>(p, 0, first, pixels, rows);
    else if (count <= kRows<4>)
      panels_from<4>(p, 0, first, pixels, rows);
    else
      panels_from<2>(p, 0, first, pixels, rows);
  }
}

}  // namespace

const Int8Kernels* vnni_int8_kernels() {
  // avx512f includes that the system saves the wide registers.
  if (__builtin_cpu_supports("avx512f") == 0 || __builtin_cpu_supports("avx512bw") == 0 ||
      __builtin_cpu_supports("avx512vl") == 0 || __builtin_cpu_supports("avx512dq") == 0 ||
      __builtin_cpu_supports("avx512vnni") == 0)
    return nullptr;
  static const Int8Kernels table = {"avx512-vnni", &product, nullptr};
  return &table;
}

}  // namespace soma

#else

namespace soma {
const Int8Kernels* vnni_int8_kernels() { return nullptr; }
}  // namespace soma

#endif
