// files of one's own + a config → a run's data, or the one line that says why not; every kind of target, trained.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>

#include "train/small_run.h"

namespace soma {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class OwnData : public testing::Test {
 protected:
  OwnData()
      : directory_(fs::temp_directory_path() / fmt::format("soma-own-data-{}", testing::UnitTest::GetInstance()->random_seed())) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  ~OwnData() override { fs::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ / name, std::ios::binary) << text;
    return (directory_ / name).string();
  }

  /// A config for a table: standardise, one hidden layer.
  static Config config_for(const std::string& file) {
    Config config;
    config.name = "own";
    config.data.train = file;
    config.preprocess = {{PreprocessKind::standardise}};
    config.network.nodes = {
        {"", Linear{16, true}, {}, {}}, {"", Activation{Activation::Kind::tanh, 0}, {}, {}}, {"", Linear{0, true}, {}, {}}};
    config.optimizer.rate = 0.02;
    config.train.epochs = 60;
    config.train.batch = 16;
    config.train.threads = 1;
    return config;
  }

  static std::string refusal(const Config& config) {
    const auto data = load_run_data(config);
    return data.ok() ? "" : data.error().message;
  }

  fs::path directory_;
};

/// y = 1000 + 50·a − 20·b, and which of two labels hold.
std::string plane(int rows) {
  std::string text = "a,b,price,high,low\n";
  for (int i = 0; i < rows; ++i) {
    const double a = i % 13, b = i % 7, y = 1000 + 50 * a - 20 * b + 0.5;
    text += fmt::format("{},{},{},{},{}\n", a, b, y, y > 1200 ? 1 : 0, b > 3 ? 1 : 0);
  }
  return text;
}

TEST_F(OwnData, MissingCellsAreRefusedWithTheLineThatFillsThem) {
  Config config = config_for(write("t.csv", "a,b,label\n1,2,x\n,3,y\n4,,x\n5,6,y\n,1,x\n2,2,y\n3,1,x\n1,1,y\n9,2,x\n8,8,y\n"));
  EXPECT_THAT(refusal(config), HasSubstr("wanted a value in every cell, got 3 without in a (2), b (1)"));
  EXPECT_THAT(refusal(config), HasSubstr("\n{ kind = \"impute\", with = \"median\", indicator = true }"));
  config.preprocess.insert(config.preprocess.begin(), {PreprocessKind::impute});
  config.preprocess[0].indicator = true;
  const auto data = load_run_data(config);
  ASSERT_TRUE(data.ok()) << data.error().message;
  EXPECT_EQ(preprocessed_shape(data->preprocess, data->train.shape)[0], 2 + std::ssize(data->preprocess.steps[0].indicators));
  Trainer trainer = make(config, *data);
  finish(trainer);
  for (const auto& values : weights(trainer))
    for (const float value : values) ASSERT_TRUE(std::isfinite(value));
}

TEST_F(OwnData, WhatCannotBeLearntIsRefused) {
  EXPECT_THAT(refusal(config_for(write("one.csv", "a,label\n1,x\n2,x\n3,x\n4,x\n5,x\n"))),
              HasSubstr("at least two classes to train on, got 'x' alone"));
  Config divided = config_for(write("small.csv", "a,label\n0.1,x\n0.2,y\n0.3,x\n0.4,y\n1,x\n0.5,y\n"));
  divided.preprocess = {{PreprocessKind::divide}};
  EXPECT_THAT(refusal(divided), HasSubstr("they are divided already"));
  Config bent = config_for(write("small.csv", "a,label\n0.1,x\n0.2,y\n0.3,x\n0.4,y\n1,x\n0.5,y\n"));
  bent.augment.shift = 1;
  EXPECT_THAT(refusal(bent), HasSubstr("augment: wanted images to distort, got a table"));
}

TEST_F(OwnData, BatchNormOfOneRowIsRefused) {
  Config config = config_for(write("t.csv", plane(40)));
  config.network.nodes.insert(config.network.nodes.begin() + 1, Node{"", BatchNorm{}, {}, {}});
  config.train.batch = 1;
  const auto data = load_run_data(config);
  ASSERT_TRUE(data.ok()) << data.error().message;
  EXPECT_THAT(Trainer::create(config, *data).error().message, HasSubstr("wanted at least 2 samples in every batch"));
}

TEST_F(OwnData, NothingHeldOutAndTheLastRows) {
  Config config = config_for(write("t.csv", plane(40)));
  config.data.ignore = {"high", "low"};
  config.data.label = "price";
  config.data.test_fraction = 0;
  EXPECT_EQ(load_run_data(config)->test.count, 0);
  config.data.test_fraction = 0.25;
  config.data.shuffle = false;
  const auto data = load_run_data(config);
  ASSERT_TRUE(data.ok()) << data.error().message;
  EXPECT_EQ(data->test.count, 10);
  EXPECT_FLOAT_EQ(data->test.floats[0], 30 % 13);
}

