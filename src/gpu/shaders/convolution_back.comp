// dy × filters → dx: every pixel of the input gathers from the outputs it had a part in, for up to four of its channels in a
// thread; behind a pool from winners.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "activation.glsl"
#include "convolution.glsl"
layout(constant_id = 21) const uint F = 0;  // of the layer below, undone
layout(constant_id = 22) const float ALPHA = 0;
layout(binding = 0) readonly buffer Dy { float dy[]; };
layout(binding = 0) readonly buffer Dy4 { vec4 dy4[]; };
layout(binding = 1) readonly buffer W { vec4 w[]; };
layout(binding = 2) readonly buffer Winner { uint winner[]; };
layout(binding = 2) readonly buffer Winner4 { uvec4 winner4[]; };
layout(binding = 3) writeonly buffer Dx { float dx[]; };
layout(binding = 4) readonly buffer Below { float below[]; };

const uint QUADS = (GROUP_IN + 3) / 4;  // of a group

/// dy of four channels of a window, where the pixel at `position` in it won.
vec4 passed(uint at, uint count, uint position) {
  if (GROUP_OUT % 4 == 0) {
    const vec4 d = dy4[at / 4];
    return POOLED ? mix(vec4(0), d, equal(winner4[at / 4], uvec4(position))) : d;
  }
  vec4 d = vec4(0);
  [[unroll]] for (uint e = 0; e < 4; ++e)
    if (e < count && (!POOLED || winner[at + e] == position)) d[e] = dy[at + e];
  return d;
}

void main() {
  const uint number = thread_number();
  if (number >= push.rows * IN_H * IN_W * GROUPS * QUADS) return;
  const uint quad = number % QUADS, group = number / QUADS % GROUPS, pixel = number / (QUADS * GROUPS);
  const uint ix = pixel % IN_W, iy = pixel / IN_W % IN_H, sample_number = pixel / (IN_W * IN_H);
  vec4 sum = vec4(0);
  for (uint ky = 0; ky < KERNEL_H; ++ky) {
    const uint ty = iy + PADDING_H - ky * DILATION_H, oy = ty / STRIDE_H;  // below zero wraps, and is out of range
    if (ty % STRIDE_H != 0 || oy >= (POOLED ? Y_H * POOL_H : OUT_H)) continue;
    for (uint kx = 0; kx < KERNEL_W; ++kx) {
      const uint tx = ix + PADDING_W - kx * DILATION_W, ox = tx / STRIDE_W;
      if (tx % STRIDE_W != 0 || ox >= (POOLED ? Y_W * POOL_W : OUT_W)) continue;
      const uint row = (ky * KERNEL_W + kx) * GROUP_IN + quad * 4;
      const uint at = ((sample_number * Y_H + oy / POOL_H) * Y_W + ox / POOL_W) * OUT_C + group * GROUP_OUT;
      const uint position = oy % POOL_H * POOL_W + ox % POOL_W, first_w = group * GROUP_STRIDE / 4 + row * 4;
      for (uint o = 0; o < GROUP_OUT; o += 4) {
        const vec4 d = passed(at + o, GROUP_OUT - o, position);
        const uint from = first_w + o / kPanel * ROWS * 4 + o % kPanel / 4;
        [[unroll]] for (uint e = 0; e < 4; ++e)
          if (quad * 4 + e < GROUP_IN) sum[e] += dot(d, w[from + e * 4]);
      }
    }
  }
  const uint to = pixel * IN_C + group * GROUP_IN + quad * 4;
  [[unroll]] for (uint e = 0; e < 4; ++e)
    if (quad * 4 + e < GROUP_IN) dx[to + e] = F == kIdentity ? sum[e] : activate_back(F, ALPHA, 0.0, below[to + e], sum[e]);
}
