// outputs + targets → loss, weight, hits of the batch, and the gradient: the formulas of src/nn/loss.cpp, kinds numbered as
// LossConfig::Kind. Who includes it defines y_at and leave, and has N, F, ALPHA.
layout(constant_id = 1) const uint KIND = 0;
layout(constant_id = 2) const uint N = 1;  // outputs
layout(constant_id = 3) const float SMOOTHING = 0;
layout(constant_id = 4) const uint CODES = 0;        // table holds so many
layout(constant_id = 5) const bool WEIGHTS = false;  // table holds one for each class
layout(constant_id = 6) const bool GRADIENT = true;
layout(constant_id = 7) const uint BATCH = 1;
layout(constant_id = 8) const uint F = 0;  // the activation fused into what wrote y, undone
layout(constant_id = 9) const float ALPHA = 0;
layout(constant_id = 10) const bool VALUES = false;       // a target is a number for each output, not a label
layout(constant_id = 11) const bool ROW_WEIGHTS = false;  // and behind it how much its row counts
layout(constant_id = 12) const float DELTA = 1;
layout(constant_id = 13) const float QUANTILE = 0.5;
layout(binding = 1) readonly buffer Start { uint start[]; };
layout(binding = 2) readonly buffer Order { uint order[]; };
layout(binding = 3) readonly buffer Targets { uint targets[]; };
layout(binding = 4) readonly buffer Table { float table[]; };

/// Output i of the batch, and where its gradient goes, after which it may be gone.
float y_at(uint i);
void leave(uint i, float gradient);

const uint kCrossEntropy = 0, kQuadratic = 1, kBinaryCrossEntropy = 2, kNll = 3, kAbsolute = 4, kHuber = 5, kQuantile = 6;
const uint STRIDE = (VALUES ? N : 1) + (ROW_WEIGHTS ? 1 : 0);  // of a sample's targets
shared float losses[256];
shared float weights[256];
shared uint hits[256];

float weight_of(uint class_number) { return WEIGHTS ? table[class_number] : 1.0; }
float row_weight(uint from) { return ROW_WEIGHTS ? uintBitsToFloat(targets[from + STRIDE - 1]) : 1.0; }
float target(uint from, uint j) {
  if (VALUES) return uintBitsToFloat(targets[from + j]);
  return CODES > 0 ? table[targets[from]] : j == targets[from] ? 1.0 : 0.0;
}

uint predicted(uint at) {
  uint best = 0;
  if (CODES == 0) {
    for (uint j = 1; j < N; ++j)
      if (y_at(at + j) > y_at(at + best)) best = j;
    return best;
  }
  const float value = KIND == kBinaryCrossEntropy ? sigmoid_of(y_at(at)) : y_at(at);
  for (uint c = 1; c < CODES; ++c)
    if (abs(value - table[c]) < abs(value - table[best])) best = c;
  return best;
}

float undone(uint i, float gradient) { return F == kIdentity ? gradient : activate_back(F, ALPHA, 0.0, y_at(i), gradient); }

float cross_entropy(uint at, uint label, float scale) {
  float largest = y_at(at), sum = 0.0;
  for (uint j = 1; j < N; ++j) largest = y_at(at + j) <= largest ? largest : y_at(at + j);  // NaN wins
  for (uint j = 0; j < N; ++j) sum += exp(y_at(at + j) - largest);
  const float log_sum = log(sum), smooth_part = SMOOTHING / float(N);
  float loss = 0.0, weight = 0.0;
  for (uint j = 0; j < N; ++j) {
    const float t = (smooth_part + (j == label ? 1.0 - SMOOTHING : 0.0)) * weight_of(j);
    weight += t;
    if (t != 0.0) loss -= t * (y_at(at + j) - largest - log_sum);
  }
  for (uint j = 0; j < N; ++j) {
    const float t = (smooth_part + (j == label ? 1.0 - SMOOTHING : 0.0)) * weight_of(j);
    leave(at + j, scale * (weight * exp(y_at(at + j) - largest - log_sum) - t));
  }
  return loss;
}

float each_output(uint at, uint from, float scale) {
  float loss = 0.0;
  for (uint j = 0; j < N; ++j) {
    const float x = y_at(at + j), t = target(from, j), error = x - t;
    float slope = 0.0;
    switch (KIND) {
      case kQuadratic:
        slope = 2.0 * error;
        loss += error * error;
        break;
      case kBinaryCrossEntropy:
        slope = sigmoid_of(x) - t;
        loss += max(x, 0.0) - x * t + log_1_plus(exp(-abs(x)));
        break;
      case kAbsolute:
        slope = x > t ? 1.0 : x < t ? -1.0 : 0.0;
        loss += abs(error);
        break;
      case kHuber:
        slope = clamp(error, -DELTA, DELTA);
        loss += abs(error) <= DELTA ? error * error / 2.0 : DELTA * (abs(error) - DELTA / 2.0);
        break;
      case kQuantile:
        slope = x > t ? 1.0 - QUANTILE : x < t ? -QUANTILE : 0.0;
        loss += slope * error;
    }
    leave(at + j, scale * slope / float(N));
  }
  return loss / float(N);
}

float nll(uint at, uint label, float scale) {
  const float weight = weight_of(label), loss = -weight * y_at(at + label);
  for (uint j = 0; j < N; ++j) leave(at + j, j == label ? -scale * weight : 0.0);
  return loss;
}

/// The class is right; or every label is, where there are several.
bool hit(uint at, uint from) {
  if (!VALUES) return predicted(at) == targets[from];
  bool all_right = KIND == kBinaryCrossEntropy;
  for (uint j = 0; all_right && j < N; ++j) all_right = (y_at(at + j) >= 0.0) == (target(from, j) >= 0.5);
  return all_right;
}

/// All rows of the batch, all 256 threads: {loss, weight, hits} in thread 0.
vec3 losses_of_batch() {
  const uint t = gl_LocalInvocationID.x, first = start[0] + push.step * BATCH;
  const bool of_classes = KIND == kCrossEntropy || KIND == kNll;
  float weight = 0.0;
  for (uint r = t; r < push.rows; r += 256) {
    const uint from = order[first + r] * STRIDE;
    weight += row_weight(from) * (of_classes ? weight_of(targets[from]) : 1.0);
  }
  weights[t] = weight;
  for (uint half_of = 128; half_of > 0; half_of /= 2) {
    barrier();
    if (t < half_of) weights[t] += weights[t + half_of];
  }
  barrier();
  const float scale = weights[0] > 0.0 ? 1.0 / weights[0] : 0.0;
  float loss = 0.0;
  uint right = 0;
  for (uint r = t; r < push.rows; r += 256) {
    const uint from = order[first + r] * STRIDE, at = r * N;
    const float counts = row_weight(from);
    right += hit(at, from) ? 1 : 0;
    loss += counts * (KIND == kCrossEntropy ? cross_entropy(at, targets[from], counts * scale)
                      : KIND == kNll        ? nll(at, targets[from], counts * scale)
                                            : each_output(at, from, counts * scale));
  }
  losses[t] = loss;
  hits[t] = right;
  for (uint half_of = 128; half_of > 0; half_of /= 2) {
    barrier();
    if (t < half_of) {
      losses[t] += losses[t + half_of];
      hits[t] += hits[t + half_of];
    }
  }
  return vec3(losses[0], weights[0], float(hits[0]));
}
