// images × filters → images: bias, the greatest of a pooling window with its number, activation. A thread has four channels of a
// window, or of TILE pixels side by side.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "activation.glsl"
#include "convolution.glsl"
layout(constant_id = 21) const uint TILE_H = 1;  // pixels of a thread: a pooling window, or 1 × TILE_W
layout(constant_id = 22) const uint TILE_W = 1;
layout(constant_id = 23) const uint F = 0;
layout(constant_id = 24) const float ALPHA = 0;
layout(constant_id = 25) const bool BIAS = false;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer W { vec4 w[]; };
layout(binding = 2) readonly buffer Bias { float bias[]; };
layout(binding = 3) writeonly buffer Y { float y[]; };
layout(binding = 4) writeonly buffer Winner { uint winner[]; };

const uint QUADS = (GROUP_OUT + 3) / 4;  // of a group
const uint TILES_H = (POOLED ? Y_H : OUT_H), TILES_W = POOLED ? Y_W : (OUT_W + TILE_W - 1) / TILE_W;
const uint PIXELS = TILE_H * TILE_W;

// What lies under all filters of a tile; kept in registers where it is small.
const uint PATCH_H = (TILE_H - 1) * STRIDE_H + (KERNEL_H - 1) * DILATION_H + 1;
const uint PATCH_W = (TILE_W - 1) * STRIDE_W + (KERNEL_W - 1) * DILATION_W + 1;
const bool KEPT = PATCH_H * PATCH_W <= 64;
const uint PATCH = KEPT ? PATCH_H * PATCH_W : 1;

float pixel(uint image, int y, int x_of) {
  return uint(y) < IN_H && uint(x_of) < IN_W ? x[image + (uint(y) * IN_W + uint(x_of)) * IN_C] : 0.0;
}

void main() {
  const uint number = thread_number();
  if (number >= push.rows * TILES_H * TILES_W * GROUPS * QUADS) return;
  const uint quad = number % QUADS, group = number / QUADS % GROUPS, tile = number / (QUADS * GROUPS);
  const uint tile_x = tile % TILES_W, tile_y = tile / TILES_W % TILES_H, sample_number = tile / (TILES_W * TILES_H);
  const uint channel = quad * 4, first_w = (group * GROUP_STRIDE + channel / kPanel * ROWS * kPanel + channel % kPanel) / 4;
  vec4 sum[PIXELS];
  vec4 start = vec4(0);
  if (BIAS)
    [[unroll]] for (uint e = 0; e < 4; ++e)
      if (channel + e < GROUP_OUT) start[e] = bias[group * PANELS * kPanel + channel + e];
  [[unroll]] for (uint p = 0; p < PIXELS; ++p) sum[p] = start;
  const int y0 = int(tile_y * TILE_H * STRIDE_H) - int(PADDING_H), x0 = int(tile_x * TILE_W * STRIDE_W) - int(PADDING_W);
  const uint image = sample_number * IN_H * IN_W * IN_C + group * GROUP_IN;
  for (uint c = 0; c < GROUP_IN; ++c) {
    float patch_of[PATCH];
    if (KEPT)
      [[unroll]] for (uint i = 0; i < PATCH; ++i) patch_of[i] = pixel(image + c, y0 + int(i / PATCH_W), x0 + int(i % PATCH_W));
    [[unroll]] for (uint ky = 0; ky < KERNEL_H; ++ky)
      [[unroll]] for (uint kx = 0; kx < KERNEL_W; ++kx) {
        const vec4 weights = w[first_w + ((ky * KERNEL_W + kx) * GROUP_IN + c) * 4];
        [[unroll]] for (uint p = 0; p < PIXELS; ++p) {
          const uint dy = p / TILE_W * STRIDE_H + ky * DILATION_H, dx = p % TILE_W * STRIDE_W + kx * DILATION_W;
          const float value = KEPT ? patch_of[KEPT ? dy * PATCH_W + dx : 0] : pixel(image + c, y0 + int(dy), x0 + int(dx));
          sum[p] = fma(vec4(value), weights, sum[p]);
        }
      }
  }
  if (POOLED) {
    uvec4 best = uvec4(0);
    [[unroll]] for (uint p = 1; p < PIXELS; ++p)
      [[unroll]] for (uint e = 0; e < 4; ++e)
        if (sum[p][e] > sum[0][e] || (isnan(sum[p][e]) && !isnan(sum[0][e]))) {
          sum[0][e] = sum[p][e];
          best[e] = p;
        }
    const uint at = ((sample_number * Y_H + tile_y) * Y_W + tile_x) * OUT_C + group * GROUP_OUT + channel;
    [[unroll]] for (uint e = 0; e < 4; ++e)
      if (channel + e < GROUP_OUT) {
        y[at + e] = activate(F, ALPHA, sum[0][e]);
        winner[at + e] = best[e];
      }
    return;
  }
  [[unroll]] for (uint p = 0; p < PIXELS; ++p) {
    const uint oy = tile_y * TILE_H + p / TILE_W, ox = tile_x * TILE_W + p % TILE_W;
    if (oy >= OUT_H || ox >= OUT_W) continue;
    const uint at = ((sample_number * OUT_H + oy) * OUT_W + ox) * OUT_C + group * GROUP_OUT + channel;
    [[unroll]] for (uint e = 0; e < 4; ++e)
      if (channel + e < GROUP_OUT) y[at + e] = activate(F, ALPHA, sum[p][e]);
  }
}
