// rows of channels → what batch norm keeps of them: mean, 1/deviation, factor, offset, and the moved running statistics; or
// BACK: dshift, dscale and the two of them over the number of rows. Sixteen channels and sixteen parts of the rows a workgroup.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
layout(constant_id = 1) const uint CHANNELS = 1;
layout(constant_id = 2) const uint PER_SAMPLE = 1;  // rows
layout(constant_id = 3) const bool BACK = false;
layout(constant_id = 4) const bool TRAINING = true;  // else the running statistics serve
layout(constant_id = 5) const float MOMENTUM = 0;
layout(constant_id = 6) const float EPSILON = 0;
layout(constant_id = 7) const uint SHIFT_AT = 1;  // of dshift among the sums
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer Dy { float dy[]; };
layout(binding = 2) readonly buffer Scale { float scale[]; };
layout(binding = 3) readonly buffer Shift { float shift[]; };
layout(binding = 4) buffer Mean { float running_mean[]; };
layout(binding = 5) buffer Variance { float running_variance[]; };
layout(binding = 6) buffer Saved { float saved[]; };             // mean, 1/deviation, factor, offset
layout(binding = 7) writeonly buffer Sums { float sums[]; };     // BACK: dscale, dshift
shared float part[256];

float sum_of_parts(float mine) {
  const uint t = gl_LocalInvocationID.x;
  barrier();
  part[t] = mine;
  barrier();
  float sum = 0.0;
  for (uint p = 0; p < 16; ++p) sum += part[p * 16 + t % 16];
  return sum;
}

void main() {
  const uint t = gl_LocalInvocationID.x, rows = push.rows * PER_SAMPLE, c = gl_WorkGroupID.x * 16 + t % 16;
  const bool mine = c < CHANNELS;
  if (BACK) {
    float dshift = 0.0, dscale = 0.0;
    const float mean = mine ? saved[c] : 0.0;
    for (uint r = t / 16; r < rows && mine; r += 16) {
      const float d = dy[r * CHANNELS + c];
      dshift += d;
      dscale += (x[r * CHANNELS + c] - mean) * d;
    }
    dshift = sum_of_parts(dshift);
    dscale = sum_of_parts(dscale);
    if (t >= 16 || !mine) return;
    sums[c] = dscale * saved[CHANNELS + c];
    sums[SHIFT_AT + c] = dshift;
    return;
  }
  float mean = mine ? running_mean[c] : 0.0, variance = mine ? running_variance[c] : 0.0;
  if (TRAINING) {
    float sum = 0.0;
    for (uint r = t / 16; r < rows && mine; r += 16) sum += x[r * CHANNELS + c];
    const float batch_mean = sum_of_parts(sum) / float(rows);
    float square = 0.0;
    for (uint r = t / 16; r < rows && mine; r += 16) {
      const float d = x[r * CHANNELS + c] - batch_mean;
      square += d * d;
    }
    square = sum_of_parts(square);
    if (t >= 16 || !mine) return;
    const float unbiased = rows > 1 ? square / float(rows - 1) : square / float(rows);
    running_mean[c] = mean + MOMENTUM * (batch_mean - mean);
    running_variance[c] = variance + MOMENTUM * (unbiased - variance);
    mean = batch_mean;
    variance = square / float(rows);
  }
  if (t >= 16 || !mine) return;
  const float inverse = 1.0 / sqrt(variance + EPSILON), factor = scale[c] * inverse;
  saved[c] = mean;
  saved[CHANNELS + c] = inverse;
  saved[2 * CHANNELS + c] = factor;
  saved[3 * CHANNELS + c] = shift[c] - mean * factor;
}
