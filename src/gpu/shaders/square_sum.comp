// numbers → the sum of their squares, in pieces of 65536; and the pieces → the factor that clips a gradient's norm.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint N = 1;             // numbers, or pieces
layout(constant_id = 2) const bool FACTOR = false;    // the pieces' sum → min(1, NORM / (√sum + 1e-6))
layout(constant_id = 3) const float NORM = 1;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) writeonly buffer Y { float y[]; };
const uint PIECE = 65536;
shared float part[256];

void main() {
  const uint t = gl_LocalInvocationID.x, first = gl_WorkGroupID.x * PIECE, end = min(first + PIECE, N);
  float sum = 0.0;
  for (uint i = first + t; i < end; i += 256) sum += FACTOR ? x[i] : x[i] * x[i];
  part[t] = sum;
  for (uint half_of = 128; half_of > 0; half_of /= 2) {
    barrier();
    if (t < half_of) part[t] += part[t + half_of];
  }
  if (t == 0) y[gl_WorkGroupID.x] = FACTOR ? min(1.0, NORM / (sqrt(part[0]) + 1e-6)) : part[0];
}
