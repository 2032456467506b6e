// a run on a GPU → the same bits however its steps are grouped, stopped and resumed; near the CPU's; and every way to fail, in
// words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "gpu/engine.h"
#include "soma/device.h"
#include "soma/words.h"
#include "train/small_run.h"

namespace soma {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

Config on_gpu() {
  Config config = small_config();
  config.train.device = "gpu:0";
  config.augment = {};
  config.train.batch = 8;
  config.train.epochs = 2;
  return config;
}

class OnDevice : public testing::Test {
 protected:
  void TearDown() override { gpu::testing() = {}; }

  static std::vector<std::vector<float>> trained(const Config& config, const RunData& data, std::int64_t steps) {
    gpu::testing().steps_per_submit = steps;
    Trainer trainer = make(config, data);
    finish(trainer);
    return weights(trainer);
  }
};

TEST_F(OnDevice, StepsOfASubmitChangeNoBit) {
  const RunData data = run_data(150, true);
  const auto want = trained(on_gpu(), data, 1);
  EXPECT_EQ(trained(on_gpu(), data, 7), want);
  EXPECT_EQ(trained(on_gpu(), data, 30), want);
}

TEST_F(OnDevice, ResumedRunTakesTheSameSteps) {
  const RunData data = run_data();
  const auto want = trained(on_gpu(), data, 7);
  const auto file = std::filesystem::path(testing::TempDir()) / "on_device.safetensors";
  Trainer first = make(on_gpu(), data);
  for (int i = 0; i < 4; ++i) first.step().value();
  first.save(file).value();
  Trainer second = make(on_gpu(), data);
  second.restore(file).value();
  finish(second);
  EXPECT_EQ(weights(second), want);
}

TEST_F(OnDevice, CheckpointBelongsToNoDevice) {
  const RunData data = run_data();
  gpu::testing().steps_per_submit = 5;
  const auto file = std::filesystem::path(testing::TempDir()) / "no_device.safetensors";
  Trainer first = make(on_gpu(), data);
  first.step().value();
  first.save(file).value();
  Config here = on_gpu();
  here.train.device = "cpu";
  Trainer second = make(here, data);
  second.restore(file).value();
  EXPECT_EQ(weights(second), weights(first));
  finish(second);
}

/// The parameters of two runs are the same but for rounding, and so are their losses on the validation samples.
void expect_near(Trainer& there, Trainer& here, const std::string& what) {
  const auto a = there.parameters(), b = here.parameters();
  for (std::size_t i = 0; i < b.size(); ++i)
    for (std::size_t k = 0; k < b[i].values.size(); ++k) ASSERT_NEAR(a[i].values[k], b[i].values[k], 1e-4) << what << " " << i;
  ASSERT_NEAR(*there.run({}, {}).value().history.back().validation_loss, *here.run({}, {}).value().history.back().validation_loss,
              1e-3)
      << what;
}

void expect_the_cpus_run(Config config, const RunData& data, const std::string& what) {
  config.optimizer.kind = OptimizerConfig::Kind::momentum;
  Trainer there = make(config, data);
  finish(there);
  config.train.device = "cpu";
  Trainer here = make(config, data);
  finish(here);
  expect_near(there, here, what);
}

TEST_F(OnDevice, MovesTheWeightsAsTheCpuDoes) {
  const RunData data = run_data(150, true);
  Config config = on_gpu();
  config.optimizer.kind = OptimizerConfig::Kind::momentum;
  Trainer there = make(config, data);
  finish(there);
  config.train.device = "cpu";
  Trainer here = make(config, data);
  finish(here);
  const auto gradients_there = there.gradients(), gradients_here = here.gradients();
  for (std::size_t i = 0; i < gradients_here.size(); ++i)
    for (std::size_t k = 0; k < gradients_here[i].values.size(); ++k)
      ASSERT_NEAR(gradients_there[i].values[k], gradients_here[i].values[k], 1e-3);
  expect_near(there, here, "bands");
}

// What the GPU cannot do to a picture is done here, and not left out.
TEST_F(OnDevice, AugmentsInEveryWay) {
  const RunData data = run_data(40, true);
  std::vector<std::pair<std::string, Augment>> ways(9);
  ways[0] = {"shift", {.shift = 1}};
  ways[1] = {"rotate", {.rotate = 20}};
  ways[2] = {"scale", {.scale = 0.2}};
  ways[3] = {"elastic", {.elastic = 1}};
  ways[4] = {"flip", {.flip_horizontal = 0.5, .flip_vertical = 0.5}};
  ways[5] = {"crop", {.crop = 1}};
  ways[6] = {"brightness", {.brightness = 0.3}};
  ways[7] = {"contrast", {.contrast = 0.3}};
  ways[8] = {"noise", {.noise = 0.1}};
  for (const auto& [name, way] : ways) {
    Config config = on_gpu();
    config.train.epochs = 1;
    config.augment = way;
    expect_the_cpus_run(config, data, name);
  }
}

TEST_F(OnDevice, TrainsForEveryTask) {
  const auto drawn = [](std::int64_t i) {
    return static_cast<float>(random_normal(9, stream(Stream::test), static_cast<std::uint64_t>(i)));
  };
  const auto table = [&](std::int64_t count, Task task) {
    Dataset data;
    data.name = "table";
    data.shape = {5};
    data.count = count;
    data.task = task;
    for (std::int64_t i = 0; i < 5 * count; ++i) data.floats.push_back(drawn(i));
    for (std::int64_t i = 0; i < count; ++i) data.weights.push_back(0.5F + static_cast<float>(i % 3));
    if (task == Task::classes) data.class_names = {"low", "high"};
    for (std::int64_t i = 0; i < count && task == Task::classes; ++i) data.labels.push_back(drawn(5 * i) > 0 ? 1 : 0);
    if (task == Task::classes || task == Task::reconstruct) return data;
    data.target_names = {"a", "b"};
    for (std::int64_t i = 0; i < 2 * count; ++i) {
      const float x = drawn(i / 2 * 5 + i % 2);
      data.targets.push_back(task == Task::values ? 2 * x : x > 0 ? 1.0F : 0.0F);
    }
    return data;
  };
  using Kind = LossConfig::Kind;
  for (const auto& [task, kind] : {std::pair{Task::classes, Kind::automatic}, std::pair{Task::values, Kind::automatic},
                                   std::pair{Task::values, Kind::huber}, std::pair{Task::values, Kind::quantile},
                                   std::pair{Task::labels, Kind::automatic}, std::pair{Task::reconstruct, Kind::absolute}}) {
    RunData data;
    data.train = table(60, task);
    data.test = table(20, task);
    data.validation = table(20, task);
    Config config = on_gpu();
    config.network.nodes = {{"", Linear{6, true}, {}, {}},
                            {"", Activation{Activation::Kind::tanh, 0}, {}, {}},
                            {"", Linear{task == Task::reconstruct ? 5 : 2, true}, {}, {}}};
    config.loss.kind = kind;
    config.augment = {};
    expect_the_cpus_run(config, data, std::string(word(task)));
  }
  RunData pictures = run_data(40, true);  // bytes, and their own targets
  for (Dataset* part : {&pictures.train, &pictures.test, &*pictures.validation}) part->task = Task::reconstruct;
  Config config = on_gpu();
  config.network.nodes = {{"", Flatten{}, {}, {}}, {"", Linear{64, true}, {}, {}}};
  config.loss.kind = Kind::automatic;
  expect_the_cpus_run(config, pictures, "pictures");
}

TEST_F(OnDevice, LossThatIsNotFiniteNamesTheLayerAsTheCpuDoes) {
  Config config = on_gpu();
  config.optimizer.kind = OptimizerConfig::Kind::sgd;
  config.optimizer.rate = 1e30;
  const RunData data = run_data();
  const auto fails = [&](const Config& c) -> std::string {
    Trainer trainer = make(c, data);
    while (!trainer.finished())
      if (auto done = trainer.step(); !done) return done.error().message;
    return "";
  };
  gpu::testing().steps_per_submit = 6;
  const std::string there = fails(config);
  config.train.device = "cpu";
  EXPECT_EQ(there, fails(config));
  EXPECT_THAT(there, HasSubstr("wanted finite numbers"));
}

TEST_F(OnDevice, ResetGpuSaysAtWhichStepAndWhatToDo) {
  gpu::testing() = {4, 8};
  Trainer trainer = make(on_gpu(), run_data());
  std::string message;
  while (message.empty())
    if (auto done = trainer.step(); !done) message = done.error().message;
  EXPECT_EQ(message, "train: gpu:0 was reset by its driver at step 9; try --resume DIR");
}

std::string refused(const std::string& device) {
  Config config = on_gpu();
  config.train.device = device;
  auto trainer = Trainer::create(config, run_data());
  return trainer ? "" : trainer.error().message;
}

TEST_F(OnDevice, NeverFallsBack) {
  EXPECT_THAT(refused("gpu:7"), HasSubstr("--device gpu:7: wanted cpu, gpu or gpu:0"));
  EXPECT_THAT(refused("tpu"), HasSubstr("train.device: wanted cpu, gpu or gpu:N, got tpu"));
  EXPECT_THAT(refused("gpu"), HasSubstr("--device gpu: wanted a GPU, found only software (gpu:0 llvmpipe"));
  Config config = on_gpu();
  config.train.precision = "fp16";
  EXPECT_THAT(Trainer::create(config, run_data()).error().message, HasSubstr("train.precision: wanted fp32 on gpu:0, got fp16"));
}

TEST_F(OnDevice, SaysThatThereIsNoDriver) {
  const std::string kept = std::getenv("VK_ICD_FILENAMES") != nullptr ? std::getenv("VK_ICD_FILENAMES") : "";
  for (const char* name : {"VK_ICD_FILENAMES", "VK_DRIVER_FILES"}) ::setenv(name, "/none", 1);
  EXPECT_THAT(refused("gpu:0"), HasSubstr("try installing libvulkan1 and your GPU's driver, or --device cpu"));
  EXPECT_EQ(refused("cpu"), "");
  ::setenv("VK_ICD_FILENAMES", kept.c_str(), 1);
  ::unsetenv("VK_DRIVER_FILES");
}

// A driver that gives a shader fewer buffers than it reads and writes, where every other limit is Mesa's own.
TEST_F(OnDevice, GpuThatLacksSomethingIsRefusedByName) {
  gpu::testing().storage_buffers = 8;
  for (const std::string device : {"gpu", "gpu:0"}) {
    const std::string message = refused(device);
    EXPECT_THAT(message, StartsWith("--device " + device + ": wanted 11 storage buffers in a shader, got 8 of llvmpipe"));
    EXPECT_THAT(message, EndsWith("; try a newer driver, or --device cpu"));
  }
  std::vector<std::string> why;
  EXPECT_TRUE(gpus(&why).value().empty());
  ASSERT_EQ(why.size(), 1);
  EXPECT_THAT(why.front(), StartsWith("wanted 11 storage buffers in a shader, got 8 of llvmpipe"));
  gpu::testing().storage_buffers = 11;
  EXPECT_EQ(refused("gpu:0"), "");
}

TEST_F(OnDevice, TooLittleMemorySaysHowMuchIsFree) {
  auto device = gpu::Device::open("gpu:0").value();
  std::array<std::int64_t, gpu::kArenas> sizes{};
  sizes[0] = std::int64_t{1} << 40;
  EXPECT_THAT(device->allocate(sizes, false).error().message, HasSubstr("GB are free; try a smaller train.batch"));
}

}  // namespace
}  // namespace soma
