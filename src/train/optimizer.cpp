// config, step number and learning rate → the numbers of one Update, worked out in double.
#include "train/optimizer.h"

#include <cmath>

#include "soma/error.h"

namespace soma {
namespace {

// Dozat 2016, with PyTorch's schedule of μ.
double mu(double beta1, double decay, std::int64_t step) {
  return beta1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(step) * decay));
}

}  // namespace

UpdateRule rule_of(OptimizerConfig::Kind kind) {
  using enum OptimizerConfig::Kind;
  switch (kind) {
    case sgd:
      return UpdateRule::sgd;
    case momentum:
      return UpdateRule::momentum;
    case nesterov:
      return UpdateRule::nesterov;
    case adagrad:
      return UpdateRule::adagrad;
    case adadelta:
      return UpdateRule::adadelta;
    case rmsprop:
      return UpdateRule::rmsprop;
    case adam:
    case adamw:
      return UpdateRule::adam;
    case nadam:
      return UpdateRule::nadam;
  }
  return UpdateRule::sgd;
}

template <class T>
Update<T> update_for(const OptimizerConfig& config, OptimizerState& state, const StepRequest& request) {
  using enum OptimizerConfig::Kind;
  SOMA_REQUIRE(request.step >= 1);
  const auto t = static_cast<double>(request.step);
  const double beta1 = request.momentum.value_or(config.beta1);
  double step1 = request.rate / (1 - std::pow(beta1, t)), step2 = 0;
  if (config.kind == nadam) {
    const double now = mu(beta1, config.momentum_decay, request.step), next = mu(beta1, config.momentum_decay, request.step + 1);
    state.mu_product *= now;
    step1 = request.rate * next / (1 - state.mu_product * next);
    step2 = request.rate * (1 - now) / (1 - state.mu_product);
  }

  Update<T> u;
  u.rule = rule_of(config.kind);
  u.rate = static_cast<T>(request.rate);
  u.momentum = static_cast<T>(request.momentum.value_or(config.momentum));
  const double rho = config.kind == rmsprop ? config.alpha : config.rho;
  u.rho = static_cast<T>(rho);
  u.beta1 = static_cast<T>(beta1);
  u.beta2 = static_cast<T>(config.beta2);
  u.rest_rho = static_cast<T>(1 - rho);
  u.rest1 = static_cast<T>(1 - beta1);
  u.rest2 = static_cast<T>(1 - config.beta2);
  u.epsilon = static_cast<T>(config.epsilon);
  u.step1 = static_cast<T>(step1);
  u.step2 = static_cast<T>(step2);
  u.root2 = static_cast<T>(1 / std::sqrt(1 - std::pow(config.beta2, t)));
  u.gradient_scale = static_cast<T>(request.gradient_scale);
  u.clip_value = static_cast<T>(config.clip_value);
  u.l1 = static_cast<T>(config.l1 + config.elastic_net);
  u.l2 = static_cast<T>(config.l2 + 2 * config.elastic_net);
  u.weight_decay = static_cast<T>(config.weight_decay);
  return u;
}

template Update<float> update_for(const OptimizerConfig&, OptimizerState&, const StepRequest&);
template Update<double> update_for(const OptimizerConfig&, OptimizerState&, const StepRequest&);

double clip_scale(double clip_norm, double norm) {
  if (clip_norm <= 0) return 1;
  const double scale = clip_norm / (norm + 1e-6);
  return scale < 1 ? scale : 1;
}

}  // namespace soma
