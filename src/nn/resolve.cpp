// NetworkSpec → ResolvedNetwork: names and sizes filled in, every shape worked out, or one line that says which layer does not
// fit.
#include "nn/resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "core/text.h"

namespace soma {
namespace {

// Above this many elements an array could not be indexed with 32 bits, nor stored in an ONNX file.
constexpr std::int64_t kMostElements = std::numeric_limits<std::int32_t>::max();
// Sizes of layers beyond this are refused before they are multiplied: the product of two still fits 64 bits.
constexpr std::int64_t kMostExtent = std::int64_t{1} << 30;

Error usage(std::string message) { return {Error::Kind::usage, "network: " + std::move(message)}; }

bool in_range(const Shape& shape) {
  std::int64_t product = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 1 || extent > kMostElements / product) return false;
    product *= extent;
  }
  return true;
}

/// One layer and the shapes it reads → the shape it makes. Every failure starts with the layer's place and name.
class ShapeOf {
 public:
  ShapeOf(std::string who, std::vector<Shape> inputs, std::int64_t classes)
      : who_(std::move(who)), inputs_(std::move(inputs)), classes_(classes) {}

  Result<Shape> operator()(Linear& linear) const {
    if (linear.out == 0) linear.out = classes_;
    if (linear.out < 1 || linear.out > kMostExtent) return wants("at least 1 output", std::to_string(linear.out), "out = N");
    if (const auto flat = one(true); !flat) return flat;
    if (!in_range({linear.out, x()[0]})) return too_large({linear.out, x()[0]});
    return Shape{linear.out};
  }

  Result<Shape> operator()(const Conv2d& conv) const {
    if (const auto image = one(false); !image) return image;
    if (conv.out < 1 || conv.out > kMostExtent) return wants("at least 1 output channel", std::to_string(conv.out), "out = N");
    if (const auto sizes = windows("kernel", conv.kernel_h, conv.kernel_w, conv.stride_h, conv.stride_w); !sizes)
      return sizes.error();
    if (conv.dilation_h < 1 || conv.dilation_w < 1 || conv.dilation_h > kMostExtent || conv.dilation_w > kMostExtent)
      return wants("a dilation of at least 1", pair(conv.dilation_h, conv.dilation_w), "dilation = 1");
    if (conv.padding_h < 0 || conv.padding_w < 0 || conv.padding_h > kMostExtent || conv.padding_w > kMostExtent)
      return wants("a padding of at least 0", pair(conv.padding_h, conv.padding_w), "padding = 0");
    if (conv.groups < 1 || x()[0] % conv.groups != 0 || conv.out % conv.groups != 0)
      return wants("groups that divide its channels",
                   fmt::format("{} groups for {} channels in and {} out", conv.groups, x()[0], conv.out), "groups = 1");
    const Shape weight = {conv.out, x()[0] / conv.groups, conv.kernel_h, conv.kernel_w};
    if (!in_range(weight)) return too_large(weight);
    return slide(conv.out, conv.dilation_h * (conv.kernel_h - 1) + 1, conv.dilation_w * (conv.kernel_w - 1) + 1, conv.stride_h,
                 conv.stride_w, conv.padding_h, conv.padding_w);
  }

  Result<Shape> operator()(const Pool& pool) const {
    if (const auto image = one(false); !image) return image;
    if (const auto sizes = windows("window", pool.size_h, pool.size_w, pool.stride_h, pool.stride_w); !sizes)
      return sizes.error();
    if (pool.padding_h < 0 || pool.padding_w < 0 || pool.padding_h >= pool.size_h || pool.padding_w >= pool.size_w)
      return wants(fmt::format("a padding smaller than its window of {}", pair(pool.size_h, pool.size_w)),
                   pair(pool.padding_h, pool.padding_w), "padding = 0");
    return slide(x()[0], pool.size_h, pool.size_w, pool.stride_h, pool.stride_w, pool.padding_h, pool.padding_w);
  }

  Result<Shape> operator()(const GlobalAveragePool&) const {
    if (const auto image = one(false); !image) return image;
    return Shape{x()[0], 1, 1};
  }

  Result<Shape> operator()(const BatchNorm& norm) const {
    if (!(norm.epsilon > 0) || !std::isfinite(norm.epsilon))
      return wants("an epsilon above 0", fmt::format("{}", norm.epsilon), "epsilon = 1e-5");
    if (!(norm.momentum >= 0 && norm.momentum <= 1))
      return wants("a momentum in [0, 1]", fmt::format("{}", norm.momentum), "momentum = 0.1");
    return one();
  }

  Result<Shape> operator()(const Dropout& dropout) const { return dropped(dropout.rate); }
  Result<Shape> operator()(const AlphaDropout& dropout) const { return dropped(dropout.rate); }

