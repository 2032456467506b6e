// a last linear layer of few outputs, its loss and what both hand back: y, record, dy, dx, in one workgroup. At most 1024 outputs
// in a batch, 16 of a sample.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "activation.glsl"
#include "loss.glsl"
layout(constant_id = 14) const uint IN = 1;
layout(constant_id = 15) const bool BIAS = false;
layout(constant_id = 16) const bool BACK = false;  // dx is wanted
layout(constant_id = 17) const uint G = 0;         // activation of the layer below, undone
layout(constant_id = 18) const float BETA = 0;     // and its alpha
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 0) readonly buffer X4 { vec4 x4[]; };
layout(binding = 5) readonly buffer W { vec4 w[]; };
layout(binding = 6) readonly buffer Bias { float bias[]; };
layout(binding = 7) writeonly buffer Out { float dx[]; };
layout(binding = 8) writeonly buffer Y { float y[]; };
layout(binding = 9) writeonly buffer Dy { float dy[]; };
layout(binding = 10) writeonly buffer Records { float record[]; };
layout(constant_id = 19) const uint PARTS = 4;     // threads that share the sums of a row
const uint QUADS = (N + 3) / 4;
shared float output_of[1024];               // y, and once its loss is known dy
shared vec4 part[256];

float y_at(uint i) { return output_of[i]; }
void leave(uint i, float gradient) {
  if (GRADIENT) output_of[i] = undone(i, gradient);
}

void forward(uint first_row) {
  const uint t = gl_LocalInvocationID.x, row = first_row + t / PARTS;
  vec4 sum[QUADS];
  [[unroll]] for (uint q = 0; q < QUADS; ++q) sum[q] = vec4(0);
  if (row < push.rows) {
    if (IN % 4 == 0) {
      for (uint k = t % PARTS * 4; k < IN; k += PARTS * 4) {
        const vec4 four = x4[(row * IN + k) / 4];
        [[unroll]] for (uint e = 0; e < 4; ++e)
          [[unroll]] for (uint q = 0; q < QUADS; ++q) sum[q] = fma(vec4(four[e]), w[(k + e) * 4 + q], sum[q]);
      }
    } else {
      for (uint k = t % PARTS; k < IN; k += PARTS)
        [[unroll]] for (uint q = 0; q < QUADS; ++q) sum[q] = fma(vec4(x[row * IN + k]), w[k * 4 + q], sum[q]);
    }
  }
  [[unroll]] for (uint q = 0; q < QUADS; ++q) {
    part[t] = sum[q];
    barrier();
    if (t % PARTS == 0 && row < push.rows) {
      vec4 all = part[t];
      for (uint p = 1; p < PARTS; ++p) all += part[t + p];
      [[unroll]] for (uint e = 0; e < 4; ++e) {
        const uint j = q * 4 + e;
        if (j >= N) break;
        const float value = activate(F, ALPHA, BIAS ? all[e] + bias[j] : all[e]);
        output_of[row * N + j] = value;
        y[row * N + j] = value;
      }
    }
    barrier();
  }
}

void backward() {
  const uint t = gl_LocalInvocationID.x, columns = min(IN, 256u), lines = 256 / columns;
  for (uint k = t % columns; k < IN && t / columns < lines; k += columns) {
    vec4 weights[QUADS];
    [[unroll]] for (uint q = 0; q < QUADS; ++q) weights[q] = w[k * 4 + q];
    for (uint row = t / columns; row < push.rows; row += lines) {
      float sum = 0.0;
      [[unroll]] for (uint j = 0; j < N; ++j) sum = fma(output_of[row * N + j], weights[j / 4][j % 4], sum);
      const uint at = row * IN + k;
      dx[at] = G == kIdentity ? sum : activate_back(G, BETA, 0.0, x[at], sum);
    }
  }
}

void main() {
  const uint t = gl_LocalInvocationID.x;
  for (uint row = 0; row < push.rows; row += 256 / PARTS) forward(row);
  const vec3 sum = losses_of_batch();
  if (t == 0)
    for (uint i = 0; i < 3; ++i) record[push.step * 4 + i] = sum[i];
  if (!GRADIENT) return;
  barrier();
  for (uint i = t; i < push.rows * N; i += 256) dy[i] = output_of[i];
  if (BACK) backward();
}
