// values → values of the same size, one number a thread: what OP says.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "activation.glsl"
layout(constant_id = 1) const uint OP = 0;
layout(constant_id = 2) const uint N = 1;  // numbers of a sample
layout(constant_id = 3) const uint F = 0;
layout(constant_id = 4) const float ALPHA = 0;
layout(binding = 0) readonly buffer A { float a[]; };
layout(binding = 1) readonly buffer B { float b[]; };
layout(binding = 2) readonly buffer D { float d[]; };
layout(binding = 3) writeonly buffer Y { float y[]; };  // may be a, b or d as well: a thread reads and writes the same place
const uint kActivate = 0;      // y = f(a)
const uint kActivateBack = 1;  // y = d·f'(a), b = f(a)
const uint kAdd = 2;           // y = a + b
const uint kMultiply = 3;      // y = a·b
const uint kCopy = 4;          // y = a

void main() {
  const uint i = thread_number();
  if (i >= push.rows * N) return;
  switch (OP) {
    case kActivate: y[i] = activate(F, ALPHA, a[i]); break;
    case kActivateBack: y[i] = activate_back(F, ALPHA, a[i], b[i], d[i]); break;
    case kAdd: y[i] = a[i] + b[i]; break;
    case kMultiply: y[i] = a[i] * b[i]; break;
    default: y[i] = a[i];
  }
}
