// the presets compiled in → configs that hold what their names promise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "soma/config.h"

namespace soma {
namespace {

TEST(Presets, AreAllThereAndSound) {
  EXPECT_THAT(preset_names(), ::testing::ElementsAre("iris-large", "iris-small", "mnist-99", "mnist-cnn", "mnist-lenet",
                                                     "mnist-mlp", "neuro-go"));
  for (const std::string& name : preset_names()) {
    const Result<Config> config = preset(name);
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->name, name);
    const Result<void> checked = check_config(*config);
    EXPECT_TRUE(checked) << name << ": " << checked.error().message;
    EXPECT_EQ(parse_config(to_toml(*config), name).value(), *config);
  }
}

TEST(Presets, UnknownNamesGetTheNearestOrTheList) {
  EXPECT_EQ(preset("mnist-cn").error().message, "unknown preset 'mnist-cn'; did you mean 'mnist-cnn'?");
  EXPECT_EQ(preset("resnet").error().message,
            "unknown preset 'resnet'; known: iris-large, iris-small, mnist-99, mnist-cnn, mnist-lenet, mnist-mlp, neuro-go");
  EXPECT_EQ(preset("resnet").error().kind, Error::Kind::usage);
}

TEST(Presets, MnistCnnHasThePublishedSettings) {
  const Config config = preset("mnist-cnn").value();
  EXPECT_EQ(config.optimizer.kind, OptimizerConfig::Kind::adam);
  EXPECT_EQ(config.optimizer.rate, 0.001);
  EXPECT_EQ(config.optimizer.beta1, 0.9);
  EXPECT_EQ(config.optimizer.beta2, 0.999);
  EXPECT_EQ(config.optimizer.epsilon, 1e-8);
  EXPECT_EQ(config.optimizer.l2, 1e-4);
  EXPECT_EQ(config.schedule.kind, ScheduleConfig::Kind::cosine);
  EXPECT_EQ(config.schedule.min_rate, 1e-5);
  EXPECT_EQ(config.schedule.over, 20);
  EXPECT_EQ(config.train.epochs, 10);
  EXPECT_EQ(config.train.batch, 64);
  EXPECT_EQ(config.preprocess, (std::vector<PreprocessSpec>{{PreprocessKind::divide, 255, {}}}));
  ASSERT_EQ(config.network.nodes.size(), 7U);
  EXPECT_EQ(config.network.nodes[0].layer, (Layer{Conv2d{32, 5, 5, 1, 1, 2, 2}}));
  EXPECT_EQ(config.network.nodes[2].layer, (Layer{Pool{Pool::Kind::max, 2, 2, 2, 2}}));
  EXPECT_EQ(config.network.nodes[4].layer, (Layer{Linear{128}}));
}

TEST(Presets, IrisCodesTheLastClassAsOneHalf) {
  for (const char* name : {"iris-small", "iris-large"}) {
    const Config config = preset(name).value();
    EXPECT_EQ(config.loss.kind, LossConfig::Kind::quadratic);
    EXPECT_EQ(config.loss.codes, (std::vector<double>{0, 1, 0.5}));
    EXPECT_EQ(config.data.test_fraction, 0.2);
  }
}

}  // namespace
}  // namespace soma
