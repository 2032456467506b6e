// pieces of a sum → y = f(Σ + b), or dx = Σ·f'(x) of the layer below. LANES threads share the pieces of a number, each every
// LANES-th, and their sums are added in order.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "activation.glsl"
layout(constant_id = 1) const uint PIECES = 1;
layout(constant_id = 2) const uint N = 1;         // numbers of a sample
layout(constant_id = 3) const bool BACK = false;  // dx, not y
layout(constant_id = 4) const uint F = 0;
layout(constant_id = 5) const float ALPHA = 0;
layout(constant_id = 6) const bool BIAS = false;
layout(constant_id = 7) const uint LANES = 1;
layout(binding = 0) readonly buffer Pieces { float piece[]; };
layout(binding = 1) writeonly buffer Y { float y[]; };
layout(binding = 2) readonly buffer Extra { float extra[]; };  // the bias, or y of the layer below
shared float part[256];

void main() {
  const uint t = gl_LocalInvocationID.x, width = 256 / LANES, count = push.rows * N;
  const uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * width + t % width;
  float sum = 0.0;
  if (i < count)
    for (uint p = t / width; p < PIECES; p += LANES) sum += piece[p * count + i];
  if (LANES > 1) {
    part[t] = sum;
    barrier();
    if (t >= width) return;
    for (uint l = 1; l < LANES; ++l) sum += part[l * width + t];
  }
  if (i >= count) return;
  if (BACK)
    y[i] = F == kIdentity ? sum : activate_back(F, ALPHA, 0.0, extra[i], sum);
  else
    y[i] = activate(F, ALPHA, BIAS ? sum + extra[i % N] : sum);
}
