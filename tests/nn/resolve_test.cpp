// architectures → shapes, counts, or the one line that says which layer does not fit.
#include "nn/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace soma {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

NetworkSpec spec(Shape input, const std::vector<Layer>& layers) {
  NetworkSpec made{std::move(input), {}, {}};
  for (const Layer& layer : layers) made.nodes.push_back({"", layer, {}, {}});
  return made;
}

std::string message(const NetworkSpec& wrong, std::int64_t classes = 0) {
  const auto result = resolve(wrong, classes);
  EXPECT_FALSE(result.ok());
  return result.ok() ? "" : result.error().message;
}

NetworkSpec cnn() {
  return spec({1, 28, 28}, {Conv2d{32, 5, 5, 1, 1, 2, 2}, Activation{Activation::Kind::relu}, Pool{}, Flatten{}, Linear{128},
                            Activation{Activation::Kind::relu}, Linear{}});
}

TEST(Resolve, NamesNodesByKindAndRunningNumber) {
  auto wanted = cnn();
  wanted.nodes[6].name = "relu1";  // taken: the unnamed ones must go round it
  const auto network = resolve(wanted, 10).value();
  std::vector<std::string> names;
  for (const Node& node : network.spec.nodes) names.push_back(node.name);
  EXPECT_THAT(names, ElementsAre("conv2d1", "relu2", "max_pool1", "flatten1", "linear1", "relu3", "relu1"));
}

TEST(Resolve, FillsInClassesAndShapes) {
  const auto network = resolve(cnn(), 10).value();
  EXPECT_EQ(std::get<Linear>(network.spec.nodes[6].layer).out, 10);
  EXPECT_THAT(network.shapes, ElementsAre(Shape{32, 28, 28}, Shape{32, 28, 28}, Shape{32, 14, 14}, Shape{6272}, Shape{128},
                                          Shape{128}, Shape{10}));
  EXPECT_EQ(resolve(network.spec).value().spec, network.spec);
}

TEST(Resolve, StrideDilationAndOddSizesRoundDown) {
  Conv2d conv{6, 3, 2, 2, 3, 1, 0, 2, 4, 3};
  const auto network =
      resolve(spec({3, 11, 17}, {conv, Pool{Pool::Kind::average, 3, 2, 2, 1, 1, 0}, GlobalAveragePool{}})).value();
  EXPECT_THAT(network.shapes, ElementsAre(Shape{6, 5, 5}, Shape{6, 3, 4}, Shape{6, 1, 1}));
  EXPECT_THAT(parameter_shapes(network)[0].shape, ElementsAre(6, 1, 3, 2));
}

TEST(Resolve, BranchesAddAndConcat) {
  auto wanted = spec({4, 6, 6}, {Activation{}, Conv2d{4, 1, 1}, Add{}, Concat{}, Flatten{}});
  wanted.nodes[2].inputs = {"identity1", "conv2d1"};
  wanted.nodes[3].inputs = {"add1", "input", "identity1"};
  const auto network = resolve(wanted).value();
  EXPECT_THAT(network.shapes, ElementsAre(Shape{4, 6, 6}, Shape{4, 6, 6}, Shape{4, 6, 6}, Shape{12, 6, 6}, Shape{432}));
  EXPECT_THAT(wiring(network.spec),
              ElementsAre(ElementsAre(-1), ElementsAre(0), ElementsAre(0, 1), ElementsAre(2, -1, 0), ElementsAre(3)));
}

