// what the thesis wished for → the numbers of the plain network, gradients that are slopes, and batch files that learn with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "batchfile/network_file.h"
#include "batchfile/persistence.h"
#include "batchfile/reference.h"
#include "batchfile/scratch.h"
#include "core/random.h"
#include "kernels/kernels.h"

namespace soma::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Kind = BatchLayer::Kind;
using Optimizer = BatchSettings::Optimizer;

double random(std::uint64_t which, std::uint64_t index) { return random_unit(11, stream(Stream::test, which), index); }

/// A sample of numbers of which a third are 0.
struct Line {
  std::vector<std::int32_t> column;
  std::vector<double> value, target;
  Line(std::int64_t inputs, std::int64_t outputs, std::uint64_t index)
      : target{std::floor(random(3, index) * static_cast<double>(outputs))} {
    for (std::int64_t j = 0; j < inputs; ++j)
      if (const auto at = index * 1000 + static_cast<std::uint64_t>(j); random(1, at) < 0.67) {
        column.push_back(static_cast<std::int32_t>(j));
        value.push_back(2 * random(2, at) - 1);
      }
  }
  [[nodiscard]] OnlineSample sample() const {
    return {column.data(), value.data(), static_cast<std::int64_t>(column.size()), target.data(), 1};
  }
};

const std::vector<BatchLayer> kLayers = {{Kind::identity, 20}, {Kind::selu, 11}, {Kind::elu, 7}, {Kind::softmax, 5}};

void fill(ReferenceNetwork& network) {
  std::uint64_t i = 0;
  for (auto& connection : network.weights)
    for (auto& row : connection)
      for (double& w : row) w = 0.6 * random(10, i++) - 0.3;
}

double difference(const OnlineRules& rules, bool bias, const OnlineKernels& kernels) {
  const OnlineLayout layout(kLayers, bias);
  OnlineNetwork fast(layout, rules, kernels);
  ReferenceNetwork plain(kLayers, rules, bias);
  fill(plain);
  const auto each = [&](const auto& f) {
    for (std::size_t l = 0; l < layout.connections.size(); ++l) {
      const Connection& c = layout.connections[l];
      for (std::int64_t i = 0; i < c.rows; ++i)
        for (std::int64_t j = 0; j < c.columns; ++j)
          f(fast.weights()[c.offset + i * c.width + j],
            plain.weights[l][static_cast<std::size_t>(i)][static_cast<std::size_t>(j)]);
    }
  };
  each([](double& mine, double want) { mine = want; });
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Line line(20, 5, i);
    fast.train(line.sample(), i);
    plain.train(line.sample(), i);
  }
  fast.settle();
  double worst = 0;
  each([&](double mine, double want) { worst = std::max(worst, std::isfinite(mine) ? std::abs(mine - want) : INFINITY); });
  return worst;
}

OnlineRules plain_rules() { return {BatchSettings::PreProcessing::none, 0.05, 1e-4, true}; }

// 100 steps on weights of ±0.3, a few roundings of numbers below 1 each in sums of 20 terms, and NADAM divides by a root that may
// be a hundred times smaller: 100·20·100·2⁻⁵³ = 2e-11.
constexpr double kBound = 2e-11;

