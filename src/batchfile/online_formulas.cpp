// one neuron, one weight → their next values: activations, preprocessing, penalties, momentum, NADAM and alpha dropout as
// formulas.
#include <algorithm>
#include <cmath>

#include "batchfile/online.h"
#include "core/random.h"

namespace soma {
namespace {

// Klambauer and others, 2017: the fixed point of mean 0 and variance 1.
constexpr double kSeluAlpha = 1.6732632423543772848, kSeluScale = 1.0507009873554804934;

}  // namespace

OnlineRules rules_of(const BatchSettings& s) {
  const double lambda = s.lambda_l2.value_or(s.lambda);
  return {s.pre_processing,
          s.rate,
          lambda,
          s.penalise,
          s.lambda_l1.value_or(s.lambda),
          s.loss == BatchSettings::Loss::cross_entropy,
          s.scaled,
          s.optimizer,
          s.momentum,
          s.beta2,
          s.alpha_dropout,
          s.seed};
}

double activation(BatchLayer::Kind kind, double x) {
  using enum BatchLayer::Kind;
  switch (kind) {
    case logistic:
      return 1 / (1 + std::exp(-x));
    case tanh:
      return std::tanh(x);
    case relu:
      return x < 0 ? 0 : x;
    case leaky_relu:
      return x < 0 ? 0.01 * x : x;
    case elu:
      return x < 0 ? 0.5 * (std::exp(x) - 1) : x;
    case selu:
      return kSeluScale * (x < 0 ? kSeluAlpha * std::expm1(x) : x);
    case identity:
    case softmax:
      break;
  }
  return x;
}

double slope(BatchLayer::Kind kind, double y) {
  using enum BatchLayer::Kind;
  switch (kind) {
    case logistic:
    case softmax:
      return (1 - y) * y;
    case tanh:
      return 1 - y * y;
    case relu:
      return y > 0 ? 1 : 0;
    case leaky_relu:
      return y > 0 ? 1 : 0.01;
    case elu:
      return y > 0 ? 1 : y + 0.5;
    case selu:
      return y > 0 ? kSeluScale : y + kSeluScale * kSeluAlpha;
    case identity:
      break;
  }
  return 1;
}

void softmax(double* x, std::int64_t n) {
  const double largest = *std::max_element(x, x + n);
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += x[i] = std::exp(x[i] - largest);
  for (std::int64_t i = 0; i < n; ++i) x[i] /= sum;
}

Preprocessed preprocessing(BatchSettings::PreProcessing kind, const OnlineSample& sample, std::int64_t inputs) {
  using enum BatchSettings::PreProcessing;
  if (kind == none) return {};
  const bool zeros = sample.count < inputs;
  double most = zeros ? 0 : sample.value[0], least = most;
  for (std::int64_t i = 0; i < sample.count; ++i) {
    most = std::max(most, sample.value[i]);
    least = std::min(least, sample.value[i]);
  }
  if (kind == mean_subtraction) return {(most + least) / 2, 1};
  return {0, most == 0 ? 1 : most};
}

PenaltySteps penalty_steps(const OnlineRules& rules, std::int64_t n) {
  const double sign = rules.penalise ? -1 : 1, change = 2 * sign * rules.rate * rules.lambda;
  const double shift = sign * rules.rate * rules.sign_penalty();
  if (n == 0 || (change == 0 && shift == 0)) return {};
  if (rules.sign_penalty() != rules.lambda) {
    // |w| grows by the factor 1 + change and by `shift` in each step: geometric, or straight where only l1 is there.
    const auto steps = static_cast<double>(n);
    const double grown = std::expm1(steps * std::log1p(change));
    return {1 + grown, change == 0 ? steps * shift : grown / change * shift};
  }
  if (n == 1) return {1 + change, change / 2};
  // |w| + ½ grows by the factor 1 + change in each step.
  const double grown = std::expm1(static_cast<double>(n) * std::log1p(change));
  return {1 + grown, grown / 2};
}

double shrunk(const OnlineRules& rules, double w, std::int64_t n) {
  const double each = rules.rate * rules.lambda, step = rules.rate * rules.sign_penalty(), keep = 1 - 2 * each;
  if (w == 0 || n == 0 || (each == 0 && step == 0)) return w;
  const auto once = [&](double x) { return keep * x - std::copysign(step, x); };
  if (keep <= 0 || step != each) {
    for (; n > 0 && w != 0; --n) w = once(w);
    return w;
  }
  // |w| + ½ shrinks by the factor `keep` until it would pass ½; from then on each step changes the sign, and |w| goes to and fro
  // around each / (1 + keep).
  const double size = std::abs(w), factor = std::log1p(-2 * each);
  const auto whole = static_cast<std::int64_t>(std::min(std::log(0.5 / (size + 0.5)) / factor, 9e15));
  const std::int64_t straight = std::min(n, whole);
  const double rest = static_cast<double>(straight) * factor;
  const double left = std::max(size * std::exp(rest) + std::expm1(rest) / 2, 0.0);
  n -= straight;
  if (n == 0 || left == 0) return std::copysign(left, w);
  const double middle = each / (1 + keep), swing = (left - middle) * std::exp(static_cast<double>(n) * factor);
  return n % 2 == 0 ? std::copysign(middle + swing, w) : -std::copysign(middle - swing, w);
}

OnlineDropout::OnlineDropout(double p) : value(-kSeluScale * kSeluAlpha) {
  const double kept = 1 - p;
  a = 1 / std::sqrt(kept + value * value * kept * p);
  b = -a * p * value;
}

bool dropped(const OnlineRules& rules, std::uint64_t number, std::size_t layer, std::int64_t neurons, std::int64_t i) {
  const auto at = number * static_cast<std::uint64_t>(neurons) + static_cast<std::uint64_t>(i);
  return random_unit(rules.seed, stream(Stream::dropout, layer), at) < rules.alpha_dropout;
}

MomentStep::MomentStep(const OnlineRules& rules, std::int64_t t)
    : rate(rules.rate), momentum(rules.momentum), beta2(rules.beta2), nadam(rules.optimizer == BatchSettings::Optimizer::nadam) {
  if (!nadam) return;
  const auto step = static_cast<double>(t);
  from_moment = momentum / (1 - std::pow(momentum, step + 1));
  from_gradient = (1 - momentum) / (1 - std::pow(momentum, step));
  unbias2 = 1 / (1 - std::pow(beta2, step));
}

void MomentStep::operator()(double g, double& w, double& m, double& v) const {
  if (!nadam) {
    m = momentum * m + g;
    w -= rate * m;
    return;
  }
  m = momentum * m + (1 - momentum) * g;
  v = beta2 * v + (1 - beta2) * g * g;
  w -= rate * (from_moment * m + from_gradient * g) / (std::sqrt(v * unbias2) + 1e-8);
}

}  // namespace soma
