// nothing but numbers → a small data set, a config for it, and a trainer: what the tests of training share.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/random.h"
#include "soma/train.h"

namespace soma {

/// Three classes of 8×8 pictures: a bright band at the top, in the middle, at the bottom, in noise.
inline Dataset bands(std::int64_t count, std::uint64_t seed) {
  Dataset data;
  data.name = "bands";
  data.shape = {1, 8, 8};
  data.count = count;
  data.class_names = {"top", "middle", "bottom"};
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(i % 3);
    data.labels.push_back(label);
    for (std::int64_t p = 0; p < 64; ++p) {
      const bool bright = p / 8 >= label * 3 && p / 8 < label * 3 + 2;
      const std::uint32_t noise = random_u32(seed, stream(Stream::test), static_cast<std::uint64_t>(i * 64 + p)) % 120;
      data.bytes.push_back(static_cast<std::uint8_t>(noise + (bright ? 100 : 0)));
    }
  }
  return data;
}

inline RunData run_data(std::int64_t count = 150, bool validation = false) {
  RunData data;
  data.train = bands(count, 1);
  data.test = bands(60, 2);
  if (validation) data.validation = bands(30, 3);
  data.preprocess.steps = {{PreprocessKind::divide, {0}, {255}, {}}};
  return data;
}

inline Config small_config() {
  Config config;
  config.name = "bands";
  config.data.train = "digits";
  config.network.nodes = {{"", Conv2d{.out = 4, .kernel_h = 3, .kernel_w = 3}, {}, {}},
                          {"", Activation{Activation::Kind::relu, 0}, {}, {}},
                          {"", Pool{}, {}, {}},
                          {"", Flatten{}, {}, {}},
                          {"", Dropout{0.2}, {}, {}},
                          {"", Linear{0, true}, {}, {}}};
  config.optimizer.rate = 0.01;
  config.train.batch = 16;
  config.train.epochs = 3;
  config.train.seed = 4;
  config.augment.shift = 1;
  return config;
}

inline Trainer make(const Config& config, const RunData& data) {
  auto trainer = Trainer::create(config, data);
  if (!trainer) throw std::runtime_error(trainer.error().message);
  return std::move(*trainer);
}

inline void finish(Trainer& trainer) {
  while (!trainer.finished()) trainer.step().value();
}

inline std::vector<std::vector<float>> weights(const Trainer& trainer) {
  std::vector<std::vector<float>> all;
  for (const Tensor& t : trainer.model().parameters) all.push_back(t.values);
  return all;
}

}  // namespace soma
