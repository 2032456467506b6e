// the epoch's order + samples as they lie → the rows of a batch: bytes through a table, floats as they are.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint SIZE = 1;    // numbers in a row
layout(constant_id = 2) const uint TABLES = 0;  // 0: floats; else bytes, number i through table i % TABLES
layout(constant_id = 3) const uint BATCH = 1;   // samples of a whole batch
layout(binding = 0) readonly buffer Start { uint start[]; };  // [0]: position of the recording's first sample
layout(binding = 1) readonly buffer Order { uint order[]; };
layout(binding = 2) readonly buffer Samples { uint samples[]; };
layout(binding = 3) readonly buffer Table { float table[]; };
layout(binding = 4) writeonly buffer X { float x[]; };

void main() {
  const uint i = thread_number();
  if (i >= push.rows * SIZE) return;
  const uint row = i / SIZE, at = i % SIZE;
  const uint from = order[start[0] + push.step * BATCH + row] * SIZE + at;
  if (TABLES == 0)
    x[i] = uintBitsToFloat(samples[from]);
  else
    x[i] = table[at % max(TABLES, 1u) * 256 + (samples[from / 4] >> from % 4 * 8 & 255u)];
}
