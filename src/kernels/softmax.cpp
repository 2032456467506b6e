// rows of logits → probabilities or their logarithms, and back: one row at a time, three passes.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax.cpp"
#include <hwy/foreach_target.h>
// (must come first)
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "kernels/functions-inl.h"
#include "kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

HWY_INLINE V first(std::int64_t n, V v, V otherwise) {
  return hn::IfThenElse(hn::FirstN(Floats(), static_cast<std::size_t>(n)), v, otherwise);
}

// NaN may lose here: it comes back through the sum.
HWY_INLINE float maximum(const float* x, std::int64_t n) {
  const Floats d;
  V top = hn::Set(d, -kInfinity);
  std::int64_t j = 0;
  for (; j + lanes() <= n; j += lanes()) top = hn::Max(top, hn::LoadU(d, x + j));
  if (j < n) top = hn::Max(top, first(n - j, load_some(x + j, n - j), hn::Set(d, -kInfinity)));
  return hn::GetLane(hn::MaxOfLanes(d, top));
}

struct ShiftedExp {
  float top;
  HWY_INLINE V operator()(V x) const { return exp_nonpositive(hn::Sub(x, hn::Set(Floats(), top))); }
};
struct Divide {
  float sum;
  HWY_INLINE V operator()(V x) const { return hn::Div(x, hn::Set(Floats(), sum)); }
};
struct ShiftTwice {
  float top, log_sum;
  HWY_INLINE V operator()(V x) const { return hn::Sub(hn::Sub(x, hn::Set(Floats(), top)), hn::Set(Floats(), log_sum)); }
};
struct SoftmaxBackward {
  float sum;
  HWY_INLINE V operator()(V y, V dy) const { return hn::Mul(y, hn::Sub(dy, hn::Set(Floats(), sum))); }
};
struct LogSoftmaxBackward {
  float sum;
  HWY_INLINE V operator()(V y, V dy) const { return hn::NegMulAdd(exp_nonpositive(y), hn::Set(Floats(), sum), dy); }
};
struct Itself {
  HWY_INLINE V operator()(V x) const { return x; }
};
struct Product {
  HWY_INLINE V operator()(V x, V z) const { return hn::Mul(x, z); }
};

// Σ f(x[j]…), lane by lane, then across the lanes: an order that n alone decides.
template <class F, class... X>
HWY_INLINE float total(std::int64_t n, const F f, const X*... x) {
  const Floats d;
  V sum = hn::Zero(d);
  std::int64_t j = 0;
  for (; j + lanes() <= n; j += lanes()) sum = hn::Add(sum, f(hn::LoadU(d, x + j)...));
  if (j < n) sum = hn::Add(sum, first(n - j, f(load_some(x + j, n - j)...), hn::Zero(d)));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void softmax(bool log, const float* x, float* y, std::int64_t rows, std::int64_t cols) noexcept {
  for (std::int64_t i = 0; i < rows; ++i, x += cols, y += cols) {
    const float top = maximum(x, cols);
    if (log) {
      const float sum = total(cols, ShiftedExp{top}, x);
      transform(cols, y, ShiftTwice{top, std::log(sum)}, x);
    } else {
      transform(cols, y, ShiftedExp{top}, x);
      transform(cols, y, Divide{total(cols, Itself{}, y)}, y);
    }
  }
}

void softmax_backward(bool log, const float* y, const float* dy, float* dx, std::int64_t rows, std::int64_t cols) noexcept {
  for (std::int64_t i = 0; i < rows; ++i, y += cols, dy += cols, dx += cols) {
    if (log)
      transform(cols, dx, LogSoftmaxBackward{total(cols, Itself{}, dy)}, y, dy);
    else
      transform(cols, dx, SoftmaxBackward{total(cols, Product{}, dy, y)}, y, dy);
  }
}

}  // namespace

void fill_softmax(Kernels<float>& table) {
  table.softmax = softmax;
  table.softmax_backward = softmax_backward;
}

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_softmax(std::int64_t target, Kernels<float>& table) { SOMA_COMPILED_FOR(target, fill_softmax)(table); }
}  // namespace soma
#endif