TEST(Wishes, AgreeWithThePlainNetwork) {
  struct Case {
    const char* name;
    void (*change)(OnlineRules& rules);
  };
  const Case cases[] = {{"nothing", [](OnlineRules&) {}},
                        {"l1 alone", [](OnlineRules& r) { r.l1 = 1e-3, r.lambda = 0; }},
                        {"l2 alone", [](OnlineRules& r) { r.l1 = 0, r.lambda = 1e-2; }},
                        {"both", [](OnlineRules& r) { r.l1 = 2e-3, r.lambda = 1e-4; }},
                        {"both, the code's sign", [](OnlineRules& r) { r.l1 = 2e-3, r.lambda = 1e-4, r.penalise = false; }},
                        {"l1 alone, the code's sign", [](OnlineRules& r) { r.l1 = 1e-3, r.lambda = 0, r.penalise = false; }},
                        {"cross-entropy", [](OnlineRules& r) { r.cross_entropy = true; }},
                        {"not scaled", [](OnlineRules& r) { r.scaled = false; }},
                        {"dropout", [](OnlineRules& r) { r.alpha_dropout = 0.3, r.scaled = false; }},
                        {"momentum", [](OnlineRules& r) { r.optimizer = Optimizer::momentum; }},
                        {"nadam", [](OnlineRules& r) { r.optimizer = Optimizer::nadam, r.rate = 0.002; }},
                        {"all of it", [](OnlineRules& r) {
                           r = {r.pre_processing, 0.002, 1e-4, true, 1e-3, true, false, Optimizer::nadam, 0.9, 0.99, 0.1, 5};
                         }}};
  for (const OnlineKernels* kernels : usable_online_kernels())
    for (const Case& c : cases)
      for (const bool bias : {true, false}) {
        OnlineRules rules = plain_rules();
        c.change(rules);
        EXPECT_LE(difference(rules, bias, *kernels), kBound) << kernels->target << ", " << c.name << ", bias " << bias;
      }
}

/// The loss of one sample, dropout of draw 7 included.
double loss_of(ReferenceNetwork& network, const Line& line, const OnlineRules& rules, Kind last) {
  network.train(line.sample(), 7);  // at rate 0
  double loss = 0;
  for (std::size_t j = 0; j < network.outputs().size(); ++j) {
    const double y = network.outputs()[j], t = static_cast<std::size_t>(line.target[0]) == j ? 1 : 0;
    if (!rules.cross_entropy)
      loss += (y - t) * (y - t) / 2;
    else
      loss -= t * std::log(y) + (last == Kind::logistic ? (1 - t) * std::log(1 - y) : 0);
  }
  return loss;
}

// Without the division by layer sizes, which the thesis's arithmetic leaves out on the way back, and but for the diagonal of
// softmax, which its squared error takes for the whole.
TEST(Wishes, GradientsAreSlopes) {
  for (const Kind hidden : {Kind::identity, Kind::logistic, Kind::tanh, Kind::elu, Kind::selu})
    for (const auto& [last, cross_entropy] : {std::pair{Kind::softmax, true}, std::pair{Kind::logistic, true},
                                              std::pair{Kind::logistic, false}, std::pair{Kind::identity, false}})
      for (const double dropout : {0.0, 0.3}) {
        OnlineRules rules = {BatchSettings::PreProcessing::none, 0, 0, false};
        rules.cross_entropy = cross_entropy;
        rules.scaled = false;
        rules.alpha_dropout = dropout;
        ReferenceNetwork network({{Kind::identity, 6}, {hidden, 5}, {Kind::tanh, 4}, {last, 3}}, rules);
        fill(network);
        const Line line(6, 3, 4);
        network.train(line.sample(), 7);
        const auto gradient = network.gradient, start = network.weights;
        auto direction = start;
        double norm = 0, slope = 0;
        std::uint64_t at = 0;
        for (auto& connection : direction)
          for (auto& row : connection)
            for (double& d : row) {
              d = random_normal(2, stream(Stream::test, 5), at++);
              norm += d * d;
            }
        const auto moved = [&, last = last](double h) {
          slope = 0;
          for (std::size_t l = 0; l < start.size(); ++l)
            for (std::size_t i = 0; i < start[l].size(); ++i)
              for (std::size_t j = 0; j < start[l][i].size(); ++j) {
                const double d = direction[l][i][j] / std::sqrt(norm);
                network.weights[l][i][j] = start[l][i][j] + h * d;
                slope += gradient[l][i][j] * d;
              }
          return loss_of(network, line, rules, last);
        };
        constexpr double kStep = 1e-5;
        const double above = moved(kStep), below = moved(-kStep), want = (above - below) / (2 * kStep);
        // ELU's alpha is ½ in the thesis, so its slope jumps at 0; no value is within a step of it.
        EXPECT_NEAR(slope, want, 1e-7 * (1 + std::abs(want))) << static_cast<int>(hidden) << " → " << static_cast<int>(last)
                                                              << ", cross-entropy " << cross_entropy << ", dropout " << dropout;
      }
}

