// images and dy → pieces of dW and db, laid out as weights and bias; behind a pool only winners pass a gradient. A thread has one
// channel and TAPS rows of its filter; LANES channels and 256 / LANES parts of the piece's windows make a workgroup.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "convolution.glsl"
layout(constant_id = 21) const uint TAPS = 1;
layout(constant_id = 22) const uint LANES = 16;
layout(constant_id = 23) const uint PIECES = 1;
layout(constant_id = 24) const uint PIECE = 1;  // numbers of a piece: weights, then bias
layout(constant_id = 25) const uint BIAS_AT = 1;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer Dy { float dy[]; };
layout(binding = 2) readonly buffer Winner { uint winner[]; };
layout(binding = 3) writeonly buffer Piece { float piece[]; };
const uint PARTS = 256 / LANES, ROUND = 8;  // sums that go through shared memory at a time
const uint COLUMNS = PANELS * kPanel, LANE_BLOCKS = (COLUMNS + LANES - 1) / LANES;  // of a group: with what a panel has too much
shared float part[ROUND * 256];
shared ivec3 tap[TAPS];

void main() {
  const uint t = gl_LocalInvocationID.x, lane = t % LANES, number = gl_WorkGroupID.x;
  const uint block = gl_WorkGroupID.y, group = gl_WorkGroupID.z / LANE_BLOCKS;
  const uint channel = gl_WorkGroupID.z % LANE_BLOCKS * LANES + lane;
  for (uint i = t; i < TAPS; i += 256) {
    const uint row = min(block * TAPS + i, ROWS - 1), k = row / GROUP_IN;
    tap[i] = ivec3(k / KERNEL_W * DILATION_H, k % KERNEL_W * DILATION_W, row % GROUP_IN);
  }
  barrier();
  float sum[TAPS + 1];
  [[unroll]] for (uint i = 0; i <= TAPS; ++i) sum[i] = 0.0;
  const uint windows = Y_H * Y_W, length = ceil_div(push.rows * windows, PIECES);
  const uint begin = number * length, end = min(begin + length, push.rows * windows);
  if (channel < GROUP_OUT)
    for (uint q = begin + t / LANES; q < end; q += PARTS) {
      const uint at = q * OUT_C + group * GROUP_OUT + channel, window = q % windows, won = POOLED ? winner[at] : 0;
      const float d = dy[at];
      const int y0 = int((window / Y_W * POOL_H + won / POOL_W) * STRIDE_H) - int(PADDING_H);
      const int x0 = int((window % Y_W * POOL_W + won % POOL_W) * STRIDE_W) - int(PADDING_W);
      const uint image = q / windows * IN_H * IN_W * IN_C + group * GROUP_IN;
      sum[TAPS] += d;
      [[unroll]] for (uint i = 0; i < TAPS; ++i) {
        const uint iy = uint(y0 + tap[i].x), ix = uint(x0 + tap[i].y);
        if (iy < IN_H && ix < IN_W) sum[i] = fma(d, x[image + (iy * IN_W + ix) * IN_C + tap[i].z], sum[i]);
      }
    }
  [[unroll]] for (uint first = 0; first <= TAPS; first += ROUND) {
    [[unroll]] for (uint i = 0; i < ROUND; ++i)
      if (first + i <= TAPS) part[i * 256 + t] = sum[min(first + i, TAPS)];
    barrier();
    for (uint v = t; v < ROUND * LANES; v += 256) {
      const uint i = v / LANES, l = v % LANES, o = gl_WorkGroupID.z % LANE_BLOCKS * LANES + l, row = block * TAPS + first + i;
      const bool is_bias = first + i == TAPS;
      if (first + i > TAPS || o >= COLUMNS || (is_bias ? block > 0 : row >= ROWS)) continue;
      float all = 0.0;
      for (uint p = 0; p < PARTS; ++p) all += part[i * 256 + p * LANES + l];
      const uint at = is_bias ? BIAS_AT + group * COLUMNS + o
                              : group * GROUP_STRIDE + o / kPanel * ROWS * kPanel + row * kPanel + o % kPanel;
      piece[number * PIECE + at] = all;
    }
    barrier();
  }
}
