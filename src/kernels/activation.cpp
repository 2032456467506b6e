// x → f(x) and dy → dy·f'(x): the elementwise functions over Highway's vectors.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation.cpp"
#include <hwy/foreach_target.h>
// (must come first)
#include <hwy/highway.h>

#include "kernels/functions-inl.h"
#include "kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {
namespace {

// Klambauer et al. 2017, equation 14.
constexpr float kSeluScale = 1.0507009873554804934f, kSeluSlope = 1.7580993408473768599f;

HWY_INLINE V set(float x) { return hn::Set(Floats(), x); }
HWY_INLINE V zero() { return hn::Zero(Floats()); }

// Forward: operator()(x).
struct Identity {
  HWY_INLINE V operator()(V x) const { return x; }
};
struct Relu {
  HWY_INLINE V operator()(V x) const { return hn::IfThenZeroElse(hn::Le(x, zero()), x); }
};
struct LeakyRelu {
  float alpha;
  HWY_INLINE V operator()(V x) const { return hn::IfThenElse(hn::Le(x, zero()), hn::Mul(set(alpha), x), x); }
};
struct Elu {  // and selu: two scales
  float scale, slope;
  HWY_INLINE V operator()(V x) const {
    return hn::IfThenElse(hn::Lt(x, zero()), hn::Mul(set(slope), expm1_negative(x)), hn::Mul(set(scale), x));
  }
};
struct Sigmoid {
  HWY_INLINE V operator()(V x) const { return sigmoid(x); }
};
struct Tanh {
  HWY_INLINE V operator()(V x) const { return hn::Tanh(Floats(), x); }
};
struct Softplus {
  HWY_INLINE V operator()(V x) const {
    return hn::Add(hn::IfThenZeroElse(hn::Le(x, zero()), x), hn::Log1p(Floats(), exp_nonpositive(hn::Neg(hn::Abs(x)))));
  }
};
struct Gelu {
  HWY_INLINE V operator()(V x) const { return hn::Mul(x, normal_cdf(x)); }
};
struct Silu {
  HWY_INLINE V operator()(V x) const { return hn::Mul(x, sigmoid(x)); }
};

// Backward: operator()(y, dy), or (x, dy) where y does not say enough.
struct IdentityBackward {
  HWY_INLINE V operator()(V dy) const { return dy; }
};
struct ReluBackward {
  HWY_INLINE V operator()(V y, V dy) const { return hn::IfThenZeroElse(hn::Le(y, zero()), dy); }
};
struct LeakyReluBackward {
  float alpha;
  HWY_INLINE V operator()(V y, V dy) const { return hn::IfThenElse(hn::Le(y, zero()), hn::Mul(dy, set(alpha)), dy); }
};
struct EluBackward {
  float scale, slope;
  HWY_INLINE V operator()(V y, V dy) const {
    return hn::Mul(dy, hn::IfThenElse(hn::Le(y, zero()), hn::Add(y, set(slope)), set(scale)));
  }
};
struct SigmoidBackward {
  HWY_INLINE V operator()(V y, V dy) const { return hn::Mul(dy, hn::Mul(y, hn::Sub(set(1), y))); }
};
struct TanhBackward {
  HWY_INLINE V operator()(V y, V dy) const { return hn::Mul(dy, hn::NegMulAdd(y, y, set(1))); }
};
struct SoftplusBackward {
  HWY_INLINE V operator()(V y, V dy) const { return hn::Mul(dy, hn::Neg(expm1_negative(hn::Neg(y)))); }
};
struct GeluBackward {
  HWY_INLINE V operator()(V x, V dy) const {
    const V density = hn::Mul(exp_nonpositive(hn::Mul(hn::Mul(set(-0.5f), x), x)), set(0.39894228040143267794f));
    return hn::Mul(dy, hn::MulAdd(x, density, normal_cdf(x)));
  }
};
struct SiluBackward {
  HWY_INLINE V operator()(V x, V dy) const {
    const V s = sigmoid(x);
    return hn::Mul(dy, hn::Mul(s, hn::MulAdd(x, hn::Sub(set(1), s), set(1))));
  }
};

void activate(const Activation& f, const float* x, float* y, std::int64_t n) noexcept {
  using enum Activation::Kind;
  const auto alpha = static_cast<float>(f.alpha);
  switch (f.kind) {
    case identity:
      return transform(n, y, Identity{}, x);
    case relu:
      return transform(n, y, Relu{}, x);
    case leaky_relu:
      return transform(n, y, LeakyRelu{alpha}, x);
    case elu:
      return transform(n, y, Elu{1, alpha}, x);
    case selu:
      return transform(n, y, Elu{kSeluScale, kSeluSlope}, x);
    case Activation::Kind::sigmoid:
      return transform(n, y, Sigmoid{}, x);
    case tanh:
      return transform(n, y, Tanh{}, x);
    case softplus:
      return transform(n, y, Softplus{}, x);
    case gelu:
      return transform(n, y, Gelu{}, x);
    case silu:
      return transform(n, y, Silu{}, x);
  }
}

void activate_backward(const Activation& f, const float* x, const float* y, const float* dy, float* dx, std::int64_t n) noexcept {
  using enum Activation::Kind;
  const auto alpha = static_cast<float>(f.alpha);
  switch (f.kind) {
    case identity:
      return transform(n, dx, IdentityBackward{}, dy);
    case relu:
      return transform(n, dx, ReluBackward{}, y, dy);
    case leaky_relu:
      return transform(n, dx, LeakyReluBackward{alpha}, y, dy);
    case elu:
      return transform(n, dx, EluBackward{1, alpha}, y, dy);
    case selu:
      return transform(n, dx, EluBackward{kSeluScale, kSeluSlope}, y, dy);
    case Activation::Kind::sigmoid:
      return transform(n, dx, SigmoidBackward{}, y, dy);
    case tanh:
      return transform(n, dx, TanhBackward{}, y, dy);
    case softplus:
      return transform(n, dx, SoftplusBackward{}, y, dy);
    case gelu:
      return transform(n, dx, GeluBackward{}, x, dy);
    case silu:
      return transform(n, dx, SiluBackward{}, x, dy);
  }
}

}  // namespace

void fill_activation(Kernels<float>& table) {
  table.activate = activate;
  table.activate_backward = activate_backward;
}

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_activation(std::int64_t target, Kernels<float>& table) { SOMA_COMPILED_FOR(target, fill_activation)(table); }
}  // namespace soma
#endif
