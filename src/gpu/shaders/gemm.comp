// x, W, dy → y, dx or moved weights: the three products of a linear layer, in tiles of BM × BN through shared memory.
//
//   MODE 0, forward           y[row, out]  = Σ_in  x·W (+ b, f)         or a piece of the sum, for sum_pieces
//   MODE 1, weight gradient   dW[in, out]  = Σ_row x·dy                 into the optimizer's step, and kept where wanted
//   MODE 2, input gradient    dx[row, in]  = Σ_out dy·W (· f'(x))       or a piece of the sum
//
// W lies in panels of 16 outputs, as on the CPU. Every sum runs in ascending order within its piece, so tiles change no bit.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "activation.glsl"
#include "update.glsl"
layout(constant_id = 1) const uint MODE = 0;
layout(constant_id = 2) const uint BM = 64;
layout(constant_id = 3) const uint BN = 64;
layout(constant_id = 4) const uint IN = 1;
layout(constant_id = 5) const uint OUT = 1;
layout(constant_id = 6) const uint PIECES = 1;     // of the sum, not with MODE 1
layout(constant_id = 7) const uint F = 0;          // MODE 0: of y. MODE 2: of the layer below, undone
layout(constant_id = 8) const float ALPHA = 0;
layout(constant_id = 9) const bool BIAS = false;   // MODE 0
layout(constant_id = 10) const bool MOVE = false;  // MODE 1: take the optimizer's step
layout(constant_id = 11) const bool KEEP = false;  // MODE 1: leave the gradient behind
layout(constant_id = 12) const uint KIND = 0;      // of optimizer
layout(binding = 0) readonly buffer A { float a[]; };
layout(binding = 0) readonly buffer A4 { vec4 a4[]; };
layout(binding = 1) readonly buffer B { float b[]; };
layout(binding = 1) readonly buffer B4 { vec4 b4[]; };
layout(binding = 2) buffer C { float c[]; };
layout(binding = 2) buffer C4 { vec4 c4[]; };
layout(binding = 3) readonly buffer Extra { float extra[]; };  // MODE 0: bias. 1: numbers of the update. 2: y of the layer below
layout(binding = 4) buffer S0 { vec4 s0[]; };
layout(binding = 5) buffer S1 { vec4 s1[]; };
layout(binding = 6) writeonly buffer G { vec4 g[]; };

const uint BK = 16;
const uint ROW_A = BM / 4 + 1, ROW_B = BN / 4 + 1;  // in vec4; one more than a row, so that stores spread over the banks
shared vec4 tile_a[BK * ROW_A];
shared vec4 tile_b[BK * ROW_B];

const uint N = MODE == 2 ? IN : OUT;
const uint A_ROW = MODE == 2 ? OUT : IN;  // numbers in a row of the matrix in a
uint m_of() { return MODE == 1 ? IN : push.rows; }
uint k_of() { return MODE == 0 ? IN : MODE == 1 ? push.rows : OUT; }

/// a(i, k … k+3), or with MODE 1 a(i … i+3, k); zero beyond the ends.
vec4 load_a(uint i, uint k, uint m, uint k_end) {
  if (i >= m || k >= k_end) return vec4(0);
  const uint at = MODE == 1 ? k * A_ROW + i : i * A_ROW + k, left = MODE == 1 ? m - i : k_end - k;
  if (A_ROW % 4 == 0) return a4[at / 4];
  vec4 v = vec4(0);
  [[unroll]] for (uint e = 0; e < 4; ++e)
    if (e < left) v[e] = a[at + e];
  return v;
}

/// b(k, j … j+3), or with MODE 2 b(k … k+3, j).
vec4 load_b(uint k, uint j, uint k_end) {
  if (j >= N || k >= k_end) return vec4(0);
  if (MODE == 0) return b4[(j / kPanel * IN + k) * 4 + j % kPanel / 4];
  if (MODE == 2) return b4[(k / kPanel * IN + j) * 4 + k % kPanel / 4];
  const uint at = k * OUT + j;
  if (OUT % 4 == 0) return b4[at / 4];
  vec4 v = vec4(0);
  [[unroll]] for (uint e = 0; e < 4; ++e)
    if (e < OUT - j) v[e] = b[at + e];
  return v;
}

const uint LOADS_A = 64 / BN, LOADS_B = 64 / BM;  // vec4 that each thread brings of a tile of 16 × BM, and of 16 × BN
vec4 next_a[LOADS_A];
vec4 next_b[LOADS_B];