TEST_F(OwnData, GroupsAreNotCut) {
  std::string text = "patient,a,label\n";
  for (int i = 0; i < 60; ++i) text += fmt::format("p{},{},{}\n", i / 6, i, i % 2 == 0 ? "x" : "y");
  Config config = config_for(write("t.csv", text));
  config.data.group = "patient";
  const auto data = load_run_data(config);
  ASSERT_TRUE(data.ok()) << data.error().message;
  EXPECT_EQ(data->train.columns.size(), 1U);
  EXPECT_EQ(data->test.count, 12);
  for (const std::int32_t group : data->test.groups)
    EXPECT_EQ(std::count(data->train.groups.begin(), data->train.groups.end(), group), 0);
}

TEST_F(OwnData, AValueComesBackInItsUnit) {
  Config config = config_for(write("t.csv", plane(200)));
  config.data.ignore = {"high", "low"};
  config.data.label = "price";
  for (const bool bent : {false, true}) {
    if (bent) config.network.nodes.push_back({"", Activation{Activation::Kind::identity, 0}, {}, {}});
    const auto data = load_run_data(config);
    ASSERT_TRUE(data.ok()) << data.error().message;
    EXPECT_EQ(data->train.task, Task::values);
    Trainer trainer = make(config, *data);
    finish(trainer);
    auto predictor = Predictor::create(trainer.model());
    ASSERT_TRUE(predictor.ok()) << predictor.error().message;
    const auto judged = predictor->evaluate(data->test);
    ASSERT_TRUE(judged.ok()) << judged.error().message;
    ASSERT_EQ(judged->metrics[2].name, "r2");
    EXPECT_GT(judged->metrics[2].value, 0.98);
    const auto said = predictor->predict(data->test);
    EXPECT_GT(said->front().values[0], 700);

    const fs::path file = directory_ / "model.onnx";
    ASSERT_TRUE(write_onnx(trainer.model(), file).ok());
    const auto back = read_onnx(file);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(back->task, Task::values);
    EXPECT_EQ(back->target_names, std::vector<std::string>{"price"});
    EXPECT_EQ(Predictor::create(*back)->predict(data->test)->front().values, said->front().values);
  }
}

TEST_F(OwnData, SeveralLabels) {
  Config config = config_for(write("t.csv", plane(200)));
  config.data.labels = {"high", "low"};
  config.data.ignore = {"price"};
  const auto data = load_run_data(config);
  ASSERT_TRUE(data.ok()) << data.error().message;
  Trainer trainer = make(config, *data);
  finish(trainer);
  const auto judged = Predictor::create(trainer.model())->evaluate(data->test);
  ASSERT_TRUE(judged.ok()) << judged.error().message;
  EXPECT_GT(judged->accuracy, 0.9);
  ASSERT_EQ(judged->per_label.size(), 2U);
  EXPECT_EQ(judged->per_label[1].label, "low");
}

TEST_F(OwnData, AnUnusualSampleIsGivenBackBadly) {
  std::string text = "a,b,c,label\n";
  for (int i = 0; i < 200; ++i) text += fmt::format("{0},{1},{2},normal\n", i % 17, 2 * (i % 17), 34 - i % 17);
  Config config = config_for(write("t.csv", text));
  config.data.task = Task::reconstruct;
  config.network.nodes[0] = {"", Linear{1, true}, {}, {}};
  config.train.epochs = 200;
  const auto data = load_run_data(config);
  ASSERT_TRUE(data.ok()) << data.error().message;
  Trainer trainer = make(config, *data);
  finish(trainer);
  auto predictor = Predictor::create(trainer.model());
  ASSERT_TRUE(predictor.ok()) << predictor.error().message;
  Dataset odd = data->test;
  odd.count = 2;
  odd.floats = {5, 10, 29, 5, 30, 20};
  odd.labels.clear();
  const auto said = predictor->predict(odd);
  EXPECT_GT((*said)[1].score, 10 * (*said)[0].score);
}