// Published formulas on a constant gradient g: momentum has gathered g·(1 + μ + μ²) after three steps; NADAM's first step is
// rate·(1 + β₁/(1 + β₁)), whatever g.
TEST(Wishes, MomentsByHand) {
  OnlineRules rules;
  rules.rate = 0.5;
  rules.optimizer = Optimizer::momentum;
  double w = 0, m = 0, v = 0;
  for (std::int64_t t = 1; t <= 3; ++t) MomentStep(rules, t)(2, w, m, v);
  EXPECT_NEAR(m, 2 * (1 + 0.9 + 0.81), 1e-15);
  EXPECT_NEAR(w, -0.5 * 2 * (1 + 1.9 + 2.71), 1e-14);
  rules.optimizer = Optimizer::nadam;
  w = m = v = 0;
  MomentStep(rules, 1)(3, w, m, v);
  EXPECT_NEAR(w, -0.5 * (1 + 0.9 / 1.9), 1e-8);
}

// Mean 0 and variance 1 go through SELU and through alpha dropout as they are.
TEST(Wishes, SeluAndAlphaDropoutKeepMeanAndVariance) {
  double mean = 0, square = 0;
  constexpr double kStep = 1e-3;
  for (double x = -10 + kStep / 2; x < 10; x += kStep) {
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi) * kStep, y = activation(Kind::selu, x);
    mean += density * y;
    square += density * y * y;
  }
  EXPECT_NEAR(mean, 0, 1e-6);
  EXPECT_NEAR(square, 1, 1e-6);
  for (const double p : {0.05, 0.3, 0.9}) {
    const OnlineDropout dropout(p);
    const double out = dropout.a * dropout.value + dropout.b;
    EXPECT_NEAR((1 - p) * dropout.b + p * out, 0, 1e-14);
    EXPECT_NEAR((1 - p) * (dropout.a * dropout.a + dropout.b * dropout.b) + p * out * out, 1, 1e-13);
  }
  OnlineRules rules;
  rules.alpha_dropout = 0.3;
  int left_out = 0;
  for (std::uint64_t n = 0; n < 1000; ++n)
    for (std::int64_t i = 0; i < 10; ++i) left_out += dropped(rules, n, 1, 10, i) ? 1 : 0;
  EXPECT_NEAR(left_out, 3000, 230);  // five standard deviations
}

class WishedBatch : public ::testing::Test {
 protected:
  WishedBatch() {
    write_small_task(scratch);
    scratch.write("net", "Identity, 8\nSELU, 12\nSoftMax, 3\n");
  }
  [[nodiscard]] Result<BatchFile> parse(const std::string& lines) const {
    return parse_batch(std::string(kSmallSettings) + lines, "B", scratch.path());
  }
  [[nodiscard]] BatchReport run(const std::string& lines, const BatchHooks& hooks = {}) const {
    auto report = run_batch(parse(lines).value(), hooks);
    EXPECT_TRUE(report.ok()) << report.error().message;
    return *report;
  }
  [[nodiscard]] std::vector<double> weights(const std::string& name) const {
    return read_persistence(scratch / name).value().trained.weights;
  }
  Scratch scratch;
  const std::string wishes =
      "PreProcessing: Proportional\nFirstWeights: LeCun\nLayerScaling: No\nLoss: CrossEntropy\nOptimizer: Nadam\n"
      "LearningRate: 0.002\nLambdaL1: 0\nLambdaL2: 0.00001\nLambdaSign: Equation\nAlphaDropout: 0.05\nBias: No\n";
};

