// numbers → the same numbers elsewhere: a part of each pixel of a concatenation, or channels last ↔ the published order.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint N = 1;      // numbers of a sample of the part
layout(constant_id = 2) const uint WIDTH = 1;  // of a pixel of the part; of a reordering: channels
layout(constant_id = 3) const uint WHOLE = 1;  // of a pixel of the whole; 0 = reorder
layout(constant_id = 4) const uint OFFSET = 0;
layout(constant_id = 5) const bool BACK = false;  // from the whole to the part; from the published order
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) writeonly buffer Y { float y[]; };

void main() {
  const uint i = thread_number();
  if (i >= push.rows * N) return;
  uint other = i / WIDTH * WHOLE + OFFSET + i % WIDTH;
  if (WHOLE == 0) {
    const uint at = i % N, area = N / WIDTH;  // channels last
    other = i - at + at % WIDTH * area + at / WIDTH;
  }
  if (BACK)
    y[i] = x[other];
  else
    y[other] = x[i];
}
