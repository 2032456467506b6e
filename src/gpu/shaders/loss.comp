// outputs + targets → loss, weight, hits of the batch, and dy.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "activation.glsl"
#include "loss.glsl"
layout(binding = 0) readonly buffer Y { float y[]; };
layout(binding = 5) writeonly buffer Dy { float dy[]; };
layout(binding = 6) writeonly buffer Records { float record[]; };

float y_at(uint i) { return y[i]; }
void leave(uint i, float gradient) {
  if (GRADIENT) dy[i] = undone(i, gradient);
}

void main() {
  const vec3 sum = losses_of_batch();
  if (gl_LocalInvocationID.x > 0) return;
  for (uint i = 0; i < 3; ++i) record[push.step * 4 + i] = sum[i];
}
