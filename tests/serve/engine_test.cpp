// a model → what one thread of the server computes, held against Predictor.
#include "serve/engine.h"

#include <gtest/gtest.h>

#include <span>

#include "core/random.h"
#include "model/zoo.h"
#include "serve/client.h"

namespace soma::test {
namespace {

Dataset samples_for(const Model& model, std::int64_t count) {
  Dataset samples;
  samples.shape = model.input;
  samples.count = count;
  samples.bytes.resize(static_cast<std::size_t>(count * samples.sample_size()));
  for (std::size_t i = 0; i < samples.bytes.size(); ++i)
    samples.bytes[i] = static_cast<std::uint8_t>(random_u32(3, stream(Stream::test), i));
  return samples;
}

std::vector<float> served(const Model& model, const Dataset& samples) {
  auto engine = Engine::create(model, samples.count);
  if (!engine) throw std::runtime_error(engine.error().message);
  (*engine)->fill(0, std::as_bytes(std::span(samples.bytes)).data(), samples.count, Layout::bytes);
  const float* y = (*engine)->run(samples.count);
  return {y, y + samples.count * (*engine)->output_size()};
}

std::vector<float> predicted(const Model& model, const Dataset& samples) {
  return Predictor::create(model).value().outputs(samples).value();
}

TEST(Engine, AModelInEightBitsIsComputedInEightBits) {
  const auto file = std::filesystem::path(testing::TempDir()) / "engine-int8.onnx";
  write_small_model(file, 5);
  const Model model = read_onnx(file).value();
  std::filesystem::remove(file);
  const Dataset samples = samples_for(model, 7);
  const Model bytes = quantize(model, samples).value();
  EXPECT_EQ(served(model, samples), predicted(model, samples));
  EXPECT_EQ(served(bytes, samples), predicted(bytes, samples));
  Model rounded = bytes;  // the same weights in real numbers: what must not be served
  rounded.quantization.reset();
  EXPECT_NE(served(bytes, samples), predicted(rounded, samples));
}

TEST(Engine, ShowsWhatLayersOfAModelInEightBitsMakeOfTheSample) {
  const auto file = std::filesystem::path(testing::TempDir()) / "engine-layers.onnx";
  write_small_model(file, 5);
  const Model model = read_onnx(file).value();
  std::filesystem::remove(file);
  const Dataset samples = samples_for(model, 1);
  Model bytes = quantize(model, samples).value();
  auto engine = Engine::create(bytes, 1).value();
  engine->fill(0, std::as_bytes(std::span(samples.bytes)).data(), 1, Layout::bytes);
  (void)engine->run(1);
  bytes.quantization.reset();
  EXPECT_EQ(engine->activations().back().values, predicted(bytes, samples));
}

TEST(Engine, TwinsAnswerAlikeFromOneSetOfWeights) {
  const auto file = std::filesystem::path(testing::TempDir()) / "engine-twins.onnx";
  write_small_model(file, 5);
  const Model model = read_onnx(file).value();
  std::filesystem::remove(file);
  const Dataset samples = samples_for(model, 3);
  for (const Model& each : {model, quantize(model, samples).value()}) {
    auto first = Engine::create(each, 3).value();
    const auto second = first->twin();
    first.reset();  // the weights stay
    second->fill(0, std::as_bytes(std::span(samples.bytes)).data(), 3, Layout::bytes);
    const float* y = second->run(3);
    EXPECT_EQ(std::vector<float>(y, y + 3 * second->output_size()), predicted(each, samples));
  }
}

}  // namespace
}  // namespace soma::test
