// x → f(x), and dy → dy·f'(x): the functions of include/soma/network.h, numbered as there.
const uint kIdentity = 0, kRelu = 1, kLeakyRelu = 2, kElu = 3, kSelu = 4, kSigmoid = 5, kTanh = 6, kSoftplus = 7, kGelu = 8, kSilu = 9;
const float kSeluScale = 1.0507009873554805, kSeluSlope = 1.7580993408473766;  // Klambauer et al. 2017, equation 14

// GLSL has neither expm1 nor log1p, and its tanh may lose the digits of a small x.
float exp_minus_1(float x) {
  if (abs(x) >= 0.5) return exp(x) - 1.0;
  return x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0 * (1.0 + x / 8.0)))))));
}

// 0 ≤ z ≤ 1: 2·artanh(z / (2 + z)).
float log_1_plus(float z) {
  const float s = z / (2.0 + z), q = s * s;
  return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q / 13.0))))));
}

float sigmoid_of(float x) {
  const float z = exp(-abs(x));
  return (x >= 0.0 ? 1.0 : z) / (1.0 + z);
}

float tanh_of(float x) {
  const float e = exp_minus_1(-2.0 * abs(x)), y = -e / (2.0 + e);
  return x < 0.0 ? -y : y;
}

// erfc with a relative error below 1.2e-7 everywhere: Press et al., Numerical Recipes, section 6.2.
float erfc_of(float x) {
  const float z = abs(x), t = 1.0 / (1.0 + 0.5 * z);
  const float p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (0.27886807 +
                  t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  const float y = t * exp(-z * z + p);
  return x >= 0.0 ? y : 2.0 - y;
}
float normal_cdf(float x) { return 0.5 * erfc_of(-x * 0.70710678118654752); }

float activate(uint kind, float alpha, float x) {
  switch (kind) {
    case kRelu: return x <= 0.0 ? 0.0 : x;
    case kLeakyRelu: return x <= 0.0 ? alpha * x : x;
    case kElu: return x < 0.0 ? alpha * exp_minus_1(x) : x;
    case kSelu: return x < 0.0 ? kSeluSlope * exp_minus_1(x) : kSeluScale * x;
    case kSigmoid: return sigmoid_of(x);
    case kTanh: return tanh_of(x);
    case kSoftplus: return (x <= 0.0 ? 0.0 : x) + log_1_plus(exp(-abs(x)));
    case kGelu: return x * normal_cdf(x);
    case kSilu: return x * sigmoid_of(x);
  }
  return x;
}

// From y = f(x) alone, but for gelu and silu, which read x.
float activate_back(uint kind, float alpha, float x, float y, float dy) {
  switch (kind) {
    case kRelu: return y <= 0.0 ? 0.0 : dy;
    case kLeakyRelu: return y <= 0.0 ? dy * alpha : dy;
    case kElu: return dy * (y <= 0.0 ? y + alpha : 1.0);
    case kSelu: return dy * (y <= 0.0 ? y + kSeluSlope : kSeluScale);
    case kSigmoid: return dy * (y * (1.0 - y));
    case kTanh: return dy * (1.0 - y * y);
    case kSoftplus: return dy * -exp_minus_1(-y);
    case kGelu: return dy * (normal_cdf(x) + x * (exp(-0.5 * x * x) * 0.39894228040143268));
    case kSilu: {
      const float s = sigmoid_of(x);
      return dy * (s * (1.0 + x * (1.0 - s)));
    }
  }
  return dy;
}
