// operators with weights or windows → layers: Gemm, MatMul, Conv, pools, batch norm, dropout, activations.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/number.h"
#include "model/onnx_import.h"

namespace soma {
namespace {

/// The decimal number somebody wrote before it became a float: 1e-05 and not 9.99999974737875e-06.
double decimal(float value) { return decimal_number(fmt::format("{}", value)).value_or(static_cast<double>(value)); }

Tensor transposed(const Tensor& w) {
  Tensor t{w.name, {w.shape[1], w.shape[0]}, std::vector<float>(w.values.size())};
  const std::size_t rows = static_cast<std::size_t>(w.shape[0]), columns = static_cast<std::size_t>(w.shape[1]);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) t.values[c * rows + r] = w.values[r * columns + c];
  return t;
}

/// A constant that adds one number per output → [out]. Counted from the end, its extent `place` is `out`, the others are 1: the
/// last one beside flat values, the third from the end beside images. A single number serves all outputs.
bool flatten_bias(Tensor& bias, std::int64_t out, std::size_t place) {
  const std::size_t rank = bias.shape.size();
  bool fits = rank <= place + 1;
  if (bias.values.size() == 1) {
    bias.values.assign(static_cast<std::size_t>(out), bias.values[0]);
  } else {
    fits = fits && rank >= place && bias.shape[rank - place] == out && bias.values.size() == static_cast<std::size_t>(out);
  }
  bias.shape = {out};
  return fits;
}

}  // namespace

const onnx::AttributeProto* Importer::attribute(const Operator& op, std::string_view name) {
  for (const auto& given : op.attribute())
    if (given.name() == name) return &given;
  return nullptr;
}

std::int64_t Importer::integer(const Operator& op, std::string_view name, std::int64_t otherwise) {
  const auto* given = attribute(op, name);
  return given != nullptr && given->has_i() ? given->i() : otherwise;
}

double Importer::number(const Operator& op, std::string_view name, double otherwise) {
  const auto* given = attribute(op, name);
  return given != nullptr && given->has_f() ? decimal(given->f()) : otherwise;
}

std::vector<std::int64_t> Importer::list(const Operator& op, std::string_view name) {
  const auto* given = attribute(op, name);
  return given == nullptr ? std::vector<std::int64_t>() : std::vector<std::int64_t>(given->ints().begin(), given->ints().end());
}

Result<void> Importer::gemm(const Operator& op) {
  const auto x = row(op);
  if (!x) return x.error();
  auto w = floats(op, 1);
  if (!w) return w.error();
  if (w->shape.size() != 2) return wrong(op, "weights [in, out]", to_string(w->shape));
  if (integer(op, "transA", 0) != 0) return wrong(op, "transA = 0", "1");
  if (integer(op, "transB", 0) == 0) *w = transposed(*w);
  const float alpha = static_cast<float>(number(op, "alpha", 1)), beta = static_cast<float>(number(op, "beta", 1));
  for (float& each : w->values) each *= alpha;
  if (shape(*x) != Shape{w->shape[1]}) return wrong(op, fmt::format("{} flat inputs", w->shape[1]), to_string(shape(*x)));
  turn_columns(*x, *w);
  Linear linear{w->shape[0], has_input(op, 2)};
  std::vector<std::pair<std::string, Tensor>> arrays = {{"weight", std::move(*w)}};
  if (linear.bias) {
    auto bias = floats(op, 2);
    if (!bias) return bias.error();
    const Shape given = bias->shape;
    if (!flatten_bias(*bias, linear.out, 1)) return wrong(op, fmt::format("a bias of {}", linear.out), to_string(given));
    for (float& each : bias->values) each *= beta;
    arrays.emplace_back("bias", std::move(*bias));
  }
  return add(op, linear, {*x}, std::move(arrays));
}

Result<void> Importer::matrix_product(const Operator& op) {
  const auto x = row(op);
  if (!x) return x.error();
  auto w = floats(op, 1);
  if (!w) return w.error();
  if (w->shape.size() != 2) return wrong(op, "weights [in, out]", to_string(w->shape));
  if (shape(*x) != Shape{w->shape[0]}) return wrong(op, fmt::format("{} flat inputs", w->shape[0]), to_string(shape(*x)));
  *w = transposed(*w);
  turn_columns(*x, *w);
  const Linear linear{w->shape[0], false};
  return add(op, linear, {*x}, {{"weight", std::move(*w)}});
}

struct Importer::Windows {
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, padding_h = 0, padding_w = 0, dilation_h = 1,
               dilation_w = 1;
};

Result<Importer::Value> Importer::padded_value(const Operator& op) const {
  auto x = any_value(op, 0);
  if (x && x->form != Value::Form::padded) return value(op, 0);
  return x;
}