/// With values and several labels, with samples to be given back, with weights of samples and balanced classes.
TEST_F(OwnData, EveryKindOfTargetGivesTheSameBitsOnAnyNumberOfThreadsAndAfterAnInterruption) {
  std::string text = "a,b,price,size,high,low,w,word\n";
  for (int i = 0; i < 150; ++i)
    text += fmt::format("{},{},{}.5,{},{},{},{},{}\n", i * 7 % 13, i * 5 % 11, i * 3 % 101, i * i % 97, i % 2, i % 3 == 0 ? 1 : 0,
                        1 + i % 4, i % 5 == 0 ? "x" : "y");
  const std::string file = write("t.csv", text);
  struct Target {
    const char* what;
    std::vector<std::string> labels, ignore;
    std::optional<Task> task;
  };
  const Target targets[] = {{"values", {"price", "size"}, {"high", "low", "word"}, Task::values},
                            {"labels", {"high", "low"}, {"price", "size", "word"}, Task::labels},
                            {"reconstruct", {"word"}, {"high", "low"}, Task::reconstruct},
                            {"classes", {"word"}, {"price", "size"}, Task::classes}};
  for (const Target& target : targets) {
    SCOPED_TRACE(target.what);
    Config config = config_for(file);
    config.data.task = target.task;
    config.data.ignore = target.ignore;
    config.data.weights = "w";
    if (target.labels.size() == 1)
      config.data.label = target.labels[0];
    else
      config.data.labels = target.labels;
    config.loss.balanced = target.task == Task::classes;
    config.train.epochs = 3;
    config.train.early_stopping = 3;
    config.data.validation_fraction = 0.1;
    const auto data = load_run_data(config);
    ASSERT_TRUE(data.ok()) << data.error().message;
    Trainer whole = make(config, *data);
    finish(whole);

    config.train.threads = 3;
    Trainer threaded = make(config, *data);
    const fs::path checkpoint = directory_ / "checkpoint.safetensors";
    for (int step = 0; step < 9; ++step) threaded.step().value();  // into the middle of the second epoch
    threaded.save(checkpoint).value();
    finish(threaded);
    EXPECT_EQ(weights(threaded), weights(whole));

    Trainer resumed = make(config, *data);
    resumed.restore(checkpoint).value();
    finish(resumed);
    EXPECT_EQ(weights(resumed), weights(whole));
  }
}

TEST_F(OwnData, ALossThatCannotServeTheTaskIsRefused) {
  Config config = config_for(write("t.csv", plane(60)));
  config.data.ignore = {"high", "low"};
  config.data.label = "price";
  config.loss.kind = LossConfig::Kind::cross_entropy;
  const auto data = load_run_data(config);
  ASSERT_TRUE(data.ok()) << data.error().message;
  EXPECT_THAT(Trainer::create(config, *data).error().message,
              HasSubstr("wanted quadratic, absolute, huber or quantile for data.task = \"values\", got \"cross_entropy\""));
  for (const auto kind : {LossConfig::Kind::absolute, LossConfig::Kind::huber, LossConfig::Kind::quantile}) {
    config.loss.kind = kind;
    Trainer trainer = make(config, *data);
    finish(trainer);
    EXPECT_GT(Predictor::create(trainer.model())->evaluate(data->test)->metrics[2].value, 0.9);
  }
}

TEST_F(OwnData, AResumedRunWantsTheDataItBeganWith) {
  const std::string text = "a,b,label\n1,2,x\n2,3,y\n4,1,x\n5,6,y\n0,1,x\n2,2,y\n3,1,x\n1,1,y\n9,2,x\n8,8,y\n";
  Config config = config_for(write("t.csv", text));
  config.data.test_fraction = 0;
  const auto data = load_run_data(config);
  Trainer first = make(config, *data);
  ASSERT_TRUE(first.step().ok());
  const fs::path checkpoint = directory_ / "checkpoint.safetensors";
  ASSERT_TRUE(first.save(checkpoint).ok());
  const auto restored = [&](std::string changed) {
    write("t.csv", changed);
    const auto now = load_run_data(config);
    Trainer again = make(config, *now);
    const auto done = again.restore(checkpoint);
    return done ? std::string() : done.error().message;
  };
  EXPECT_EQ(restored(text), "");
  EXPECT_THAT(restored(text + "7,7,x\n"),
              HasSubstr("wanted the data this run began with: as many samples (10 samples), got 11 samples"));
  std::string renamed = text;
  for (std::size_t at = renamed.find(",y\n"); at != std::string::npos; at = renamed.find(",y\n")) renamed.replace(at, 3, ",a\n");
  EXPECT_THAT(restored(renamed), HasSubstr("the same names"));
  std::string moved = text;
  moved[moved.find("9,2")] = '7';
  EXPECT_THAT(restored(moved), HasSubstr("the same values"));
}

TEST_F(OwnData, BalancedClassesAndWeights) {
  Config config = config_for(write("t.csv", "a,w,label\n1,1,x\n2,1,y\n3,0,x\n4,1,x\n5,1,x\n6,2,y\n7,1,x\n8,1,x\n"));
  config.data.test_fraction = 0;
  config.data.weights = "w";
  config.loss.balanced = true;
  const auto data = load_run_data(config);
  ASSERT_TRUE(data.ok()) << data.error().message;
  EXPECT_EQ(data->train.weights, (std::vector<float>{1, 1, 0, 1, 1, 2, 1, 1}));
  Trainer trainer = make(config, *data);
  EXPECT_EQ(trainer.config().loss.class_weights, (std::vector<double>{8.0 / 12, 2}));
  finish(trainer);
}

}  // namespace
}  // namespace soma
