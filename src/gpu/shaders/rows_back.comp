// few rows of dy × Wᵀ → pieces of dx: each thread an input, PANELS panels of outputs a workgroup, so that W is read once.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint ROWS = 1;  // room for so many, at most 16
layout(constant_id = 2) const uint IN = 1;
layout(constant_id = 3) const uint OUT = 1;
const uint PANELS = 8;
layout(binding = 0) readonly buffer Dy { float dy[]; };
layout(binding = 1) readonly buffer W { vec4 w[]; };
layout(binding = 2) writeonly buffer Piece { float piece[]; };
shared vec4 rows[ROWS * PANELS * 4];

void main() {
  const uint first_panel = gl_WorkGroupID.y * PANELS, last_panel = min(first_panel + PANELS, ceil_div(OUT, kPanel));
  for (uint v = gl_LocalInvocationID.x; v < ROWS * PANELS * 4; v += gl_WorkGroupSize.x) {
    const uint r = v / (PANELS * 4), j = first_panel * kPanel + v % (PANELS * 4) * 4;
    vec4 four = vec4(0);
    [[unroll]] for (uint e = 0; e < 4; ++e)
      if (r < push.rows && j + e < OUT) four[e] = dy[r * OUT + j + e];
    rows[v] = four;
  }
  barrier();
  const uint i = gl_WorkGroupID.x * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
  if (i >= IN) return;
  float sum[ROWS];
  [[unroll]] for (uint r = 0; r < ROWS; ++r) sum[r] = 0.0;
  for (uint panel = first_panel; panel < last_panel; ++panel)
    [[unroll]] for (uint q = 0; q < 4; ++q) {
      const vec4 weights = w[(panel * IN + i) * 4 + q];
      [[unroll]] for (uint r = 0; r < ROWS; ++r) sum[r] += dot(weights, rows[(r * PANELS + panel - first_panel) * 4 + q]);
    }
  [[unroll]] for (uint r = 0; r < ROWS; ++r)
    if (r < push.rows) piece[(gl_WorkGroupID.y * push.rows + r) * IN + i] = sum[r];
}