Result<Importer::Windows> Importer::windows(const Operator& op, const Value& value, std::vector<std::int64_t> kernel) const {
  constexpr std::int64_t most = 1 << 30;
  const Shape& x = shape(value);
  if (x.size() != 3) return wrong(op, "an image", to_string(x));
  if (const auto given = list(op, "kernel_shape"); !given.empty()) kernel = given;
  auto strides = list(op, "strides"), pads = list(op, "pads"), dilations = list(op, "dilations");
  if (strides.empty()) strides = {1, 1};
  if (dilations.empty()) dilations = {1, 1};
  if (pads.empty()) pads = {0, 0, 0, 0};
  if (kernel.size() != 2 || strides.size() != 2 || dilations.size() != 2 || pads.size() != 4)
    return wrong(op, "windows of two extents", fmt::format("{}", kernel.size()));
  for (const auto* numbers : {&kernel, &strides, &pads, &dilations})
    for (const std::int64_t n : *numbers)
      if (n < 0 || n > most || (n == 0 && numbers != &pads)) return wrong(op, "windows of usable size", fmt::format("{}", n));
  const auto* automatic = attribute(op, "auto_pad");
  const std::string mode = automatic == nullptr || automatic->s().empty() ? "NOTSET" : automatic->s();
  if (mode == "VALID") pads = {0, 0, 0, 0};
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER")
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t outputs = (x[i + 1] + strides[i] - 1) / strides[i];
      const std::int64_t needed = (outputs - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - x[i + 1];
      const std::int64_t all = std::max<std::int64_t>(needed, 0);
      pads[i] = mode == "SAME_UPPER" ? all / 2 : (all + 1) / 2;
      pads[i + 2] = all - pads[i];
    }
  if (value.form == Value::Form::padded) {
    if (mode != "NOTSET" && mode != "VALID") return wrong(op, "padding of its own behind a Pad", mode);
    for (std::size_t i = 0; i < 4; ++i) pads[i] += value.pads[i];
  }
  if (pads[0] != pads[2] || pads[1] != pads[3])
    return wrong(op, "the same padding on both sides", fmt::format("{}, {}, {}, {}", pads[0], pads[1], pads[2], pads[3]));
  for (std::size_t i = 0; i < 2 && integer(op, "ceil_mode", 0) != 0; ++i)
    if ((x[i + 1] + 2 * pads[i] - (kernel[i] - 1) * dilations[i] - 1) % strides[i] != 0)
      return wrong(op, "sizes that need no rounding", "ceil_mode = 1");
  return Windows{kernel[0], kernel[1], strides[0], strides[1], pads[0], pads[1], dilations[0], dilations[1]};
}

Result<void> Importer::convolution(const Operator& op) {
  const auto x = padded_value(op);
  if (!x) return x.error();
  auto w = floats(op, 1);
  if (!w) return w.error();
  if (w->shape.size() != 4) return wrong(op, "weights [out, in, height, width]", to_string(w->shape));
  const auto window = windows(op, *x, {w->shape[2], w->shape[3]});
  if (!window) return window.error();
  const std::int64_t groups = integer(op, "group", 1);
  const Shape wanted = {w->shape[0], groups < 1 ? 0 : shape(*x)[0] / groups, window->kernel_h, window->kernel_w};
  if (w->shape != wanted) return wrong(op, "weights of " + to_string(wanted), to_string(w->shape));
  Conv2d conv{w->shape[0],       window->kernel_h,   window->kernel_w,   window->stride_h, window->stride_w, window->padding_h,
              window->padding_w, window->dilation_h, window->dilation_w, groups,           has_input(op, 2)};
  std::vector<std::pair<std::string, Tensor>> arrays = {{"weight", std::move(*w)}};
  if (conv.bias) {
    auto bias = floats(op, 2);
    if (!bias) return bias.error();
    if (bias->shape != Shape{conv.out}) return wrong(op, fmt::format("a bias of {}", conv.out), to_string(bias->shape));
    arrays.emplace_back("bias", std::move(*bias));
  }
  return add(op, conv, {*x}, std::move(arrays));
}

Result<void> Importer::pool(const Operator& op) {
  const bool max = op.op_type() == "MaxPool";
  const auto x = max ? value(op, 0) : padded_value(op);
  if (!x) return x.error();
  const auto window = windows(op, *x, {});
  if (!window) return window.error();
  const auto own = list(op, "pads");
  const bool zeros_count =
      x->form == Value::Form::padded && std::all_of(own.begin(), own.end(), [](std::int64_t n) { return n == 0; });
  if (window->dilation_h != 1 || window->dilation_w != 1) return wrong(op, "windows without dilation", "dilations");
  if (!max && !zeros_count && (window->padding_h > 0 || window->padding_w > 0) && integer(op, "count_include_pad", 0) == 0)
    return wrong(op, "count_include_pad = 1", "0");
  return add(op,
             Pool{max ? Pool::Kind::max : Pool::Kind::average, window->kernel_h, window->kernel_w, window->stride_h,
                  window->stride_w, window->padding_h, window->padding_w},
             {*x});
}

