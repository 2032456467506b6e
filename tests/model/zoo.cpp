// nothing → small models that together use every layer, preprocessing kind and loss, with samples for each.
#include "model/zoo.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/random.h"
#include "model/check.h"
#include "nn/resolve.h"

namespace soma {
namespace {

double draw(std::uint64_t seed, std::uint64_t index) { return 2 * random_unit(seed, stream(Stream::test), index) - 1; }

Dataset make_samples(const Shape& shape, std::int64_t count, bool bytes) {
  Dataset samples;
  samples.name = "samples";
  samples.shape = shape;
  samples.count = count;
  const std::uint64_t size = static_cast<std::uint64_t>(count * elements(shape));
  for (std::uint64_t i = 0; i < size; ++i) {
    const double value = draw(99, i);
    if (bytes) samples.bytes.push_back(static_cast<std::uint8_t>(127.5 + 127.5 * value));
    if (!bytes) samples.floats.push_back(static_cast<float>(2 * value));
  }
  return samples;
}

Node node(const Layer& layer, std::vector<std::string> inputs = {}, std::string name = "") {
  return {std::move(name), layer, std::move(inputs), {}};
}

PreprocessStep affine(PreprocessKind kind, std::size_t numbers, float offset, float divisor) {
  PreprocessStep step{kind, {}, {}, {}};
  for (std::size_t i = 0; i < numbers; ++i) {
    step.offset.push_back(offset * static_cast<float>(1 + 0.1 * draw(7, i)));
    step.divisor.push_back(divisor * static_cast<float>(1 + 0.1 * draw(8, i)));
  }
  return step;
}

}  // namespace

Model make_model(Shape input, std::vector<Node> nodes, Preprocess preprocess, std::uint64_t seed) {
  Model model;
  model.name = "made for a test";
  model.input = std::move(input);
  model.preprocess = std::move(preprocess);
  model.network.input = shape_after(model.preprocess, model.input).value();
  model.network.nodes = std::move(nodes);
  const auto network = resolve(model.network, 3).value();
  model.network = network.spec;
  for (const ParameterShape& wanted : parameter_shapes(network)) {
    Tensor tensor{wanted.name, wanted.shape, {}};
    const double fan_in = static_cast<double>(elements(wanted.shape)) / static_cast<double>(wanted.shape[0]);
    const std::string kind = wanted.name.substr(wanted.name.rfind('.'));
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(elements(wanted.shape)); ++i) {
      const double value = draw(seed + model.parameters.size(), i);
      const double scaled = kind == ".running_var" ? 1.2 + value : value * std::sqrt(3 / fan_in);
      tensor.values.push_back(static_cast<float>(scaled));
    }
    model.parameters.push_back(std::move(tensor));
  }
  const std::int64_t outputs = network.shapes.back()[0];
  if (outputs == 1) model.loss = {.kind = LossConfig::Kind::quadratic, .codes = {0, 1}};
  for (std::int64_t c = 0; c < std::max<std::int64_t>(outputs, 2); ++c) model.class_names.push_back("class " + std::to_string(c));
  return model;
}

