// PyTorch's activations and softmax → ours, on every target.
#include "golden/golden.h"

#include <cmath>

#include "kernels/guarded.h"

namespace soma::test {
namespace {

// Golden numbers have 13 digits; everything else is the float's own rounding of y and what follows from it.
constexpr double kDouble = 1e-11, kFloat = 1e-6;

template <class T>
std::vector<T> rounded(const std::vector<double>& values) {
  std::vector<T> all;
  for (const double v : values) all.push_back(static_cast<T>(v));
  return all;
}

template <class T>
void expect_near(const std::vector<T>& got, const std::vector<double>& wanted, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(static_cast<double>(got[i]), wanted[i], tolerance * (1 + std::abs(wanted[i]))) << what << ", element " << i;
}

template <class T>
void check_activations(const Kernels<T>& kernels, double tolerance) {
  for (const golden::Json& c : golden::load("activations")) {
    const Activation f = golden::activation(c["kind"], c["alpha"]);
    const std::vector<T> x = rounded<T>(golden::values(c["x"])), dy = rounded<T>(golden::values(c["dy"]));
    std::vector<T> y(x.size()), dx(x.size());
    kernels.activate(f, x.data(), y.data(), static_cast<std::int64_t>(x.size()));
    kernels.activate_backward(f, x.data(), y.data(), dy.data(), dx.data(), static_cast<std::int64_t>(x.size()));
    expect_near(y, golden::values(c["y"]), tolerance, layer_kind(f));
    expect_near(dx, golden::values(c["dx"]), tolerance, layer_kind(f) + " backward");
  }
}

template <class T>
void check_softmax(const Kernels<T>& kernels, double tolerance) {
  for (const golden::Json& c : golden::load("softmax")) {
    const bool log = c["log"];
    const std::int64_t rows = c["rows"], cols = c["cols"];
    const std::vector<T> x = golden::values<T>(c["x"]), dy = golden::values<T>(c["dy"]);
    std::vector<T> y(x.size()), dx(x.size());
    kernels.softmax(log, x.data(), y.data(), rows, cols);
    kernels.softmax_backward(log, y.data(), dy.data(), dx.data(), rows, cols);
    expect_near(y, golden::values(c["y"]), tolerance, "softmax");
    expect_near(dx, golden::values(c["dx"]), tolerance, "softmax backward");
  }
}

TEST(Golden, ActivationsInDouble) { check_activations(reference_kernels<double>(), kDouble); }
TEST(Golden, SoftmaxInDouble) { check_softmax(reference_kernels<double>(), kDouble); }

class GoldenTest : public TargetTest {};
TEST_P(GoldenTest, Activations) { check_activations(kernels, kFloat); }
TEST_P(GoldenTest, Softmax) { check_softmax(kernels, kFloat); }
SOMA_EVERY_TARGET(GoldenTest);

}  // namespace
}  // namespace soma::test