TEST_F(WishedBatch, Learns) {
  for (const char* lines : {"", "Parallel: 3\nMerge: Average\n"}) {
    const BatchReport report = run(wishes + lines + "Train: 10\nTest: 1\n");
    EXPECT_GT(report.results.back().correct, 65) << "of 90, where chance gets 30";
  }
}

TEST_F(WishedBatch, ThreadsAndStopsChangeNothing) {
  const std::string lines = wishes + "Parallel: 3\n";
  (void)run(lines + "PersistenceFile: whole\nTrain: 3\n");
  for (const int threads : {1, 3}) {
    BatchHooks hooks;
    hooks.threads = threads;
    const std::string name = "cut" + std::to_string(threads);
    for (int epoch = 0; epoch < 3; ++epoch) (void)run(lines + "PersistenceFile: " + name + "\nTrain: 1\n", hooks);
    EXPECT_EQ(weights(name), weights("whole"));
  }
}

TEST_F(WishedBatch, LeCunsFirstWeights) {
  scratch.write("net", "Identity, 8\nSELU, 2000\nSoftMax, 3\n");
  (void)run("FirstWeights: LeCun\nLearningRate: 0\nPersistenceFile: p\nTrain: 1\n");
  const std::vector<double> w = weights("p");
  double square = 0;
  for (std::size_t i = 0; i < 8 * 2000; ++i) square += w[i] * w[i];
  EXPECT_NEAR(square / (8 * 2000), 1.0 / 8, 0.01);
  for (std::size_t i = 8 * 2000; i < 9 * 2000; ++i) EXPECT_EQ(w[i], 0) << "the bias neuron's";
}

TEST_F(WishedBatch, KeysAreCheckedAndNothingIsTheDefault) {
  const BatchSettings plain = parse("Train: 1\n").value().settings[0];
  EXPECT_TRUE(plain.bias && plain.scaled && !plain.lambda_l1 && !plain.lambda_l2);
  const OnlineRules rules = rules_of(plain);
  EXPECT_EQ(rules.sign_penalty(), plain.lambda);
  EXPECT_TRUE(rules.descends() && !rules.cross_entropy && rules.alpha_dropout == 0);
  const BatchSettings wished = parse(wishes + "Momentum: 0.8\nBeta2: 0.99\nLogLevel: Debug\nTrain: 1\n").value().settings[0];
  EXPECT_EQ(wished.optimizer, Optimizer::nadam);
  EXPECT_EQ(wished.momentum, 0.8);
  EXPECT_EQ(wished.beta2, 0.99);
  EXPECT_EQ(wished.log_level, BatchSettings::LogLevel::debug);
  EXPECT_EQ(rules_of(wished).sign_penalty(), 0);
  EXPECT_FALSE(wished.bias || wished.scaled);
  const auto refused = [&](const std::string& lines) {
    const auto batch = parse(lines);
    return batch ? "" : batch.error().message;
  };
  EXPECT_EQ(refused("AlphaDropout: 1\n"), "B:9: AlphaDropout: wanted a number from 0 to below 1, got '1'");
  EXPECT_EQ(refused("Bias: Maybe\n"), "B:9: Bias: unknown word 'Maybe'; known: No, Yes");
  EXPECT_THAT(refused("Optimizer: Adam\n"), StartsWith("B:9: Optimizer: unknown word 'Adam'"));
  scratch.write("net", "Identity, 8\nELU, 3\n");
  EXPECT_THAT(refused("Loss: CrossEntropy\nTrain: 1\n"), HasSubstr("wanted SoftMax or Logistic as the last layer of "));
}

TEST_F(WishedBatch, ABiasThatIsNotThereIsKeptInMind) {
  (void)run("Bias: No\nPersistenceFile: p\nTrain: 1\n");
  const auto report = run_batch(parse("PersistenceFile: p\nTrain: 1\n").value());
  ASSERT_FALSE(report.ok());
  EXPECT_THAT(report.error().message, HasSubstr("got one of other layers"));
}

}  // namespace
}  // namespace soma::test