std::vector<ZooModel> zoo() {
  using Act = Activation;
  std::vector<ZooModel> all;
  const auto add = [&](std::string name, Model model, bool bytes = false) {
    Dataset samples = make_samples(model.input, 7, bytes);
    samples.class_names = model.class_names;
    for (std::int64_t i = 0; i < samples.count; ++i)
      samples.labels.push_back(static_cast<std::int32_t>(i % static_cast<std::int64_t>(model.class_names.size())));
    all.push_back({std::move(name), std::move(model), std::move(samples)});
  };

  add("linear", make_model({5}, {node(Linear{4}), node(Linear{3, false})}));
  add("single_layer_no_bias", make_model({1}, {node(Linear{2, false})}));
  const std::vector<std::pair<const char*, Activation>> activations = {
      {"identity", {Act::Kind::identity}}, {"relu", {Act::Kind::relu}},         {"leaky_relu", {Act::Kind::leaky_relu, 0.02}},
      {"elu", {Act::Kind::elu, 1.5}},      {"selu", {Act::Kind::selu}},         {"sigmoid", {Act::Kind::sigmoid}},
      {"tanh", {Act::Kind::tanh}},         {"softplus", {Act::Kind::softplus}}, {"gelu", {Act::Kind::gelu}},
      {"silu", {Act::Kind::silu}}};
  for (const auto& [name, activation] : activations) {
    add(std::string(name) + "_flat", make_model({5}, {node(Linear{9}), node(activation), node(Linear{3})}));
    add(std::string(name) + "_image",
        make_model({2, 5, 6}, {node(Conv2d{4, 3, 3}), node(activation), node(Flatten{}), node(Linear{3})}));
    add(std::string(name) + "_last", make_model({4}, {node(Linear{3}), node(activation)}));
  }
  add("softmax", make_model({5}, {node(Linear{3}), node(Softmax{})}));
  auto nll = make_model({5}, {node(Linear{3}), node(Softmax{true})});
  nll.loss.kind = LossConfig::Kind::nll;
  add("log_softmax", std::move(nll));

  add("conv_all_numbers",
      make_model({4, 11, 13}, {node(Conv2d{6, 3, 2, 2, 3, 2, 1, 2, 1, 2}), node(Flatten{}), node(Linear{3})}));
  add("conv_depthwise_no_bias",
      make_model({3, 6, 6}, {node(Conv2d{6, 3, 3, 1, 1, 1, 1, 1, 1, 3, false}), node(Flatten{}), node(Linear{3})}));
  add("conv_pointwise", make_model({3, 4, 4}, {node(Conv2d{5, 1, 1}), node(Flatten{}), node(Linear{3})}));
  add("max_pool_padded",
      make_model({3, 9, 7}, {node(Pool{Pool::Kind::max, 3, 2, 2, 1, 1, 1}), node(Flatten{}), node(Linear{3})}));
  add("average_pool_padded",
      make_model({3, 9, 7}, {node(Pool{Pool::Kind::average, 3, 2, 2, 2, 1, 1}), node(Flatten{}), node(Linear{3})}));
  add("global_average_pool",
      make_model({3, 5, 4}, {node(Conv2d{4, 2, 2}), node(GlobalAveragePool{}), node(Flatten{}), node(Linear{3})}));
  add("batch_norm_image", make_model({2, 5, 5}, {node(Conv2d{4, 3, 3}), node(BatchNorm{0.2, 1e-3}), node(Act{Act::Kind::relu}),
                                                 node(Flatten{}), node(Linear{3})}));
  add("batch_norm_flat", make_model({5}, {node(BatchNorm{}), node(Linear{4}), node(BatchNorm{0.01}), node(Linear{3})}));
  add("dropout", make_model({5}, {node(Dropout{0.25}), node(Linear{4}), node(Dropout{0.125}), node(AlphaDropout{0.05}),
                                  node(Linear{3}), node(Dropout{0.5})}));
  add("flatten_flat", make_model({5}, {node(Flatten{}), node(Linear{3})}));
  add("residual",
      make_model({3, 6, 6}, {node(Conv2d{4, 3, 3, 1, 1, 1, 1}, {}, "stem"), node(Act{Act::Kind::relu}, {}, "branch"),
                             node(Conv2d{4, 3, 3, 1, 1, 1, 1}), node(BatchNorm{}), node(Add{}, {"batch_norm1", "branch"}),
                             node(Act{Act::Kind::relu}), node(GlobalAveragePool{}), node(Flatten{}), node(Linear{3})}));
  add("sum_of_three", make_model({4}, {node(Linear{4}, {}, "a"), node(Linear{4}, {"input"}, "b"),
                                       node(Add{}, {"a", "b", "input"}), node(Linear{3})}));
  add("concat", make_model({2, 4, 4}, {node(Conv2d{3, 1, 1}, {}, "a"), node(Conv2d{2, 3, 3, 1, 1, 1, 1}, {"input"}, "b"),
                                       node(Concat{}, {"b", "input", "a"}), node(Flatten{}), node(Linear{3})}));
  add("concat_flat", make_model({4}, {node(Linear{2}, {}, "a"), node(Concat{}, {"a", "input"}), node(Linear{3})}));
  add("awkward_names",
      make_model({4}, {node(Linear{4}, {}, "output"), node(Linear{4}, {}, "preprocess1"), node(Linear{3}, {}, "über")}));
  add("coded", make_model({4}, {node(Linear{6}), node(Act{Act::Kind::tanh}), node(Linear{1})}));

  const auto head = [] { return std::vector<Node>{node(Conv2d{3, 2, 2}), node(Flatten{}), node(Linear{3})}; };
  const Shape image = {3, 5, 4};
  using Kind = PreprocessKind;
  add("divide", make_model(image, head(), {{{Kind::divide, {0}, {255}, {}}}}), true);
  add("standardise_channel", make_model(image, head(), {{affine(Kind::standardise, 3, 100, 60)}}), true);
  add("standardise_feature", make_model(image, head(), {{affine(Kind::standardise, 60, 100, 60)}}), true);
  add("standardise_one", make_model(image, head(), {{affine(Kind::standardise, 1, 100, 60)}}), true);
  add("min_max_table", make_model({5}, {node(Linear{3})}, {{affine(Kind::min_max, 5, -1, 3)}}));
  auto mean = affine(Kind::mean_subtraction, 60, 90, 1);
  mean.divisor.assign(60, 1);
  add("mean_subtraction_then_divide", make_model(image, head(), {{mean, {Kind::divide, {0}, {255}, {}}}}), true);
  add("midrange", make_model(image, head(), {{{Kind::midrange, {}, {}, {}}, {Kind::divide, {0}, {128}, {}}}}), true);
  add("proportional", make_model(image, head(), {{{Kind::proportional, {}, {}, {}}}}), true);
  auto& zeros = all.back().samples.bytes;
  std::fill(zeros.begin(), zeros.begin() + 60, std::uint8_t{0});
  add("midrange_table", make_model({5}, {node(Linear{3})}, {{{Kind::midrange, {}, {}, {}}}}));
  add("proportional_table", make_model({5}, {node(Linear{3})}, {{{Kind::proportional, {}, {}, {}}}}));

  const Node relu = node(Act{Act::Kind::relu});
  add("int8_lenet",
      make_model({1, 12, 12},
                 {node(Conv2d{6, 5, 5}), node(Pool{}), relu, node(Conv2d{20, 3, 3}), relu, node(Pool{}), node(Flatten{}),
                  node(Linear{33}), relu, node(Linear{3})},
                 {{{Kind::divide, {0}, {255}, {}}}}),
      true);
  add("int8_awkward", make_model({3, 9, 8}, {node(Conv2d{17, 3, 2, 2, 1, 1, 2, 1, 2}),
                                             node(Pool{Pool::Kind::max, 3, 3, 1, 2, 1, 1}), node(Conv2d{5, 2, 2}), relu,
                                             node(Flatten{}), node(Linear{12}), node(Linear{3}), node(Softmax{true})}));

  Preprocess hot{{{Kind::one_hot, {}, {}, {3, 0, 2, 0}}, affine(Kind::standardise, 7, 0.3F, 0.7F)}};
  auto table = make_model({4}, {node(Linear{5}), node(Act{Act::Kind::relu}), node(Linear{3})}, hot);
  table.columns = {{"colour", {"red", "green", "blue"}}, {"length", {}}, {"kind", {"a", "b"}}, {"width", {}}};
  table.label_name = "species";
  add("one_hot", std::move(table));
  auto& rows = all.back().samples;
  rows.columns = all.back().model.columns;
  for (std::size_t r = 0; r < 7; ++r) {
    rows.floats[4 * r] = static_cast<float>(r % 4) - 1;  // −1: a word never seen
    rows.floats[4 * r + 2] = static_cast<float>(r % 3) - 1;
  }

  Preprocess gaps{{{Kind::impute, {}, {}, {}, {2, 0.5F, 1, -0.25F}, {0, 3}},
                   {Kind::one_hot, {}, {}, {3, 0, 2, 0, 0, 0}},
                   affine(Kind::robust, 9, 0.3F, 0.7F)}};
  auto filled = make_model({4}, {node(Linear{5}), node(Act{Act::Kind::relu}), node(Linear{3})}, gaps);
  filled.columns = all.back().model.columns;
  filled.label_name = "species";
  const Dataset words = rows;
  add("impute_one_hot_robust", std::move(filled));
  all.back().samples = words;
  for (std::size_t i = 0; i < words.floats.size(); i += 3) all.back().samples.floats[i] = std::numeric_limits<float>::quiet_NaN();
  return all;
}

}  // namespace soma
