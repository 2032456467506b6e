// w, g and the optimizer's state → their next values: Update<float> of src/kernels/operations.h, kinds numbered as UpdateRule.
// Wants a constant KIND and a buffer `numbers` of kNumbers floats a step.
const uint kNumbers = 20;
const uint kSgd = 0, kMomentum = 1, kNesterov = 2, kAdagrad = 3, kAdadelta = 4, kRmsprop = 5, kAdam = 6, kNadam = 7;

struct Update {
  float rate, momentum, rho, beta1, beta2, epsilon, step1, step2, root2, gradient_scale, clip_value, l1, l2, weight_decay, rest_rho, rest1, rest2;
};

#define READ_UPDATE(n, step)                                                                                                      \
  Update(n[(step) * kNumbers], n[(step) * kNumbers + 1], n[(step) * kNumbers + 2], n[(step) * kNumbers + 3],                     \
         n[(step) * kNumbers + 4], n[(step) * kNumbers + 5], n[(step) * kNumbers + 6], n[(step) * kNumbers + 7],                 \
         n[(step) * kNumbers + 8], n[(step) * kNumbers + 9], n[(step) * kNumbers + 10], n[(step) * kNumbers + 11],               \
         n[(step) * kNumbers + 12], n[(step) * kNumbers + 13], n[(step) * kNumbers + 14], n[(step) * kNumbers + 15],             \
         n[(step) * kNumbers + 16])

/// Four weights side by side, with their gradients and their state.
void move_four(uint kind, const Update u, bool penalised, inout vec4 w, vec4 g, inout vec4 s0, inout vec4 s1) {
  g *= u.gradient_scale;
  if (u.clip_value > 0.0) g = clamp(g, -u.clip_value, u.clip_value);
  if (penalised) g += u.l1 * sign(w) + u.l2 * w;
  w *= 1.0 - u.rate * u.weight_decay;
  switch (kind) {
    case kSgd:
      w -= u.rate * g;
      return;
    case kMomentum:
      s0 = u.momentum * s0 + g;
      w -= u.rate * s0;
      return;
    case kNesterov:
      s0 = u.momentum * s0 + g;
      w -= u.rate * (g + u.momentum * s0);
      return;
    case kAdagrad:
      s0 += g * g;
      w -= u.rate * g / (sqrt(s0) + u.epsilon);
      return;
    case kAdadelta: {
      s0 = u.rho * s0 + u.rest_rho * g * g;
      const vec4 d = g * (sqrt(s1 + u.epsilon) / sqrt(s0 + u.epsilon));
      s1 = u.rho * s1 + u.rest_rho * d * d;
      w -= u.rate * d;
      return;
    }
    case kRmsprop:
      s0 = u.rho * s0 + u.rest_rho * g * g;
      w -= u.rate * g / (sqrt(s0) + u.epsilon);
      return;
    default:  // adam, nadam
      s0 = u.beta1 * s0 + u.rest1 * g;
      s1 = u.beta2 * s1 + u.rest2 * g * g;
      w -= (u.step1 * s0 + (kind == kNadam ? u.step2 * g : vec4(0))) / (sqrt(s1) * u.root2 + u.epsilon);
  }
}

bool has_first(uint kind) { return kind != kSgd; }
bool has_second(uint kind) { return kind == kAdadelta || kind >= kAdam; }
