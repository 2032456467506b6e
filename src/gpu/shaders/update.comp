// pieces of a gradient → their sum in order → moved parameters, and the gradient kept where wanted.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "update.glsl"
layout(constant_id = 1) const uint PIECES = 1;         // 0: as many as the batch has rows
layout(constant_id = 2) const uint STRIDE = 1;         // numbers from one piece to the next
layout(constant_id = 3) const uint N = 1;              // numbers that have a gradient; what lies behind up to a multiple of 4 has none
layout(constant_id = 4) const uint LANES = 1;          // threads that share the pieces of four numbers
layout(constant_id = 5) const bool MOVE = false;       // take the optimizer's step
layout(constant_id = 6) const bool KEEP = false;       // leave the gradient behind
layout(constant_id = 7) const uint KIND = 0;           // of optimizer
layout(constant_id = 8) const bool PENALISED = false;  // l1 and l2 reach these
layout(constant_id = 9) const bool CLIPPED = false;    // by the factor in clip[0]
layout(binding = 0) readonly buffer Pieces { float piece[]; };
layout(binding = 0) readonly buffer Pieces4 { vec4 piece4[]; };
layout(binding = 1) buffer W { vec4 w[]; };
layout(binding = 2) readonly buffer Numbers { float numbers[]; };
layout(binding = 3) buffer S0 { vec4 s0[]; };
layout(binding = 4) buffer S1 { vec4 s1[]; };
layout(binding = 5) writeonly buffer G { vec4 g[]; };
layout(binding = 6) readonly buffer Clip { float clip[]; };
shared vec4 part[256];

vec4 four(uint p, uint at) {
  if (STRIDE % 4 == 0 && N % 4 == 0) return piece4[(p * STRIDE + at) / 4];
  vec4 v = vec4(0);
  [[unroll]] for (uint e = 0; e < 4; ++e)
    if (at + e < N) v[e] = piece[p * STRIDE + at + e];
  return v;
}

void main() {
  const uint t = gl_LocalInvocationID.x, width = gl_WorkGroupSize.x / LANES, lane = t / width;
  const uint quad = gl_WorkGroupID.x * width + t % width, at = quad * 4, pieces = PIECES == 0 ? push.rows : PIECES;
  vec4 sum = vec4(0);
  if (at < N)
    for (uint p = lane; p < pieces; p += LANES) sum += four(p, at);
  if (LANES > 1) {
    part[t] = sum;
    barrier();
    if (lane > 0) return;
    for (uint l = 1; l < LANES; ++l) sum += part[l * width + t];
  }
  if (at >= N) return;
  if (KEEP) g[quad] = sum;
  if (!MOVE) return;
  const Update u = READ_UPDATE(numbers, push.step);
  if (CLIPPED) sum *= clip[0];
  vec4 weights = w[quad], first = has_first(KIND) ? s0[quad] : vec4(0), second = has_second(KIND) ? s1[quad] : vec4(0);
  move_four(KIND, u, PENALISED, weights, sum, first, second);
  w[quad] = weights;
  if (has_first(KIND)) s0[quad] = first;
  if (has_second(KIND)) s1[quad] = second;
}