TEST(Resolve, SaysWhichLayerWantedWhat) {
  auto flat = spec({32, 14, 14}, {Activation{}, Linear{5}});
  EXPECT_EQ(message(flat), "network: layer 2 'linear1' wants a flat input, got 32×14×14; try a flatten before it");
  EXPECT_EQ(
      message(spec({8}, {Conv2d{1, 1, 1}})),
      "network: layer 1 'conv2d1' wants an image (channels, height, width), got 8 flat values; try it before the flatten, or "
      "--set network.input=[1,1,8] where rows of data are signals");
  EXPECT_THAT(message(spec({1, 4, 4}, {Softmax{}})), HasSubstr("'softmax1' wants a flat input"));
  EXPECT_THAT(message(spec({8}, {Linear{}})), HasSubstr("'linear1' wants at least 1 output, got 0; try out = N"));
  EXPECT_THAT(message(spec({8}, {Linear{-3}}), 10), HasSubstr("got -3"));
  EXPECT_THAT(message(spec({1, 8, 8}, {Conv2d{0, 3, 3}})), HasSubstr("at least 1 output channel"));
  EXPECT_THAT(message(spec({1, 8, 8}, {Conv2d{1, 0, 3}})), HasSubstr("a kernel of at least 1×1, got 0×3"));
  EXPECT_THAT(message(spec({1, 8, 8}, {Conv2d{1, 3, 3, 0}})), HasSubstr("a stride of at least 1, got 0×1"));
  EXPECT_THAT(message(spec({1, 8, 8}, {Conv2d{1, 3, 3, 1, 1, -1}})), HasSubstr("a padding of at least 0"));
  EXPECT_THAT(message(spec({1, 8, 8}, {Conv2d{1, 3, 3, 1, 1, 0, 0, 0}})), HasSubstr("a dilation of at least 1"));
  EXPECT_THAT(message(spec({3, 8, 8}, {Conv2d{4, 3, 3, 1, 1, 0, 0, 1, 1, 2}})),
              HasSubstr("wants groups that divide its channels, got 2 groups for 3 channels in and 4 out"));
  EXPECT_THAT(message(spec({1, 4, 4}, {Conv2d{1, 7, 3, 1, 1, 1, 1}})),
              HasSubstr("wants an input of at least 7×3 for its window, padding included, got 6×6"));
  EXPECT_THAT(message(spec({1, 4, 4}, {Pool{Pool::Kind::max, 5, 5}})), HasSubstr("at least 5×5"));
  EXPECT_THAT(message(spec({1, 4, 4}, {Pool{Pool::Kind::max, 2, 2, 2, 2, 2, 0}})),
              HasSubstr("a padding smaller than its window of 2×2, got 2×0"));
  EXPECT_THAT(message(spec({4}, {Dropout{1.0}})), HasSubstr("a rate in [0, 1), got 1"));
  EXPECT_THAT(message(spec({4}, {AlphaDropout{-0.1}})), HasSubstr("a rate in [0, 1)"));
  EXPECT_THAT(message(spec({4}, {Dropout{std::numeric_limits<double>::quiet_NaN()}})), HasSubstr("a rate in [0, 1)"));
  EXPECT_THAT(message(spec({4}, {BatchNorm{0.1, 0}})), HasSubstr("an epsilon above 0"));
  EXPECT_THAT(message(spec({4}, {BatchNorm{1.5}})), HasSubstr("a momentum in [0, 1]"));
  EXPECT_THAT(message(spec({4}, {Activation{Activation::Kind::elu, std::numeric_limits<double>::infinity()}})),
              HasSubstr("a finite alpha"));
  EXPECT_THAT(message(spec({4}, {Add{}})), HasSubstr("'add1' wants two or more inputs, got 1"));
}

TEST(Resolve, SaysWhichInputsDoNotFit) {
  auto wanted = spec({4, 6, 6}, {Conv2d{4, 3, 3}, Add{}});
  wanted.nodes[1].inputs = {"conv2d1", "input"};
  EXPECT_THAT(message(wanted), HasSubstr("'add1' wants inputs of one shape, got 4×4×4 and 4×6×6"));
  wanted.nodes[1].layer = Concat{};
  EXPECT_THAT(message(wanted), HasSubstr("'concat1' wants inputs that differ in channels only, got 4×4×4 and 4×6×6"));
  wanted.nodes[1].layer = Activation{};
  EXPECT_THAT(message(wanted), HasSubstr("'identity1' wants one input, got 2"));
  wanted.nodes[1].inputs = {"conv2d2"};
  EXPECT_EQ(message(wanted), "network: layer 2 'identity1' reads unknown 'conv2d2'; did you mean 'conv2d1'?");
  wanted.nodes[0].inputs = {"identity1"};
  EXPECT_THAT(message(wanted), HasSubstr("layer 1 'conv2d1' reads 'identity1', which does not come before it"));
}

TEST(Resolve, RefusesNamesThatCannotWork) {
  auto wanted = spec({4}, {Activation{}, Activation{}});
  wanted.nodes[0].name = wanted.nodes[1].name = "a";
  EXPECT_EQ(message(wanted), "network: two layers are called 'a'; try another name for layer 2");
  wanted.nodes[0].name = "input";
  EXPECT_THAT(message(wanted), HasSubstr("layer 1 is called 'input'"));
  wanted.nodes[0].name = "a.weight";
  EXPECT_THAT(message(wanted), HasSubstr("without dots and blanks, got 'a.weight'"));
}