void fetch(uint i0, uint j0, uint k0, uint m, uint k_end) {
  const uint t = gl_LocalInvocationID.x, threads = BM * BN / 16;
  [[unroll]] for (uint l = 0; l < LOADS_A; ++l) {
    const uint v = t + l * threads;
    next_a[l] = MODE == 1 ? load_a(i0 + v % (BM / 4) * 4, k0 + v / (BM / 4), m, k_end) : load_a(i0 + v / 4, k0 + v % 4 * 4, m, k_end);
  }
  [[unroll]] for (uint l = 0; l < LOADS_B; ++l) {
    const uint v = t + l * threads;
    next_b[l] = MODE == 2 ? load_b(k0 + v % 4 * 4, j0 + v / 4, k_end) : load_b(k0 + v / (BN / 4), j0 + v % (BN / 4) * 4, k_end);
  }
}

void place() {
  const uint t = gl_LocalInvocationID.x, threads = BM * BN / 16;
  [[unroll]] for (uint l = 0; l < LOADS_A; ++l) {
    const uint v = t + l * threads;
    if (MODE == 1)
      tile_a[v / (BM / 4) * ROW_A + v % (BM / 4)] = next_a[l];
    else
      [[unroll]] for (uint e = 0; e < 4; ++e) tile_a[(v % 4 * 4 + e) * ROW_A + v / 16][v / 4 % 4] = next_a[l][e];
  }
  [[unroll]] for (uint l = 0; l < LOADS_B; ++l) {
    const uint v = t + l * threads;
    if (MODE == 2)
      [[unroll]] for (uint e = 0; e < 4; ++e) tile_b[(v % 4 * 4 + e) * ROW_B + v / 16][v / 4 % 4] = next_b[l][e];
    else
      tile_b[v / (BN / 4) * ROW_B + v % (BN / 4)] = next_b[l];
  }
}

void store_row(uint i, uint j, uint piece, vec4 sum) {
  const uint at = piece * push.rows * N + i * N + j;
  if (PIECES == 1) {
    [[unroll]] for (uint e = 0; e < 4; ++e) {
      if (j + e >= N) break;
      if (MODE == 0) sum[e] = activate(F, ALPHA, sum[e] + (BIAS ? extra[j + e] : 0.0));
      if (MODE == 2 && F != kIdentity) sum[e] = activate_back(F, ALPHA, 0.0, extra[i * N + j + e], sum[e]);
    }
  }
  if (N % 4 == 0) {
    c4[at / 4] = sum;
    return;
  }
  [[unroll]] for (uint e = 0; e < 4; ++e)
    if (j + e < N) c[at + e] = sum[e];
}

void move_row(uint i, uint j, vec4 gradient) {
  const uint at = (j / kPanel * IN + i) * 4 + j % kPanel / 4;
  if (KEEP) g[at] = gradient;
  if (!MOVE) return;
  const Update u = READ_UPDATE(extra, push.step);
  vec4 w = c4[at], first = has_first(KIND) ? s0[at] : vec4(0), second = has_second(KIND) ? s1[at] : vec4(0);
  move_four(KIND, u, true, w, gradient, first, second);
  c4[at] = w;
  if (has_first(KIND)) s0[at] = first;
  if (has_second(KIND)) s1[at] = second;
}

void main() {
  const uint m = m_of(), k_all = k_of();
  const uint i0 = gl_WorkGroupID.x * BM, j0 = gl_WorkGroupID.y * BN, piece = gl_WorkGroupID.z;
  const uint piece_length = ceil_div(ceil_div(k_all, PIECES), BK) * BK;
  const uint k_begin = min(piece * piece_length, k_all), k_end = min(k_begin + piece_length, k_all);
  const uint tx = gl_LocalInvocationID.x % (BN / 4), ty = gl_LocalInvocationID.x / (BN / 4);
  vec4 sum[4] = {vec4(0), vec4(0), vec4(0), vec4(0)};
  fetch(i0, j0, k_begin, m, k_end);
  for (uint k0 = k_begin; k0 < k_end; k0 += BK) {
    place();
    barrier();
    if (k0 + BK < k_end) fetch(i0, j0, k0 + BK, m, k_end);
    [[unroll]] for (uint k = 0; k < BK; ++k) {
      const vec4 x = tile_a[k * ROW_A + ty], w = tile_b[k * ROW_B + tx];
      [[unroll]] for (uint r = 0; r < 4; ++r) sum[r] = fma(vec4(x[r]), w, sum[r]);
    }
    barrier();
  }
  const uint j = j0 + tx * 4;
  if (j >= N) return;
  [[unroll]] for (uint r = 0; r < 4; ++r) {
    const uint i = i0 + ty * 4 + r;
    if (i >= m) break;
    if (MODE == 1)
      move_row(i, j, sum[r]);
    else
      store_row(i, j, piece, sum[r]);
  }
}
