// vectors → elementary functions that behave as the C library's at −∞, NaN and −0.
// Included once per target, hence the toggled guard.
#if defined(SOMA_FUNCTIONS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SOMA_FUNCTIONS_INL_H
#undef SOMA_FUNCTIONS_INL_H
#else
#define SOMA_FUNCTIONS_INL_H
#endif

#include <hwy/contrib/math/math-inl.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {

/// e^x for x ≤ 0 or NaN, which Highway's Exp turns into 0.
HWY_INLINE V exp_nonpositive(V x) { return hn::IfThenElse(hn::Eq(x, x), hn::Exp(Floats(), x), x); }

/// e^x − 1 for x < 0 or NaN.
HWY_INLINE V expm1_negative(V x) { return hn::Expm1(Floats(), x); }

/// 1 / (1 + e^−x), without overflow on either side.
HWY_INLINE V sigmoid(V x) {
  const V one = hn::Set(Floats(), 1.0f), z = exp_nonpositive(hn::Neg(hn::Abs(x)));
  return hn::Div(hn::IfThenElse(hn::Ge(x, hn::Zero(Floats())), one, z), hn::Add(one, z));
}

/// The error function as x·P(x²)/Q(x²) on [−4, 4], beyond which it is ±1 in float: the minimax fit that Eigen and XLA use.
HWY_INLINE V erf(V x) {
  const Floats d;
  const V four = hn::Set(d, 4.0f);
  x = hn::IfThenElse(hn::Gt(x, four), four, hn::IfThenElse(hn::Lt(x, hn::Neg(four)), hn::Neg(four), x));
  const V x2 = hn::Mul(x, x);
  V p = hn::Set(d, -2.72614225801306e-10f);
  p = hn::MulAdd(p, x2, hn::Set(d, 2.77068142495902e-08f));
  p = hn::MulAdd(p, x2, hn::Set(d, -2.10102402082508e-06f));
  p = hn::MulAdd(p, x2, hn::Set(d, -5.69250639462346e-05f));
  p = hn::MulAdd(p, x2, hn::Set(d, -7.34990630326855e-04f));
  p = hn::MulAdd(p, x2, hn::Set(d, -2.95459980854025e-03f));
  p = hn::MulAdd(p, x2, hn::Set(d, -1.60960333262415e-02f));
  V q = hn::Set(d, -1.45660718464996e-05f);
  q = hn::MulAdd(q, x2, hn::Set(d, -2.13374055278905e-04f));
  q = hn::MulAdd(q, x2, hn::Set(d, -1.68282697438203e-03f));
  q = hn::MulAdd(q, x2, hn::Set(d, -7.37332916720468e-03f));
  q = hn::MulAdd(q, x2, hn::Set(d, -1.42647390514189e-02f));
  return hn::Div(hn::Mul(x, p), q);
}

/// Φ(x) = (1 + erf(x/√2)) / 2.
HWY_INLINE V normal_cdf(V x) {
  const Floats d;
  const V half = hn::Set(d, 0.5f);
  return hn::MulAdd(half, erf(hn::Mul(x, hn::Set(d, 0.70710678118654752440f))), half);
}

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#endif
