// nothing → small networks of ugly sizes that make every shader run in every mode, and what a GPU makes of them.
#include <algorithm>

#include "gpu/judge.h"

namespace soma::gpu {
namespace {

using Kind = Activation::Kind;

Node layer(Layer each, std::string name = {}, std::vector<std::string> inputs = {}) {
  return {std::move(name), std::move(each), std::move(inputs), {}};
}
Node linear(std::int64_t out) { return layer(Linear{out, true}); }
Node act(Kind kind, double alpha = 0) { return layer(Activation{kind, alpha}); }

Trial trial(std::string name, Shape input, std::vector<Node> nodes, std::int64_t rows = 5, std::int64_t batch = 0) {
  Trial made;
  made.name = std::move(name);
  made.network = {std::move(input), std::move(nodes), {}};
  made.rows = rows;
  made.batch = batch == 0 ? rows : batch;
  return made;
}

void add_linear(std::vector<Trial>& all) {
  all.push_back(trial("linear, odd sizes", {7}, {linear(19), act(Kind::tanh), linear(3)}));
  all.push_back(trial("linear, whole tiles", {128}, {linear(64), act(Kind::relu), linear(64), act(Kind::relu), linear(10)}, 64));
  all.push_back(trial("linear, one row more than a tile", {36}, {linear(68), act(Kind::elu, 0.7), linear(17), linear(2)}, 65));
  all.push_back(trial("linear, a short batch", {30}, {linear(33), act(Kind::sigmoid), linear(5)}, 3, 20));
  all.push_back(
      trial("linear, sums in pieces", {1000}, {linear(40), act(Kind::relu), linear(700), act(Kind::relu), linear(10)}, 20));
  all.push_back(
      trial("linear, few rows", {300}, {linear(260), act(Kind::sigmoid), linear(270), act(Kind::sigmoid), linear(3)}, 7, 10));
  all.push_back(trial("linear, no bias", {6}, {layer(Linear{5, false}), act(Kind::identity), layer(Linear{3, false})}));
}

void add_convolutions(std::vector<Trial>& all) {
  const auto image = [&](std::string name, Conv2d conv, std::vector<Node> more = {}, std::int64_t rows = 5) {
    std::vector<Node> nodes = {layer(Conv2d{.out = 4, .kernel_h = 1, .kernel_w = 1}, "first"), act(Kind::tanh), layer(conv)};
    nodes.insert(nodes.end(), more.begin(), more.end());
    nodes.push_back(layer(Flatten{}));
    nodes.push_back(linear(3));
    all.push_back(trial(std::move(name), {3, 7, 6}, std::move(nodes), rows));
  };
  image("convolution", {.out = 5, .kernel_h = 3, .kernel_w = 3});
  image("convolution, padded", {.out = 5, .kernel_h = 3, .kernel_w = 5, .padding_h = 1, .padding_w = 2},
        {act(Kind::leaky_relu, 0.1)});
  image("convolution, strided",
        {.out = 18, .kernel_h = 3, .kernel_w = 2, .stride_h = 2, .stride_w = 3, .padding_h = 1, .padding_w = 1});
  image("convolution, dilated", {.out = 5, .kernel_h = 2, .kernel_w = 3, .padding_w = 1, .dilation_h = 3, .dilation_w = 2});
  image("convolution, groups", {.out = 6, .kernel_h = 3, .kernel_w = 3, .padding_h = 1, .groups = 2});
  image("convolution, depthwise", {.out = 4, .kernel_h = 3, .kernel_w = 3, .stride_h = 2, .groups = 4, .bias = false});
  image("convolution, 40 rows of a filter, 33 channels", {.out = 33, .kernel_h = 2, .kernel_w = 5}, {act(Kind::selu)}, 9);
  image("convolution, pool, relu", {.out = 32, .kernel_h = 3, .kernel_w = 3, .padding_h = 1, .padding_w = 1},
        {act(Kind::relu), layer(Pool{})}, 18);
  image("convolution, pool, tanh", {.out = 16, .kernel_h = 2, .kernel_w = 2},
        {layer(Pool{.size_h = 3, .size_w = 2, .stride_h = 3, .stride_w = 2}), act(Kind::tanh)});
}

void add_others(std::vector<Trial>& all) {
  const Node first = layer(Conv2d{.out = 4, .kernel_h = 1, .kernel_w = 1}, "first");
  const auto image = [&](std::string name, std::vector<Node> nodes) {
    nodes.insert(nodes.begin(), first);
    all.push_back(trial(std::move(name), {3, 7, 6}, std::move(nodes)));
  };
  const auto flat = [&](std::string name, std::vector<Node> nodes) {
    nodes.insert(nodes.begin(), layer(Linear{6, true}, "first"));
    all.push_back(trial(std::move(name), {6}, std::move(nodes)));
  };
  image("maximum over windows that overlap",
        {act(Kind::tanh), layer(Pool{.size_h = 3, .size_w = 2, .stride_h = 2, .stride_w = 1, .padding_h = 1})});
  image(
      "average over windows",
      {layer(Pool{
          .kind = Pool::Kind::average, .size_h = 3, .size_w = 2, .stride_h = 2, .stride_w = 2, .padding_h = 1, .padding_w = 1})});
  image("average over images", {layer(GlobalAveragePool{}), layer(Flatten{}), linear(3)});
  image("batch norm of channels", {layer(BatchNorm{}), act(Kind::silu)});
  flat("batch norm of features", {layer(BatchNorm{}), act(Kind::gelu)});
  flat("dropout", {layer(Dropout{0.4}), linear(3)});
  flat("alpha dropout", {layer(AlphaDropout{0.3}), linear(3)});
  image("published order", {layer(Flatten{}), layer(Softmax{})});
  flat("softmax", {layer(Softmax{})});
  flat("log softmax", {layer(Softmax{true})});
  flat("residual", {layer(Linear{6, true}, "a"), layer(Activation{Kind::gelu, 0}, "b"), layer(Add{}, "", {"first", "b", "a"})});
  image("concatenation of channels",
        {layer(Conv2d{.out = 3, .kernel_h = 3, .kernel_w = 3, .padding_h = 1, .padding_w = 1}, "a"),
         layer(Activation{Kind::sigmoid, 0}, "b", {"first"}), layer(Concat{}, "", {"b", "a", "first"})});
  flat("concatenation of features",
       {layer(Linear{3, true}, "b"), layer(Activation{Kind::softplus, 0}, "c", {"first"}), layer(Concat{}, "", {"b", "c"})});
}

void add_losses_and_optimizers(std::vector<Trial>& all) {
  using Loss = LossConfig::Kind;
  const auto head = [&](std::string name, LossConfig loss, std::vector<Node> nodes) {
    Trial made = trial(std::move(name), {6}, std::move(nodes), 7);
    made.loss = std::move(loss);
    all.push_back(std::move(made));
  };
  head("cross-entropy", {.kind = Loss::cross_entropy, .label_smoothing = 0, .class_weights = {}, .codes = {}}, {linear(5)});
  head("cross-entropy, smoothed and weighted",
       {.kind = Loss::cross_entropy, .label_smoothing = 0.1, .class_weights = {1, 2, 0.5, 1, 3}, .codes = {}}, {linear(5)});
  head("negative log likelihood", {.kind = Loss::nll, .label_smoothing = 0, .class_weights = {1, 2, 0.5}, .codes = {}},
       {linear(3), layer(Softmax{true})});
  head("quadratic, of codes", {.kind = Loss::quadratic, .label_smoothing = 0, .class_weights = {}, .codes = {0, 1, 0.5}},
       {linear(1), act(Kind::sigmoid)});
  head("binary cross-entropy", {.kind = Loss::binary_cross_entropy, .label_smoothing = 0, .class_weights = {}, .codes = {}},
       {linear(4)});
  head("binary cross-entropy, of codes",
       {.kind = Loss::binary_cross_entropy, .label_smoothing = 0, .class_weights = {}, .codes = {0, 1}}, {linear(1)});
  // Numbers or several labels for a target, rows that count differently; alone, and in one dispatch with a small last layer.
  const auto of_values = [&](std::string name, LossConfig loss, bool weighted) {
    head(name, loss, {linear(4)});
    all.back().values = true;
    all.back().row_weights = weighted;
    head(name + ", behind an activation", loss, {linear(5), act(Kind::tanh), layer(Softmax{})});
    all.back().values = true;
    all.back().row_weights = weighted;
  };
  of_values("absolute", {.kind = Loss::absolute, .label_smoothing = 0, .class_weights = {}, .codes = {}}, false);
  of_values("huber, weighted rows", {.kind = Loss::huber, .label_smoothing = 0, .class_weights = {}, .delta = 0.7, .codes = {}},
            true);
  of_values("quantile", {.kind = Loss::quantile, .label_smoothing = 0, .class_weights = {}, .quantile = 0.8, .codes = {}}, true);
  of_values("quadratic, of values", {.kind = Loss::quadratic, .label_smoothing = 0, .class_weights = {}, .codes = {}}, false);
  of_values("several labels", {.kind = Loss::binary_cross_entropy, .label_smoothing = 0, .class_weights = {}, .codes = {}}, true);
  head("cross-entropy, weighted rows",
       {.kind = Loss::cross_entropy, .label_smoothing = 0.1, .class_weights = {1, 2, 0.5}, .codes = {}}, {linear(3)});
  all.back().row_weights = true;
  for (const auto& [kind, name] : std::initializer_list<std::pair<UpdateRule, const char*>>{{UpdateRule::sgd, "sgd"},
                                                                                            {UpdateRule::momentum, "momentum"},
                                                                                            {UpdateRule::nesterov, "nesterov"},
                                                                                            {UpdateRule::adagrad, "adagrad"},
                                                                                            {UpdateRule::adadelta, "adadelta"},
                                                                                            {UpdateRule::rmsprop, "rmsprop"},
                                                                                            {UpdateRule::adam, "adam"},
                                                                                            {UpdateRule::nadam, "nadam"}}) {
    Trial made = trial(name, {6}, {linear(20), act(Kind::tanh), linear(3)});
    made.rule = kind;
    made.optimizer.l2 = 0.1;
    made.optimizer.l1 = 0.05;
    made.optimizer.weight_decay = 0.2;
    made.optimizer.clip_value = 0.05;
    all.push_back(std::move(made));
  }
  Trial clipped = trial("clipped norm", {3, 7, 6},
                        {layer(Conv2d{.out = 5, .kernel_h = 3, .kernel_w = 3}), layer(BatchNorm{}), layer(Flatten{}), linear(3)});
  clipped.optimizer.clip_norm = 0.01;
  all.push_back(std::move(clipped));
}

}  // namespace

std::vector<Trial> trials() {
  std::vector<Trial> all;
  add_linear(all);
  add_convolutions(all);
  add_others(all);
  add_losses_and_optimizers(all);
  return all;
}

}  // namespace soma::gpu

namespace soma {

Result<std::vector<GpuCheck>> check_gpu(std::string_view id) {
  auto device = gpu::Device::open(id);
  if (!device) return device.error();
  std::vector<GpuCheck> checks;
  for (const gpu::Trial& trial : gpu::trials()) {
    const auto verdict = gpu::judge(*device, trial);
    if (!verdict) return verdict.error();
    const double error =
        std::max({verdict->values, verdict->gradients, verdict->parameter_gradients, verdict->moved, verdict->loss});
    checks.push_back({verdict->name, verdict->sound(), error, verdict->fault});
  }
  return checks;
}

}  // namespace soma
