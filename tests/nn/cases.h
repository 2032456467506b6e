// a kind of layer → one small network around it, for the tests that walk them all.
#pragma once

#include <string>
#include <vector>

#include "soma/network.h"

namespace soma {

inline Activation act(Activation::Kind kind, double alpha = 0) { return {kind, alpha}; }

struct Case {
  std::string name;
  Shape input;
  std::vector<Node> nodes;
};

// Each network starts with a trained layer, so that the layer under test also has to hand its input's gradient down.
inline Case image(std::string name, std::vector<Node> nodes) {
  nodes.insert(nodes.begin(), Node{"first", Conv2d{.out = 4, .kernel_h = 1, .kernel_w = 1}, {}, {}});
  return {std::move(name), {3, 7, 6}, std::move(nodes)};
}
inline Case flat(std::string name, std::vector<Node> nodes) {
  nodes.insert(nodes.begin(), Node{"first", Linear{5, true}, {}, {}});
  return {std::move(name), {6}, std::move(nodes)};
}

inline std::vector<Case> cases() {
  std::vector<Case> all = {
      flat("linear", {{"", Linear{19, true}, {}, {}}}),
      flat("linear_without_bias", {{"", Linear{3, false}, {}, {}}}),
      flat("linear_two_panels", {{"", Linear{32, true}, {}, {}}, {"", Linear{2, true}, {}, {}}}),
      image("conv", {{"", Conv2d{.out = 5, .kernel_h = 3, .kernel_w = 3}, {}, {}}}),
      image("conv_padded", {{"", Conv2d{.out = 5, .kernel_h = 3, .kernel_w = 5, .padding_h = 1, .padding_w = 2}, {}, {}}}),
      image("conv_strided",
            {{"",
              Conv2d{.out = 5, .kernel_h = 3, .kernel_w = 2, .stride_h = 2, .stride_w = 3, .padding_h = 1, .padding_w = 1},
              {},
              {}}}),
      image("conv_dilated",
            {{"", Conv2d{.out = 5, .kernel_h = 2, .kernel_w = 3, .padding_w = 1, .dilation_h = 3, .dilation_w = 2}, {}, {}}}),
      image("conv_strided_dilated", {{"",
                                      Conv2d{.out = 5,
                                             .kernel_h = 3,
                                             .kernel_w = 2,
                                             .stride_h = 2,
                                             .stride_w = 4,
                                             .padding_h = 3,
                                             .padding_w = 1,
                                             .dilation_h = 3,
                                             .dilation_w = 2},
                                      {},
                                      {}}}),
      image("conv_stride_beyond_kernel",
            {{"", Conv2d{.out = 5, .kernel_h = 1, .kernel_w = 2, .stride_h = 3, .stride_w = 4, .padding_h = 1}, {}, {}}}),
      image("conv_groups", {{"", Conv2d{.out = 6, .kernel_h = 3, .kernel_w = 3, .padding_h = 1, .groups = 2}, {}, {}}}),
      image("conv_depthwise",
            {{"", Conv2d{.out = 4, .kernel_h = 3, .kernel_w = 3, .stride_h = 2, .groups = 4, .bias = false}, {}, {}}}),
      image("conv_16_channels", {{"", Conv2d{.out = 16, .kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2}, {}, {}}}),
      image("conv_relu_pool", {{"", Conv2d{.out = 5, .kernel_h = 3, .kernel_w = 3, .padding_h = 1, .padding_w = 1}, {}, {}},
                               {"", act(Activation::Kind::relu), {}, {}},
                               {"", Pool{}, {}, {}}}),
      image("conv_groups_relu_pool", {{"", Conv2d{.out = 6, .kernel_h = 2, .kernel_w = 3, .padding_w = 1, .groups = 2}, {}, {}},
                                      {"", act(Activation::Kind::relu), {}, {}},
                                      {"", Pool{}, {}, {}}}),
      image("conv_depthwise_pool", {{"", Conv2d{.out = 8, .kernel_h = 2, .kernel_w = 2, .groups = 4}, {}, {}},
                                    {"", Pool{.size_h = 3, .size_w = 2, .stride_h = 3, .stride_w = 2}, {}, {}},
                                    {"", act(Activation::Kind::elu, 0.5), {}, {}}}),
      image("conv_144_runs",  // more than one product's segments: kSegments
            {{"", Conv2d{.out = 2, .kernel_h = 12, .kernel_w = 12, .padding_h = 4, .padding_w = 9, .dilation_w = 2}, {}, {}}}),
      Case{"conv_131_rows",  // of windows, likewise
           {1, 131, 3},
           {{"first", Conv2d{.out = 2, .kernel_h = 1, .kernel_w = 1}, {}, {}},
            {"", Conv2d{.out = 3, .kernel_h = 3, .kernel_w = 3, .padding_h = 1, .padding_w = 1}, {}, {}}}},
      image("conv_pool_tanh", {{"", Conv2d{.out = 16, .kernel_h = 2, .kernel_w = 2}, {}, {}},
                               {"", Pool{.size_h = 3, .size_w = 2, .stride_h = 3, .stride_w = 2}, {}, {}},
                               {"", act(Activation::Kind::tanh), {}, {}}}),
      image("max_pool", {{"", act(Activation::Kind::tanh), {}, {}},
                         {"", Pool{.size_h = 3, .size_w = 2, .stride_h = 2, .stride_w = 1, .padding_h = 1}, {}, {}}}),
      image("average_pool", {{"",
                              Pool{.kind = Pool::Kind::average,
                                   .size_h = 3,
                                   .size_w = 2,
                                   .stride_h = 2,
                                   .stride_w = 2,
                                   .padding_h = 1,
                                   .padding_w = 1},
                              {},
                              {}}}),
      image("global_average_pool", {{"", GlobalAveragePool{}, {}, {}}, {"", Flatten{}, {}, {}}, {"", Linear{3, true}, {}, {}}}),
      image("batch_norm", {{"", BatchNorm{}, {}, {}}, {"", act(Activation::Kind::silu), {}, {}}}),
      flat("batch_norm_flat", {{"", BatchNorm{}, {}, {}}, {"", act(Activation::Kind::tanh), {}, {}}}),
      flat("dropout", {{"", Dropout{0.4}, {}, {}}, {"", Linear{3, true}, {}, {}}}),
      flat("alpha_dropout", {{"", AlphaDropout{0.3}, {}, {}}, {"", Linear{3, true}, {}, {}}}),
      image("flatten_for_linear",
            {{"", Flatten{}, {}, {}}, {"", act(Activation::Kind::tanh), {}, {}}, {"", Linear{3, true}, {}, {}}}),
      image("flatten_for_softmax", {{"", Flatten{}, {}, {}}, {"", Softmax{}, {}, {}}}),
      flat("softmax", {{"", Softmax{}, {}, {}}}),
      flat("log_softmax", {{"", Softmax{true}, {}, {}}}),
      flat("residual",
           {{"a", Linear{5, true}, {}, {}}, {"b", act(Activation::Kind::gelu), {}, {}}, {"", Add{}, {"first", "b", "a"}, {}}}),
      image("concat", {{"a", Conv2d{.out = 3, .kernel_h = 3, .kernel_w = 3, .padding_h = 1, .padding_w = 1}, {}, {}},
                       {"b", act(Activation::Kind::sigmoid), {"first"}, {}},
                       {"", Concat{}, {"b", "a", "first"}, {}}}),
      image("concat_flat", {{"a", Flatten{}, {}, {}}, {"b", Linear{3, true}, {}, {}}, {"", Concat{}, {"b", "a"}, {}}}),
  };
  using K = Activation::Kind;
  for (const K kind :
       {K::identity, K::relu, K::leaky_relu, K::elu, K::selu, K::sigmoid, K::tanh, K::softplus, K::gelu, K::silu}) {
    const Activation f = act(kind, kind == K::leaky_relu ? 0.1 : kind == K::elu ? 0.7 : 0);
    all.push_back(flat("fused_" + layer_kind(f), {{"", f, {}, {}}}));
    all.push_back(flat("alone_" + layer_kind(f), {{"", Softmax{}, {}, {}}, {"", f, {}, {}}, {"", Linear{2, true}, {}, {}}}));
  }
  return all;
}

}  // namespace soma
