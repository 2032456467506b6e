// one Update, weights and gradients → new weights and optimizer state: one pass over memory per step.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/update.cpp"
#include <hwy/foreach_target.h>
// (must come first)
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"
#include "kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {
namespace {

using U = Update<float>;

HWY_INLINE V set(float x) { return hn::Set(Floats(), x); }

// The kinds: how far w moves, given the complete gradient; s0 and s1 are moved on the way.
struct Sgd {
  static constexpr int kStates = 0;
  const U& u;
  HWY_INLINE V operator()(V g, V&, V&) const { return hn::Mul(set(u.rate), g); }
};
struct Momentum {
  static constexpr int kStates = 1;
  const U& u;
  HWY_INLINE V operator()(V g, V& s0, V&) const {
    s0 = hn::MulAdd(set(u.momentum), s0, g);
    return hn::Mul(set(u.rate), s0);
  }
};
struct Nesterov {
  static constexpr int kStates = 1;
  const U& u;
  HWY_INLINE V operator()(V g, V& s0, V&) const {
    s0 = hn::MulAdd(set(u.momentum), s0, g);
    return hn::Mul(set(u.rate), hn::MulAdd(set(u.momentum), s0, g));
  }
};
HWY_INLINE V blend(float keep, V s, float take, V x) { return hn::MulAdd(set(keep), s, hn::Mul(set(take), x)); }

struct Adagrad {
  static constexpr int kStates = 1;
  const U& u;
  HWY_INLINE V operator()(V g, V& s0, V&) const {
    s0 = hn::MulAdd(g, g, s0);
    return hn::Div(hn::Mul(set(u.rate), g), hn::Add(hn::Sqrt(s0), set(u.epsilon)));
  }
};
struct RmsProp {
  static constexpr int kStates = 1;
  const U& u;
  HWY_INLINE V operator()(V g, V& s0, V&) const {
    s0 = blend(u.rho, s0, u.rest_rho, hn::Mul(g, g));
    return hn::Div(hn::Mul(set(u.rate), g), hn::Add(hn::Sqrt(s0), set(u.epsilon)));
  }
};
struct Adadelta {
  static constexpr int kStates = 2;
  const U& u;
  HWY_INLINE V operator()(V g, V& s0, V& s1) const {
    const V epsilon = set(u.epsilon);
    s0 = blend(u.rho, s0, u.rest_rho, hn::Mul(g, g));
    const V d = hn::Mul(g, hn::Div(hn::Sqrt(hn::Add(s1, epsilon)), hn::Sqrt(hn::Add(s0, epsilon))));
    s1 = blend(u.rho, s1, u.rest_rho, hn::Mul(d, d));
    return hn::Mul(set(u.rate), d);
  }
};
template <bool kNesterov>
struct Adam {
  static constexpr int kStates = 2;
  const U& u;
  HWY_INLINE V operator()(V g, V& s0, V& s1) const {
    s0 = blend(u.beta1, s0, u.rest1, g);
    s1 = blend(u.beta2, s1, u.rest2, hn::Mul(g, g));
    V step = hn::Mul(set(u.step1), s0);
    if constexpr (kNesterov) step = hn::MulAdd(set(u.step2), g, step);
    return hn::Div(step, hn::MulAdd(hn::Sqrt(s1), set(u.root2), set(u.epsilon)));
  }
};

template <class Kind>
HWY_INLINE V moved(const U& u, const Kind& kind, V w, V g, V& s0, V& s1) {
  const V zero = hn::Zero(Floats()), clip = set(u.clip_value);
  g = hn::Mul(set(u.gradient_scale), g);
  if (u.clip_value > 0) g = hn::IfThenElse(hn::Gt(g, clip), clip, hn::IfThenElse(hn::Lt(g, hn::Neg(clip)), hn::Neg(clip), g));
  const V sign = hn::Sub(hn::IfThenElseZero(hn::Gt(w, zero), set(u.l1)), hn::IfThenElseZero(hn::Lt(w, zero), set(u.l1)));
  g = hn::Add(g, hn::MulAdd(set(u.l2), w, sign));
  w = hn::Mul(w, set(1 - u.rate * u.weight_decay));
  return hn::Sub(w, kind(g, s0, s1));
}

template <class Kind>
HWY_INLINE void update_as(const U& u, float* w, const float* g, float* s0, float* s1, std::int64_t n) {
  const Floats d;
  const Kind kind{u};
  V a = hn::Zero(d), b = a;
  std::int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    if constexpr (Kind::kStates > 0) a = hn::LoadU(d, s0 + i);
    if constexpr (Kind::kStates > 1) b = hn::LoadU(d, s1 + i);
    hn::StoreU(moved(u, kind, hn::LoadU(d, w + i), hn::LoadU(d, g + i), a, b), d, w + i);
    if constexpr (Kind::kStates > 0) hn::StoreU(a, d, s0 + i);
    if constexpr (Kind::kStates > 1) hn::StoreU(b, d, s1 + i);
  }
  if (const std::int64_t rest = n - i; rest > 0) {
    if constexpr (Kind::kStates > 0) a = load_some(s0 + i, rest);
    if constexpr (Kind::kStates > 1) b = load_some(s1 + i, rest);
    store_some(moved(u, kind, load_some(w + i, rest), load_some(g + i, rest), a, b), w + i, rest);
    if constexpr (Kind::kStates > 0) store_some(a, s0 + i, rest);
    if constexpr (Kind::kStates > 1) store_some(b, s1 + i, rest);
  }
}

void update(const U& u, float* w, const float* g, float* s0, float* s1, std::int64_t n) noexcept {
  using enum UpdateRule;
  switch (u.rule) {
    case sgd:
      return update_as<Sgd>(u, w, g, s0, s1, n);
    case momentum:
      return update_as<Momentum>(u, w, g, s0, s1, n);
    case nesterov:
      return update_as<Nesterov>(u, w, g, s0, s1, n);
    case adagrad:
      return update_as<Adagrad>(u, w, g, s0, s1, n);
    case adadelta:
      return update_as<Adadelta>(u, w, g, s0, s1, n);
    case rmsprop:
      return update_as<RmsProp>(u, w, g, s0, s1, n);
    case adam:
      return update_as<Adam<false>>(u, w, g, s0, s1, n);
    case nadam:
      return update_as<Adam<true>>(u, w, g, s0, s1, n);
  }
}

}  // namespace

void fill_update(Kernels<float>& table) { table.update = update; }

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_update(std::int64_t target, Kernels<float>& table) { SOMA_COMPILED_FOR(target, fill_update)(table); }
}  // namespace soma
#endif
