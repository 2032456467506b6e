// rows of logits → probabilities or their logarithms, and back: a row a thread.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint N = 1;
layout(constant_id = 2) const bool LOG = false;
layout(constant_id = 3) const bool BACK = false;
layout(binding = 0) readonly buffer X { float x[]; };  // x, or y when BACK
layout(binding = 1) readonly buffer D { float d[]; };
layout(binding = 2) writeonly buffer Y { float y[]; };

void main() {
  const uint row = thread_number(), at = row * N;
  if (row >= push.rows) return;
  float sum = 0.0;
  if (BACK) {
    for (uint j = 0; j < N; ++j) sum += LOG ? d[at + j] : d[at + j] * x[at + j];
    for (uint j = 0; j < N; ++j) y[at + j] = LOG ? d[at + j] - exp(x[at + j]) * sum : x[at + j] * (d[at + j] - sum);
    return;
  }
  float top = x[at];
  for (uint j = 1; j < N; ++j) top = x[at + j] <= top ? top : x[at + j];
  for (uint j = 0; j < N; ++j) sum += exp(x[at + j] - top);
  const float log_sum = log(sum);
  for (uint j = 0; j < N; ++j) y[at + j] = LOG ? x[at + j] - top - log_sum : exp(x[at + j] - top) / sum;
}
