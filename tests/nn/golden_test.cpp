// PyTorch's layers, losses and initialisations → ours: outputs, every gradient, running statistics.
#include "golden/golden.h"

#include <gtest/gtest.h>

#include <cmath>

#include "nn/init.h"
#include "nn/loss.h"
#include "nn/net.h"

namespace soma {
namespace {

// Golden numbers have 13 digits. In float a sum here has at most 100 terms: 100·ε, relative to the largest of an array.
constexpr double kDouble = 1e-11, kFloat = 1e-5;

template <class T>
void expect_near(const std::vector<T>& got, const std::vector<double>& wanted, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), wanted.size()) << what;
  double largest = 1;
  for (const double w : wanted) largest = std::max(largest, std::abs(w));
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(static_cast<double>(got[i]), wanted[i], tolerance * largest) << what << ", element " << i;
}

/// The part of an arena that belongs to `name`, in published order.
template <class T>
std::vector<T> array_of(const Plan& plan, const T* arena, const std::string& name) {
  for (const Parameter& p : plan.parameters) {
    if (p.name != name) continue;
    std::vector<T> values;
    for (std::int64_t i = 0; i < elements(p.shape); ++i) values.push_back(arena[p.offset + p.place(i)]);
    return values;
  }
  ADD_FAILURE() << "no array is called " << name;
  return {};
}

template <class T>
void check_layer(const golden::Json& c, const Kernels<T>& kernels, double tolerance) {
  const std::string name = c["name"];
  SCOPED_TRACE(name);
  const std::int64_t batch = c["batch"];
  const bool training = c["training"];
  const NetworkSpec spec = golden::network(c);
  const Shape output = golden::values<std::int64_t>(c["output"]);
  Team team(2);
  Net<T> net(make_plan(resolve(spec).value(), batch, training ? PlanFor::training : PlanFor::inspection).value(), kernels, team);
  net.set(net.parameters(), golden::parameters(c)).value();
  const std::vector<T> x = golden::channels_last(golden::values<T>(c["x"]), spec.input, batch);
  std::copy(x.begin(), x.end(), net.input());
  const typename Net<T>::Mode mode{training, 1, 1};
  net.forward(batch, mode);
  expect_near(std::vector<T>(net.output(), net.output() + batch * net.output_size()),
              golden::channels_last(golden::values(c["y"]), output, batch), tolerance, "y");
  if (!training) return;
  const std::vector<T> dy = golden::channels_last(golden::values<T>(c["dy"]), output, batch);
  std::copy(dy.begin(), dy.end(), net.output_gradient());
  net.backward(batch, mode, false);
  for (const auto& [parameter, wanted] : c["gradients"].items())
    expect_near(array_of(net.plan(), net.parameter_gradients(), parameter), golden::values(wanted), tolerance, parameter + "'");
  if (!c.contains("after")) return;
  for (const auto& [parameter, wanted] : c["after"].items())
    expect_near(array_of(net.plan(), net.parameters(), parameter), golden::values(wanted), tolerance, parameter);
}

TEST(Golden, LayersInDouble) {
  for (const golden::Json& c : golden::load("layers")) check_layer(c, reference_kernels<double>(), kDouble);
}

TEST(Golden, LayersOnEveryTarget) {
  for (const Kernels<float>* kernels : usable_kernels())
    for (const golden::Json& c : golden::load("layers")) check_layer(c, *kernels, kFloat);
}

template <class T>
void check_loss_case(const golden::Json& c, double tolerance) {
  const LossConfig config = golden::loss(c);
  const std::vector<T> y = golden::values<T>(c["y"]);
  const std::vector<std::int32_t> labels = golden::values<std::int32_t>(c["labels"]);
  std::vector<T> dy(y.size());
  const LossSum sum = loss_and_gradient<T>(config, y.data(), labels.data(), c["rows"], c["outputs"], dy.data());
  EXPECT_NEAR(sum.loss / sum.weight, c["loss"].get<double>(), tolerance) << c.dump();
  expect_near(dy, golden::values(c["dy"]), tolerance, c.dump());
}

