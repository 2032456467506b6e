// one Update, weights and gradients → new weights and optimizer state, in plain loops.
#include <cmath>

#include "kernels/reference.h"

namespace soma {
namespace {

template <class T>
void step(const Update<T>& u, T& w, T g, T* s0, T* s1) {
  using enum UpdateRule;
  g *= u.gradient_scale;
  if (u.clip_value > 0) g = g > u.clip_value ? u.clip_value : g < -u.clip_value ? -u.clip_value : g;
  g += u.l1 * static_cast<T>((w > 0) - (w < 0)) + u.l2 * w;
  w *= T(1) - u.rate * u.weight_decay;
  switch (u.rule) {
    case sgd:
      w -= u.rate * g;
      return;
    case momentum:
      *s0 = u.momentum * *s0 + g;
      w -= u.rate * *s0;
      return;
    case nesterov:
      *s0 = u.momentum * *s0 + g;
      w -= u.rate * (g + u.momentum * *s0);
      return;
    case adagrad:
      *s0 += g * g;
      w -= u.rate * g / (std::sqrt(*s0) + u.epsilon);
      return;
    case adadelta: {
      *s0 = u.rho * *s0 + u.rest_rho * g * g;
      const T d = g * (std::sqrt(*s1 + u.epsilon) / std::sqrt(*s0 + u.epsilon));
      *s1 = u.rho * *s1 + u.rest_rho * d * d;
      w -= u.rate * d;
      return;
    }
    case rmsprop:
      *s0 = u.rho * *s0 + u.rest_rho * g * g;
      w -= u.rate * g / (std::sqrt(*s0) + u.epsilon);
      return;
    case adam:
    case nadam:
      *s0 = u.beta1 * *s0 + u.rest1 * g;
      *s1 = u.beta2 * *s1 + u.rest2 * g * g;
      w -= (u.step1 * *s0 + (u.rule == nadam ? u.step2 * g : T(0))) / (std::sqrt(*s1) * u.root2 + u.epsilon);
      return;
  }
}

template <class T>
void update(const Update<T>& u, T* w, const T* g, T* s0, T* s1, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) step(u, w[i], g[i], s0 ? s0 + i : nullptr, s1 ? s1 + i : nullptr);
}

}  // namespace

template <class T>
void reference_update(Kernels<T>& table) {
  table.update = update<T>;
}

template void reference_update(Kernels<float>&);
template void reference_update(Kernels<double>&);

}  // namespace soma