Result<void> Importer::global_pool(const Operator& op) {
  const auto x = value(op, 0);
  if (!x) return x.error();
  if (op.op_type() == "GlobalAveragePool") return add(op, GlobalAveragePool{}, {*x});
  if (shape(*x).size() != 3) return wrong(op, "an image", to_string(shape(*x)));
  const std::int64_t h = shape(*x)[1], w = shape(*x)[2];
  return add(op, Pool{Pool::Kind::max, h, w, h, w, 0, 0}, {*x});
}

Result<void> Importer::batch_norm(const Operator& op) {
  const auto x = value(op, 0);
  if (!x) return x.error();
  if (integer(op, "training_mode", 0) != 0 || integer(op, "spatial", 1) != 1)
    return wrong(op, "prediction per channel", "another mode");
  // Before opset 14 the number of outputs says which it is: with more than y, the statistics are the batch's own.
  const auto named = std::count_if(op.output().begin(), op.output().end(), [](const auto& name) { return !name.empty(); });
  if (named > 1) return wrong(op, "prediction, which has one output", fmt::format("training, {} outputs", named));
  std::vector<std::pair<std::string, Tensor>> arrays;
  for (const char* name : {"weight", "bias", "running_mean", "running_var"}) {
    auto values = floats(op, static_cast<int>(arrays.size()) + 1);
    if (!values) return values.error();
    if (values->shape != Shape{shape(*x)[0]})
      return wrong(op, fmt::format("{} of {}", name, shape(*x)[0]), to_string(values->shape));
    arrays.emplace_back(name, std::move(*values));
  }
  const double momentum = std::round((1 - number(op, "momentum", 0.9)) * 1e6) / 1e6;
  return add(op, BatchNorm{momentum, number(op, "epsilon", 1e-5)}, {*x}, std::move(arrays));
}

Result<void> Importer::dropout(const Operator& op) {
  const auto x = elements_of(op, 0);
  if (!x) return x.error();
  if (const auto* mode = array(op, 2); has_input(op, 2)) {
    const bool off = mode != nullptr && mode->data_type() == onnx::TensorProto::BOOL && elements(extents(*mode)) == 1 &&
                     (mode->has_raw_data() ? mode->raw_data()[0] == 0 : mode->int32_data(0) == 0);
    if (!off) return wrong(op, "prediction", "training_mode");
  }
  const auto ratio = scalar(op, 1);
  return add(op, Dropout{ratio ? decimal(*ratio) : number(op, "ratio", 0.5)}, {*x}, {}, x->form);
}

Result<void> Importer::activation(const Operator& op) {
  static const std::map<std::string, Activation> kinds = {
      {"Relu", {Activation::Kind::relu}},         {"LeakyRelu", {Activation::Kind::leaky_relu, 0.01}},
      {"Elu", {Activation::Kind::elu, 1}},        {"Selu", {Activation::Kind::selu}},
      {"Sigmoid", {Activation::Kind::sigmoid}},   {"Tanh", {Activation::Kind::tanh}},
      {"Softplus", {Activation::Kind::softplus}}, {"Gelu", {Activation::Kind::gelu}}};
  const auto x = elements_of(op, 0);
  if (!x) return x.error();
  Activation made = kinds.at(op.op_type());
  if (made.kind == Activation::Kind::selu) {
    if (std::abs(number(op, "alpha", 1.67326319) - 1.67326319) > 1e-4 ||
        std::abs(number(op, "gamma", 1.05070102) - 1.05070102) > 1e-4)
      return wrong(op, "the published constants", "others");
  } else if (made.kind == Activation::Kind::gelu) {
    const auto* approximate = attribute(op, "approximate");
    if (approximate != nullptr && approximate->s() != "none")
      return wrong(op, "the exact gelu", "approximate = " + approximate->s());
  } else {
    made.alpha = number(op, "alpha", made.alpha);
  }
  return add(op, made, {*x}, {}, x->form);
}

Result<void> Importer::softmax(const Operator& op) {
  const auto x = value(op, 0);
  if (!x) return x.error();
  const std::int64_t axis = integer(op, "axis", opset_ < 13 ? 1 : -1);
  if (shape(*x).size() != 1 || (axis != 1 && axis != -1))
    return wrong(op, "flat features along axis 1", fmt::format("axis {} of {}", axis, to_string(shape(*x))));
  return add(op, Softmax{op.op_type() == "LogSoftmax"}, {*x});
}

}  // namespace soma