TEST(Resolve, RefusesWhatIsEmptyUnusedOrTooLarge) {
  EXPECT_THAT(message(spec({4}, {})), HasSubstr("wanted at least one layer, got none"));
  EXPECT_THAT(message(spec({}, {Linear{1}})), HasSubstr("got 0 extents"));
  EXPECT_THAT(message(spec({3, 4}, {Linear{1}})), HasSubstr("got 2 extents"));
  EXPECT_THAT(message(spec({0}, {Linear{1}})), HasSubstr("wanted an input of 1 to"));
  EXPECT_THAT(message(spec({1, -4, 4}, {Flatten{}})), HasSubstr("wanted an input of 1 to"));
  auto unused = spec({4}, {Linear{1}, Linear{2}});
  unused.nodes[1].inputs = {"input"};
  EXPECT_THAT(message(unused), HasSubstr("layer 1 'linear1' is read by no layer"));
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  EXPECT_THAT(message(spec({huge, 1, 1}, {Flatten{}})), HasSubstr("wanted an input of 1 to"));
  EXPECT_THAT(message(spec({huge / 2, 2, 2}, {Flatten{}})), HasSubstr("wanted an input of 1 to"));
  EXPECT_THAT(message(spec({1 << 20}, {Linear{1 << 20}})),
              HasSubstr("arrays of at most 2147483647 numbers, got 1048576×1048576"));
  EXPECT_THAT(message(spec({4}, {Linear{huge}})), HasSubstr("wants at least 1 output"));
  EXPECT_THAT(message(spec({1, 1, 1}, {Conv2d{1, 1, 1, 1, 1, 1 << 20, 1 << 20}})), HasSubstr("arrays of at most"));
  EXPECT_THAT(message(spec({1, 1, 1}, {Conv2d{1, huge, 1}})), HasSubstr("a kernel of at least 1×1"));
  EXPECT_THAT(message(spec({1, 1, 1}, {Conv2d{1, 1 << 20, 1 << 20}})), HasSubstr("arrays of at most"));
}

TEST(Summary, CountsParametersFlopsAndMemory) {
  const auto rows = summarise(resolve(cnn(), 10).value());
  ASSERT_EQ(rows.size(), 7U);
  EXPECT_EQ(rows[0].kind, "conv2d");
  EXPECT_EQ(rows[0].parameters, 32 * 25 + 32);
  EXPECT_EQ(rows[0].flops, 1'254'400);
  EXPECT_EQ(rows[0].memory_bytes, 4 * (832 + 32 * 28 * 28));
  EXPECT_EQ(rows[1].flops, 32 * 28 * 28);
  EXPECT_EQ(rows[2].flops, 4 * 32 * 14 * 14);
  EXPECT_EQ(rows[3].flops, 0);
  EXPECT_EQ(rows[4].parameters, 6272 * 128 + 128);
  EXPECT_EQ(rows[4].flops, 1'605'632);
  EXPECT_EQ(rows[6].output, Shape{10});
}

TEST(Summary, RunningStatisticsAreMemoryButNotParameters) {
  auto wanted = spec({3, 4, 4}, {BatchNorm{}, Conv2d{6, 3, 3, 1, 1, 1, 1, 1, 1, 3, false}, Flatten{}, Softmax{}, Concat{}});
  wanted.nodes[4].inputs = {"softmax1", "flatten1"};
  const auto rows = summarise(resolve(wanted).value());
  EXPECT_EQ(rows[0].parameters, 6);
  EXPECT_EQ(rows[0].memory_bytes, 4 * (12 + 48));
  EXPECT_EQ(rows[1].parameters, 6 * 9);
  EXPECT_EQ(rows[1].flops, 2 * 96 * 9);
  EXPECT_EQ(rows[3].flops, 5 * 96);
  EXPECT_EQ(rows[4].memory_bytes, 4 * 192);
}

TEST(LayerKind, IsTheWordOfConfigs) {
  EXPECT_EQ(layer_kind(Pool{Pool::Kind::average}), "average_pool");
  EXPECT_EQ(layer_kind(GlobalAveragePool{}), "global_average_pool");
  EXPECT_EQ(layer_kind(AlphaDropout{}), "alpha_dropout");
  EXPECT_EQ(layer_kind(Activation{Activation::Kind::leaky_relu}), "leaky_relu");
  EXPECT_EQ(layer_kind(Activation{Activation::Kind::silu}), "silu");
  EXPECT_EQ(layer_kind(Softmax{true}), "log_softmax");
}

}  // namespace
}  // namespace soma
