// tests/golden/*.json → cases as soma's own types. make_golden.py writes the files with PyTorch, in double.
//
// Each file is an array of cases; arrays of numbers are flat, outermost extent first, images {channels, height, width}.
//   activations      kind alpha x y dy dx
//   softmax          log rows cols x y dy dx
//   losses           kind [label_smoothing class_weights codes] rows outputs labels y loss dy      (dy: gradient of `loss`)
//   optimizers       config n weights gradients[step][n] after[step][n]  [rates[step] momentums[step] in place of the config's]
//   schedules        config rate steps_per_epoch epochs rates[step]  [momentums[step]] [losses[epoch], for plateau]
//   layers           name batch training input nodes parameters{name: shape values} x [batch, input…] output y [batch, output…];
//                    when training also dy (of y), dx, gradients{name} and after{name}: running statistics after the pass
//   initialisations  kind distribution shape deviation [half_width]
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "soma/config.h"
#include "soma/network.h"

namespace soma::golden {

using Json = nlohmann::json;

/// All cases of tests/golden/NAME.json.
inline std::vector<Json> load(const std::string& name) {
  const std::string path = std::string(SOMA_SOURCE_DIR) + "/tests/golden/" + name + ".json";
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  return Json::parse(file).get<std::vector<Json>>();
}

template <class T = double>
std::vector<T> values(const Json& array) {
  return array.get<std::vector<T>>();
}

/// The enumerator whose word this is: word("he", {"he", "xavier"}) is 0.
template <class Kind>
Kind word(const Json& name, std::initializer_list<std::string_view> words) {
  int index = 0;
  for (const std::string_view w : words) {
    if (name.get<std::string>() == w) return static_cast<Kind>(index);
    ++index;
  }
  throw std::runtime_error("golden file with an unknown word: " + name.get<std::string>());
}

inline Activation activation(const Json& kind, double alpha) {
  return {word<Activation::Kind>(
              kind, {"identity", "relu", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "softplus", "gelu", "silu"}),
          alpha};
}

inline LossConfig loss(const Json& c) {
  LossConfig config;
  config.kind = word<LossConfig::Kind>(c.at("kind"), {"cross_entropy", "quadratic", "binary_cross_entropy", "nll"});
  config.label_smoothing = c.value("label_smoothing", 0.0);
  config.class_weights = c.value("class_weights", std::vector<double>{});
  config.codes = c.value("codes", std::vector<double>{});
  return config;
}

inline OptimizerConfig optimizer(const Json& c) {
  OptimizerConfig o;
  o.kind = word<OptimizerConfig::Kind>(
      c.at("kind"), {"sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "nadam"});
  o.rate = c.at("rate");
  o.momentum = c.value("momentum", o.momentum);
  o.beta1 = c.value("beta1", o.beta1);
  o.beta2 = c.value("beta2", o.beta2);
  o.rho = c.value("rho", o.rho);
  o.alpha = c.value("alpha", o.alpha);
  o.epsilon = c.value("epsilon", o.epsilon);
  o.momentum_decay = c.value("momentum_decay", o.momentum_decay);
  o.weight_decay = c.value("weight_decay", o.weight_decay);
  o.l1 = c.value("l1", o.l1);
  o.l2 = c.value("l2", o.l2);
  o.elastic_net = c.value("elastic_net", o.elastic_net);
  o.clip_norm = c.value("clip_norm", o.clip_norm);
  o.clip_value = c.value("clip_value", o.clip_value);
  return o;
}

inline ScheduleConfig schedule(const Json& c) {
  ScheduleConfig s;
  s.kind = word<ScheduleConfig::Kind>(c.at("kind"), {"constant", "step", "exponential", "cosine", "one_cycle", "plateau"});
  s.gamma = c.value("gamma", s.gamma);
  s.every = c.value("every", s.every);
  s.min_rate = c.value("min_rate", s.min_rate);
  s.over = c.value("over", s.over);
  s.warmup_epochs = c.value("warmup_epochs", s.warmup_epochs);
  s.peak_at = c.value("peak_at", s.peak_at);
  s.start_divisor = c.value("start_divisor", s.start_divisor);
  s.final_divisor = c.value("final_divisor", s.final_divisor);
  s.momentum_low = c.value("momentum_low", s.momentum_low);
  s.momentum_high = c.value("momentum_high", s.momentum_high);
  s.factor = c.value("factor", s.factor);
  s.patience = c.value("patience", s.patience);
  return s;
}

inline Init init(const Json& c) {
  Init i;
  i.kind = word<Init::Kind>(c.at("kind"), {"auto", "he", "xavier", "lecun", "uniform"});
  i.distribution = word<Init::Distribution>(c.at("distribution"), {"normal", "uniform"});
  return i;
}

inline Layer layer(const Json& n) {
  using Pair = std::array<std::int64_t, 2>;
  const auto pair = [&n](const char* key, std::int64_t otherwise) { return n.value(key, Pair{otherwise, otherwise}); };
  const std::string kind = n.at("kind");
  const Pair size = pair("size", 0), kernel = pair("kernel", 0), stride = pair("stride", 1), padding = pair("padding", 0),
             dilation = pair("dilation", 1);
  if (kind == "linear") return Linear{n.at("out"), n.value("bias", true)};
  if (kind == "conv2d")
    return Conv2d{n.at("out"),          kernel[0],  kernel[1],   stride[0],   stride[1],
                  padding[0],           padding[1], dilation[0], dilation[1], n.value("groups", std::int64_t{1}),
                  n.value("bias", true)};
  if (kind == "max_pool" || kind == "average_pool")
    return Pool{kind == "max_pool" ? Pool::Kind::max : Pool::Kind::average,
                size[0],
                size[1],
                stride[0],
                stride[1],
                padding[0],
                padding[1]};
  if (kind == "global_average_pool") return GlobalAveragePool{};
  if (kind == "batch_norm") return BatchNorm{n.value("momentum", 0.1), n.value("epsilon", 1e-5)};
  if (kind == "dropout") return Dropout{n.at("rate")};
  if (kind == "alpha_dropout") return AlphaDropout{n.at("rate")};
  if (kind == "flatten") return Flatten{};
  if (kind == "add") return Add{};
  if (kind == "concat") return Concat{};
  if (kind == "activation") return activation(n.at("function"), n.value("alpha", 0.0));
  if (kind == "softmax") return Softmax{n.value("log", false)};
  throw std::runtime_error("golden file with an unknown layer: " + kind);
}

/// The network of a case of layers.json; every node is named.
inline NetworkSpec network(const Json& c) {
  NetworkSpec spec;
  spec.input = values<std::int64_t>(c.at("input"));
  for (const Json& n : c.at("nodes"))
    spec.nodes.push_back({n.at("name"), layer(n), n.value("inputs", std::vector<std::string>{}), {}});
  return spec;
}

/// Its parameters and running statistics, by canonical name, in published shapes. Floats hold the values exactly.
inline std::vector<Tensor> parameters(const Json& c) {
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : c.at("parameters").items())
    tensors.push_back({name, values<std::int64_t>(tensor.at("shape")), values<float>(tensor.at("values"))});
  return tensors;
}

/// `batch` samples of `shape`: {channels, height, width} each → channels last; flat samples stay as they are.
template <class T>
std::vector<T> channels_last(const std::vector<T>& samples, const Shape& shape, std::int64_t batch) {
  if (shape.size() != 3) return samples;
  const std::int64_t channels = shape[0], area = shape[1] * shape[2];
  std::vector<T> moved(samples.size());
  for (std::int64_t n = 0; n < batch; ++n)
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t p = 0; p < area; ++p)
        moved[static_cast<std::size_t>((n * area + p) * channels + c)] =
            samples[static_cast<std::size_t>((n * channels + c) * area + p)];
  return moved;
}

}  // namespace soma::golden
