// x → x·mask + offset: the mask that src/nn draws on the CPU, from Philox4x32-10 (src/core/random.h).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint N = 1;  // numbers of a sample
layout(constant_id = 2) const uint BATCH = 1;
layout(constant_id = 3) const uint SEED_LOW = 0;
layout(constant_id = 4) const uint SEED_HIGH = 0;
layout(constant_id = 5) const uint STREAM = 0;
layout(constant_id = 6) const uint LIMIT = 0;  // random numbers below it drop
layout(constant_id = 7) const float KEEP = 1;
layout(constant_id = 8) const float OFFSET = 0;
layout(constant_id = 9) const float DROPPED = 0;
layout(binding = 0) readonly buffer Start { uint start[]; };  // [1], [2]: number of the recording's first pass, low and high
layout(binding = 1) readonly buffer X { float x[]; };
layout(binding = 2) writeonly buffer Y { float y[]; };
layout(binding = 3) writeonly buffer Mask { float mask[]; };
const uint BLOCKS = (N + 3) / 4;  // four random numbers at a time

// Numbers of 64 bits as {low, high}.
uvec2 plus(uvec2 a, uint b) {
  uint carry;
  const uint low = uaddCarry(a.x, b, carry);
  return uvec2(low, a.y + carry);
}
uvec2 times(uvec2 a, uint b) {
  uint high, low;
  umulExtended(a.x, b, high, low);
  return uvec2(low, high + a.y * b);
}

uvec4 philox(uvec2 index) {
  uint key0 = SEED_LOW, key1 = SEED_HIGH;
  uvec4 v = uvec4(index, STREAM, 0);
  for (uint round_number = 0; round_number < 10; ++round_number) {
    uint high_a, low_a, high_b, low_b;
    umulExtended(0xD2511F53u, v.x, high_a, low_a);
    umulExtended(0xCD9E8D57u, v.z, high_b, low_b);
    v = uvec4(high_b ^ v.y ^ key0, low_b, high_a ^ v.w ^ key1, low_a);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return v;
}

void main() {
  const uint block = thread_number();
  if (block >= push.rows * BLOCKS) return;
  const uint row = block / BLOCKS, first = block % BLOCKS * 4;
  const uvec2 pass = plus(uvec2(start[1], start[2]), push.step);
  const uvec4 numbers = philox(plus(times(plus(times(pass, BATCH), row), BLOCKS), block % BLOCKS));
  for (uint e = 0; e < 4 && first + e < N; ++e) {
    const uint i = row * N + first + e;
    const bool dropped = numbers[e] < LIMIT;
    mask[i] = dropped ? 0.0 : KEEP;
    y[i] = dropped ? DROPPED : x[i] * KEEP + OFFSET;
  }
}