TEST(Golden, Losses) {
  for (const golden::Json& c : golden::load("losses")) {
    check_loss_case<double>(c, kDouble);
    check_loss_case<float>(c, kFloat);
  }
}

// auto: a linear layer that reads the input, whatever without weights lies between, as xavier uniform; all others as he normal.
TEST(Golden, AutomaticFirstWeights) {
  const auto weights = [](const std::vector<Node>& nodes, const Shape& input, std::size_t index, Init init) {
    return first_values(make_plan(resolve({input, nodes, init}).value(), 1, PlanFor::inspection).value(), index, 9).values;
  };
  const Init xavier{Init::Kind::xavier, Init::Distribution::uniform}, he{Init::Kind::he};
  const std::vector<Node> table = {
      {"", Dropout{0.5}, {}, {}}, {"", Linear{20}, {}, {}}, {"", Activation{}, {}, {}}, {"", Linear{3}, {}, {}}};
  EXPECT_EQ(weights(table, {5}, 0, {}), weights(table, {5}, 0, xavier));
  EXPECT_EQ(weights(table, {5}, 2, {}), weights(table, {5}, 2, he));
  const std::vector<Node> pictures = {
      {"", Conv2d{.out = 4, .kernel_h = 3, .kernel_w = 3}, {}, {}}, {"", Flatten{}, {}, {}}, {"", Linear{3}, {}, {}}};
  EXPECT_EQ(weights(pictures, {1, 6, 6}, 0, {}), weights(pictures, {1, 6, 6}, 0, he));
  EXPECT_EQ(weights(pictures, {1, 6, 6}, 2, {}), weights(pictures, {1, 6, 6}, 2, he));
  const std::vector<Node> around = {
      {"wide", Linear{5}, {}, {}}, {"sum", Add{}, {"input", "wide"}, {}}, {"last", Linear{3}, {}, {}}};
  EXPECT_EQ(weights(around, {5}, 2, {}), weights(around, {5}, 2, xavier)) << "the input comes past the first layer";
}

// The deviation and the reach of what is drawn, against what torch.nn.init draws with: enough draws that the estimate of the
// deviation is 4 of its own standard errors from failing.
TEST(Golden, Initialisations) {
  for (const golden::Json& c : golden::load("initialisations")) {
    const Shape shape = golden::values<std::int64_t>(c["shape"]);
    NetworkSpec spec;
    spec.init = golden::init(c);
    if (shape.size() == 2) {
      spec.input = {shape[1]};
      spec.nodes = {{"layer", Linear{shape[0], true}, {}, {}}};
    } else {
      Conv2d conv;
      conv.out = shape[0], conv.kernel_h = shape[2], conv.kernel_w = shape[3];
      spec.input = {shape[1], shape[2], shape[3]};
      spec.nodes = {{"layer", conv, {}, {}}};
    }
    const Plan plan = make_plan(resolve(spec).value(), 1, PlanFor::inspection).value();
    double sum = 0, square = 0, largest = 0, count = 0;
    for (std::uint64_t seed = 1; count < 20000; ++seed)
      for (const float w : first_values(plan, 0, seed).values) {
        sum += w, square += static_cast<double>(w) * w, ++count;
        largest = std::max(largest, std::abs(static_cast<double>(w)));
      }
    const double deviation = c["deviation"], error = deviation / std::sqrt(count);
    EXPECT_NEAR(sum / count, 0, 4 * error) << c.dump();
    EXPECT_NEAR(std::sqrt(square / count), deviation, 4 * error) << c.dump();
    if (!c.contains("half_width")) continue;
    const double half_width = c["half_width"];
    EXPECT_LE(largest, half_width * (1 + 1e-6)) << c.dump();
    EXPECT_GE(largest, half_width * 0.999) << c.dump();
  }
}

}  // namespace
}  // namespace soma