  Result<Shape> operator()(const Flatten&) const {
    if (const auto input = one(); !input) return input;
    return Shape{elements(x())};
  }

  Result<Shape> operator()(const Add&) const {
    if (inputs_.size() < 2) return several();
    for (const Shape& other : inputs_)
      if (other != x()) return wants("inputs of one shape", to_string(x()) + " and " + to_string(other));
    return x();
  }

  Result<Shape> operator()(const Concat&) const {
    if (inputs_.size() < 2) return several();
    Shape sum = x();
    for (std::size_t i = 1; i < inputs_.size(); ++i) {
      const Shape& other = inputs_[i];
      if (other.size() != sum.size() || !std::equal(other.begin() + 1, other.end(), sum.begin() + 1))
        return wants("inputs that differ in channels only", to_string(x()) + " and " + to_string(other));
      sum[0] += other[0];
      if (!in_range(sum)) return too_large(sum);
    }
    return sum;
  }

  Result<Shape> operator()(const Activation& activation) const {
    if (!std::isfinite(activation.alpha)) return wants("a finite alpha", fmt::format("{}", activation.alpha));
    return one();
  }

  Result<Shape> operator()(const Softmax&) const { return one(true); }

 private:
  const Shape& x() const { return inputs_.front(); }
  static std::string pair(std::int64_t h, std::int64_t w) { return fmt::format("{}×{}", h, w); }

  Error wants(std::string_view wanted, std::string_view got, std::string_view hint = {}) const {
    return usage(fmt::format("{} wants {}, got {}{}{}", who_, wanted, got, hint.empty() ? "" : "; try ", hint));
  }
  Error several() const { return wants("two or more inputs", std::to_string(inputs_.size()), "inputs = [\"NAME\", \"NAME\"]"); }
  Error too_large(const Shape& shape) const {
    return wants(fmt::format("arrays of at most {} numbers", kMostElements), to_string(shape), "smaller sizes");
  }

  /// The shape of the only input.
  Result<Shape> one() const {
    if (inputs_.size() != 1) return wants("one input", std::to_string(inputs_.size()), "an add or concat before it");
    return x();
  }
  Result<Shape> one(bool flat) const {
    const auto shape = one();
    if (!shape || (shape->size() == 1) == flat) return shape;
    if (flat) return wants("a flat input", to_string(*shape), "a flatten before it");
    const std::int64_t size = (*shape)[0];
    const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(size))));
    return wants("an image (channels, height, width)", fmt::format("{} flat values", size),
                 fmt::format("it before the flatten, or --set network.input=[1,{},{}] where rows of data are {}",
                             side * side == size ? side : 1, side * side == size ? side : size,
                             side * side == size ? "pictures" : "signals"));
  }

  Result<void> windows(std::string_view what, std::int64_t h, std::int64_t w, std::int64_t stride_h,
                       std::int64_t stride_w) const {
    if (h < 1 || w < 1 || h > kMostExtent || w > kMostExtent)
      return wants(fmt::format("a {} of at least 1×1", what), pair(h, w),
                   fmt::format("{} = 2", what == "kernel" ? what : "size"));
    if (stride_h < 1 || stride_w < 1 || stride_h > kMostExtent || stride_w > kMostExtent)
      return wants("a stride of at least 1", pair(stride_h, stride_w), "stride = 1");
    return {};
  }

  Result<Shape> slide(std::int64_t channels, std::int64_t h, std::int64_t w, std::int64_t stride_h, std::int64_t stride_w,
                      std::int64_t padding_h, std::int64_t padding_w) const {
    const std::int64_t padded_h = x()[1] + 2 * padding_h, padded_w = x()[2] + 2 * padding_w;
    if (h > padded_h || w > padded_w)
      return wants(fmt::format("an input of at least {} for its window, padding included", pair(h, w)), pair(padded_h, padded_w),
                   "a smaller window or more padding");
    return Shape{channels, (padded_h - h) / stride_h + 1, (padded_w - w) / stride_w + 1};
  }

  Result<Shape> dropped(double rate) const {
    if (!(rate >= 0 && rate < 1)) return wants("a rate in [0, 1)", fmt::format("{}", rate), "rate = 0.5");
    return one();
  }

  std::string who_;
  std::vector<Shape> inputs_;
  std::int64_t classes_;
};

std::string who(const NetworkSpec& spec, std::size_t node) {
  return fmt::format("layer {} '{}'", node + 1, spec.nodes[node].name);
}

