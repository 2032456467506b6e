// every activation on every target → within a few ulp of the double reference, and the same bits however the array is cut.
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/guarded.h"
#include "soma/network.h"

namespace soma::test {
namespace {

using Kind = Activation::Kind;
constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<Activation> every_activation() {
  return {{Kind::identity}, {Kind::relu}, {Kind::leaky_relu, 0.01}, {Kind::elu, 1.25}, {Kind::selu},
          {Kind::sigmoid},  {Kind::tanh}, {Kind::softplus},         {Kind::gelu},      {Kind::silu}};
}

// What the float arithmetic may cost. Most kinds keep a relative error of a few roundings; gelu and silu multiply x by a
// probability whose absolute error is a few roundings.
double forward_bound(Kind kind, double x, double y) {
  const double scale = kind == Kind::gelu || kind == Kind::silu ? std::abs(x) : std::abs(y);
  return 6 * kEpsilon * scale + 0x1p-148;
}

double backward_bound(Kind kind, double x, double slope, double dy) {
  double scale = std::abs(slope);
  if (kind == Kind::tanh || kind == Kind::sigmoid) scale = 1;  // 1 − y² and y(1 − y) cancel
  if (kind == Kind::elu || kind == Kind::selu) scale = 2;      // so does y + α
  if (kind == Kind::gelu || kind == Kind::silu) scale = 1 + std::abs(x);
  return 8 * kEpsilon * scale * std::abs(dy) + 0x1p-140;
}

class ActivationTest : public TargetTest {};

TEST_P(ActivationTest, AgreesWithTheDoubleReference) {
  for (const Activation& f : every_activation())
    for (const std::int64_t n : kSizes)
      for (const double reach : {1e-6, 1.0, 9.0, 110.0}) {
        const std::int64_t offset = n % 5;
        const Guarded<float> x(uniform(n, -reach, reach, 1), offset), dy(uniform(n, -2, 2, 2), offset + 1);
        Guarded<float> y(n, offset + 2), dx(n, offset + 3);
        kernels.activate(f, x.data(), y.data(), n);
        kernels.activate_backward(f, x.data(), y.data(), dy.data(), dx.data(), n);
        ASSERT_TRUE(y.intact() && dx.intact());
        const std::vector<double> xd = doubles(x.values()), yd = doubles(y.values()), dyd = doubles(dy.values());
        std::vector<double> y_exact(xd.size()), dx_exact(xd.size());
        const Activation rounded{f.kind, static_cast<double>(static_cast<float>(f.alpha))};
        exact.activate(rounded, xd.data(), y_exact.data(), n);
        exact.activate_backward(rounded, xd.data(), yd.data(), dyd.data(), dx_exact.data(), n);
        for (std::int64_t i = 0; i < n; ++i) {
          const auto k = static_cast<std::size_t>(i);
          ASSERT_NEAR(y[i], y_exact[k], forward_bound(f.kind, xd[k], y_exact[k]))
              << layer_kind(f) << "(" << x[i] << "), " << i << " of " << n;
          ASSERT_NEAR(dx[i], dx_exact[k], backward_bound(f.kind, xd[k], dx_exact[k] / dyd[k], dyd[k]))
              << layer_kind(f) << "'(" << x[i] << "), " << i << " of " << n;
        }
      }
}

TEST_P(ActivationTest, SpecialValuesAreThoseOfTheReference) {
  const std::vector<float> x = {kNan, 0.0f, -0.0f, kInf, -kInf, 1e-45f, -1e-45f, 3e38f, -3e38f, 104.5f, -104.5f, 89.0f, -89.0f};
  const auto n = static_cast<std::int64_t>(x.size());
  for (const Activation& f : every_activation()) {
    Guarded<float> y(n), wanted(n);
    kernels.activate(f, x.data(), y.data(), n);
    reference.activate(f, x.data(), wanted.data(), n);
    for (std::int64_t i = 0; i < n; ++i) {
      const float at = x[static_cast<std::size_t>(i)];
      const std::string where = layer_kind(f) + "(" + std::to_string(at) + ") = " + std::to_string(y[i]);
      EXPECT_EQ(std::isnan(y[i]), std::isnan(wanted[i])) << where;
      if (std::isnan(at)) {
        EXPECT_TRUE(std::isnan(y[i])) << where;
      }
      if (at == 0 || std::isinf(wanted[i])) {
        EXPECT_TRUE(same(y[i], wanted[i])) << where << ", wanted " << wanted[i];
      }
      if (!std::isfinite(wanted[i])) continue;
      EXPECT_NEAR(y[i], wanted[i], 2 * forward_bound(f.kind, std::isfinite(at) ? at : 0, wanted[i])) << where;
    }
  }
}

TEST_P(ActivationTest, GradientsOfSpecialValuesAreThoseOfTheReference) {
  const std::vector<float> y = {kNan, 0.0f, -0.0f, kInf, 1.0f, -1.0f, 1e-45f, -1e-45f},
                           dy = {1, -2, 3, kInf, kNan, kInf, kNan, -0.0f};
  const auto n = static_cast<std::int64_t>(y.size());
  for (const Activation& f : every_activation()) {
    Guarded<float> dx(n), wanted(n);
    kernels.activate_backward(f, y.data(), y.data(), dy.data(), dx.data(), n);
    reference.activate_backward(f, y.data(), y.data(), dy.data(), wanted.data(), n);
    for (std::int64_t i = 0; i < n; ++i) {
      EXPECT_EQ(std::isnan(dx[i]), std::isnan(wanted[i])) << layer_kind(f) << " at " << i << ": " << dx[i] << ", " << wanted[i];
      if (f.kind == Kind::relu || f.kind == Kind::leaky_relu || f.kind == Kind::identity) {
        EXPECT_TRUE(same(dx[i], wanted[i])) << layer_kind(f) << " at " << i << ": " << dx[i] << ", " << wanted[i];
      }
    }
  }
}

TEST_P(ActivationTest, ACutChangesNoBit) {
  const std::int64_t n = 67;
  const std::vector<float> x = uniform(n, -12, 12, 3), dy = uniform(n, -1, 1, 4);
  for (const Activation& f : every_activation()) {
    std::vector<float> y(x.size()), dx(x.size());
    kernels.activate(f, x.data(), y.data(), n);
    kernels.activate_backward(f, x.data(), y.data(), dy.data(), dx.data(), n);
    for (std::int64_t cut = 0; cut <= n; ++cut) {
      std::vector<float> in_place = x, gradient = dy;
      kernels.activate(f, in_place.data(), in_place.data(), cut);
      kernels.activate(f, in_place.data() + cut, in_place.data() + cut, n - cut);
      ASSERT_EQ(bits(in_place), bits(y)) << layer_kind(f) << " cut at " << cut;
      kernels.activate_backward(f, x.data(), y.data(), gradient.data(), gradient.data(), cut);
      kernels.activate_backward(f, x.data() + cut, y.data() + cut, gradient.data() + cut, gradient.data() + cut, n - cut);
      ASSERT_EQ(bits(gradient), bits(dx)) << layer_kind(f) << " backward cut at " << cut;
    }
  }
}

TEST_P(ActivationTest, NeedsXOnlyForGeluAndSilu) {
  for (const Activation& f : every_activation()) {
    if (f.kind == Kind::gelu || f.kind == Kind::silu) continue;
    const std::vector<float> y = {0.25f, 0.5f, 0.75f};
    Guarded<float> dx(3);
    kernels.activate_backward(f, nullptr, y.data(), y.data(), dx.data(), 3);
    EXPECT_FALSE(std::isnan(dx[2])) << layer_kind(f);
  }
}

SOMA_EVERY_TARGET(ActivationTest);

}  // namespace
}  // namespace soma::test
