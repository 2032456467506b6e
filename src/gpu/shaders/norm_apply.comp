// rows of channels → normalised rows; or BACK: dy → dx of batch norm.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint CHANNELS = 1;
layout(constant_id = 2) const uint PER_SAMPLE = 1;  // rows
layout(constant_id = 3) const bool BACK = false;
layout(constant_id = 4) const uint SHIFT_AT = 1;  // of dshift among the sums
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer Dy { float dy[]; };
layout(binding = 2) readonly buffer Saved { float saved[]; };  // mean, 1/deviation, factor, offset
layout(binding = 3) readonly buffer Sums { float sums[]; };    // dscale, dshift
layout(binding = 4) writeonly buffer Y { float y[]; };

void main() {
  const uint i = thread_number(), rows = push.rows * PER_SAMPLE, c = i % CHANNELS;
  if (i >= rows * CHANNELS) return;
  if (!BACK) {
    y[i] = fma(x[i], saved[2 * CHANNELS + c], saved[3 * CHANNELS + c]);
    return;
  }
  const float normal = (x[i] - saved[c]) * saved[CHANNELS + c];
  y[i] = saved[2 * CHANNELS + c] * (dy[i] - (sums[SHIFT_AT + c] + normal * sums[c]) / float(rows));
}
