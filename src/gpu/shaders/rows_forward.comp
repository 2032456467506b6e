// few rows × W → pieces of y: W is read once, 64 bytes by four threads; one panel of 16 outputs and one piece of the sum a workgroup.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint ROWS = 1;  // room for so many, at most 16
layout(constant_id = 2) const uint IN = 1;
layout(constant_id = 3) const uint OUT = 1;
layout(constant_id = 4) const uint PIECES = 1;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer W { vec4 w[]; };
layout(binding = 2) writeonly buffer Piece { float piece[]; };
const uint LANES = 64;  // of 256 threads, four for each row of a panel
shared vec4 part[4 * 256];

void main() {
  const uint t = gl_LocalInvocationID.x, panel = gl_WorkGroupID.x, number = gl_WorkGroupID.y;
  const uint lane = t / 4, quad = t % 4, length = ceil_div(IN, PIECES);
  const uint begin = number * length, end = min(begin + length, IN);
  vec4 sum[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; ++r) sum[r] = vec4(0);
  for (uint k = begin + lane; k < end; k += LANES) {
    const vec4 weights = w[(panel * IN + k) * 4 + quad];
    [[unroll]] for (uint r = 0; r < ROWS; ++r) sum[r] = fma(vec4(x[min(r, push.rows - 1) * IN + k]), weights, sum[r]);
  }
  [[unroll]] for (uint first = 0; first < ROWS; first += 4) {
    [[unroll]] for (uint r = 0; r < 4; ++r) part[r * 256 + t] = first + r < ROWS ? sum[min(first + r, ROWS - 1)] : vec4(0);
    barrier();
    const uint r = t / 64, at = r * 256 + t % 4, group = t % 64 / 4;  // 16 groups of four lanes
    const vec4 four = part[at + group * 16] + part[at + group * 16 + 4] + part[at + group * 16 + 8] + part[at + group * 16 + 12];
    barrier();
    part[at + group * 4] = four;
    barrier();
    if (group == 0 && first + r < push.rows) {
      vec4 all = vec4(0);
      for (uint i = 0; i < 16; ++i) all += part[at + i * 4];
      const uint j = panel * kPanel + quad * 4;
      [[unroll]] for (uint e = 0; e < 4; ++e)
        if (j + e < OUT) piece[(number * push.rows + first + r) * OUT + j + e] = all[e];
    }
    barrier();
  }
}