/// Empty names become kind and running number; then all are unique, and none can be mistaken for an array's name.
Result<void> name_nodes(NetworkSpec& spec) {
  std::set<std::string> taken = {"input"};
  for (std::size_t i = 0; i < spec.nodes.size(); ++i) {
    const std::string& name = spec.nodes[i].name;
    if (name.empty()) continue;
    if (name == "input")
      return usage(fmt::format("layer {} is called 'input', which is the network's input; try another name", i + 1));
    const auto odd = [](char c) { return c == '.' || static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; };
    if (std::any_of(name.begin(), name.end(), odd))
      return usage(fmt::format("layer {} wants a name without dots and blanks, got '{}'; try '_'", i + 1, one_line(name, 80)));
    if (!taken.insert(name).second)
      return usage(fmt::format("two layers are called '{}'; try another name for layer {}", name, i + 1));
  }
  std::map<std::string, int> count;
  for (Node& node : spec.nodes) {
    if (!node.name.empty()) continue;
    const std::string kind = layer_kind(node.layer);
    do node.name = kind + std::to_string(++count[kind]);
    while (!taken.insert(node.name).second);
  }
  return {};
}

/// Node indices of one node's inputs (−1 = the network's input), names looked up among the nodes before it.
Result<std::vector<std::int64_t>> inputs_of(const NetworkSpec& spec, std::size_t node) {
  const std::int64_t self = static_cast<std::int64_t>(node);
  if (spec.nodes[node].inputs.empty()) return std::vector<std::int64_t>{self - 1};
  std::vector<std::int64_t> found;
  for (const std::string& name : spec.nodes[node].inputs) {
    if (name == "input") {
      found.push_back(-1);
      continue;
    }
    const auto at = std::find_if(spec.nodes.begin(), spec.nodes.end(), [&](const Node& other) { return other.name == name; });
    const std::int64_t index = at - spec.nodes.begin();
    if (at == spec.nodes.end()) {
      std::vector<std::string> known = {"input"};
      for (std::size_t i = 0; i < node; ++i) known.push_back(spec.nodes[i].name);
      return usage(fmt::format("{} reads unknown '{}'{}", who(spec, node), one_line(name, 80), suggestion(name, known)));
    }
    if (index >= self)
      return usage(fmt::format("{} reads '{}', which does not come before it; try another order", who(spec, node), name));
    found.push_back(index);
  }
  return found;
}

}  // namespace

Result<Shape> layer_shape(Layer& layer, std::vector<Shape> inputs, const std::string& who, std::int64_t classes) {
  auto shape = std::visit(ShapeOf(who, std::move(inputs), classes), layer);
  if (shape && !in_range(*shape))
    return usage(
        fmt::format("{} wants arrays of at most {} numbers, got {}; try smaller sizes", who, kMostElements, to_string(*shape)));
  return shape;
}

Result<ResolvedNetwork> resolve(NetworkSpec spec, std::int64_t classes) {
  if (spec.nodes.empty()) return usage("wanted at least one layer, got none; try a linear layer");
  if (spec.input.size() != 1 && spec.input.size() != 3)
    return usage(
        fmt::format("wanted an input of {{features}} or {{channels, height, width}}, got {} extents", spec.input.size()));
  if (!in_range(spec.input))
    return usage(fmt::format("wanted an input of 1 to {} numbers, got {}", kMostElements, to_string(spec.input)));
  if (const auto named = name_nodes(spec); !named) return named.error();

  ResolvedNetwork network{std::move(spec), {}};
  std::vector<bool> read(network.spec.nodes.size(), false);
  for (std::size_t i = 0; i < network.spec.nodes.size(); ++i) {
    const auto inputs = inputs_of(network.spec, i);
    if (!inputs) return inputs.error();
    std::vector<Shape> shapes;
    for (const std::int64_t input : *inputs) {
      if (input >= 0) read[static_cast<std::size_t>(input)] = true;
      shapes.push_back(input < 0 ? network.spec.input : network.shapes[static_cast<std::size_t>(input)]);
    }
    auto shape = layer_shape(network.spec.nodes[i].layer, std::move(shapes), who(network.spec, i), classes);
    if (!shape) return shape.error();
    network.shapes.push_back(std::move(*shape));
  }
  for (std::size_t i = 0; i + 1 < read.size(); ++i)
    if (!read[i])
      return usage(fmt::format("{} is read by no layer; try naming it in a later layer's inputs", who(network.spec, i)));
  return network;
}

std::vector<std::vector<std::int64_t>> wiring(const NetworkSpec& resolved) {
  std::vector<std::vector<std::int64_t>> all;
  for (std::size_t i = 0; i < resolved.nodes.size(); ++i) all.push_back(inputs_of(resolved, i).value());
  return all;
}

}  // namespace soma
