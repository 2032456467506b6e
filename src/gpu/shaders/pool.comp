// images → pooled images and back: maximum with the winner's number in its window, or average. Of equal maxima the first wins.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const bool BACK = false;
layout(constant_id = 2) const bool AVERAGE = false;
layout(constant_id = 3) const uint IN_H = 1;
layout(constant_id = 4) const uint IN_W = 1;
layout(constant_id = 5) const uint CHANNELS = 1;
layout(constant_id = 6) const uint OUT_H = 1;
layout(constant_id = 7) const uint OUT_W = 1;
layout(constant_id = 8) const uint SIZE_H = 1;
layout(constant_id = 9) const uint SIZE_W = 1;
layout(constant_id = 10) const uint STRIDE_H = 1;
layout(constant_id = 11) const uint STRIDE_W = 1;
layout(constant_id = 12) const uint PADDING_H = 0;
layout(constant_id = 13) const uint PADDING_W = 0;
layout(binding = 0) readonly buffer From { float from[]; };
layout(binding = 1) writeonly buffer To { float to[]; };
layout(binding = 2) buffer Winner { uint winner[]; };

void forward(uint i) {
  const uint c = i % CHANNELS, ox = i / CHANNELS % OUT_W, oy = i / (CHANNELS * OUT_W) % OUT_H;
  const uint image = i / (CHANNELS * OUT_W * OUT_H) * IN_H * IN_W * CHANNELS + c;
  float result = 0.0;
  uint best = 0;
  bool any_yet = false;
  for (uint k = 0; k < SIZE_H * SIZE_W; ++k) {
    const uint y = oy * STRIDE_H + k / SIZE_W - PADDING_H, x = ox * STRIDE_W + k % SIZE_W - PADDING_W;
    if (y >= IN_H || x >= IN_W) continue;
    const float v = from[image + (y * IN_W + x) * CHANNELS];
    if (AVERAGE) {
      result += v;
    } else if (!any_yet || v > result || (isnan(v) && !isnan(result))) {
      result = v;
      best = k;
      any_yet = true;
    }
  }
  to[i] = AVERAGE ? result / float(SIZE_H * SIZE_W) : result;
  if (!AVERAGE) winner[i] = best;
}

void backward(uint i) {
  const uint c = i % CHANNELS, x = i / CHANNELS % IN_W + PADDING_W, y = i / (CHANNELS * IN_W) % IN_H + PADDING_H;
  const uint image = i / (CHANNELS * IN_W * IN_H) * OUT_H * OUT_W * CHANNELS + c;
  float sum = 0.0;
  for (uint oy = y < SIZE_H ? 0 : (y - SIZE_H) / STRIDE_H + 1; oy < OUT_H && oy * STRIDE_H <= y; ++oy)
    for (uint ox = x < SIZE_W ? 0 : (x - SIZE_W) / STRIDE_W + 1; ox < OUT_W && ox * STRIDE_W <= x; ++ox) {
      const uint at = image + (oy * OUT_W + ox) * CHANNELS;
      if (AVERAGE || winner[at] == (y - oy * STRIDE_H) * SIZE_W + x - ox * STRIDE_W) sum += from[at];
    }
  to[i] = AVERAGE ? sum / float(SIZE_H * SIZE_W) : sum;
}

void main() {
  const uint i = thread_number();
  if (i >= push.rows * CHANNELS * (BACK ? IN_H * IN_W : OUT_H * OUT_W)) return;
  if (BACK)
    backward(i);
  else
    forward(i);
}
