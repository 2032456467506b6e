// int8 models → the same outputs, bit for bit, as the arithmetic of docs/quantization.md written out in loops.
#include "integer/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "allocations.h"
#include "core/random.h"
#include "integer/interpreter.h"
#include "model/check.h"
#include "model/zoo.h"

namespace soma {
namespace {

using testing::HasSubstr;
using Act = Activation;

Node node(const Layer& layer) { return {"", layer, {}, {}}; }

Dataset samples_of(const Shape& shape, std::int64_t count, double low = 0, double high = 1) {
  Dataset samples;
  samples.name = "samples";
  samples.shape = shape;
  samples.count = count;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(count * elements(shape)); ++i)
    samples.floats.push_back(static_cast<float>(low + (high - low) * random_unit(5, stream(Stream::test), i)));
  return samples;
}

/// One sample of bytes, channels first, as the formulas index it.
struct Image {
  std::int64_t c, h, w;
  std::vector<std::int64_t> q;
  std::int64_t zero;
  /// Padding stands for 0.
  std::int64_t at(std::int64_t ch, std::int64_t y, std::int64_t x) const {
    return y < 0 || y >= h || x < 0 || x >= w ? zero : q[static_cast<std::size_t>((ch * h + y) * w + x)];
  }
};

std::int64_t steps(double value, double scale) { return std::llrint(value / scale); }

/// The factor of a layer's sums, 31 significant bits, as multiplier / 2^shift.
std::int64_t to_byte(std::int64_t sum, float sum_step, const ByteRange& out) {
  int exponent = 0;
  const double fraction = std::frexp(static_cast<double>(sum_step) / static_cast<double>(out.scale), &exponent);
  const auto multiplier = std::llrint(fraction * 0x1p31);
  const std::int64_t rounded = (sum * multiplier + (std::int64_t{1} << (30 - exponent))) >> (31 - exponent);
  return std::clamp<std::int64_t>(out.zero + rounded, 0, 255);
}

/// Layer by layer, nothing fused, one sample.
std::vector<float> by_hand(const Model& model, const float* x) {
  const auto network = resolve(model.network).value();
  const Shape& shape = model.network.input;
  const auto& layers = model.quantization->layers;
  Image image{shape[0], shape.size() == 3 ? shape[1] : 1, shape.size() == 3 ? shape[2] : 1, {}, layers[0].input.zero};
  for (std::int64_t c = 0; c < image.c; ++c)
    for (std::int64_t p = 0; p < image.h * image.w; ++p) {
      const float ratio = x[p * image.c + c] / layers[0].input.scale;
      image.q.push_back(std::clamp<std::int64_t>(std::llrint(ratio) + image.zero, 0, 255));
    }
  std::size_t layer = 0;
  std::vector<float> y;
  std::vector<float> step;  // of the sums waiting in `image`
  bool sums = false;
  const auto round_sums = [&] {
    if (!sums) return;
    const ByteRange& out = layers[layer].input;
    const std::int64_t area = image.h * image.w;
    for (std::int64_t c = 0; c < image.c; ++c)
      for (std::int64_t p = 0; p < area; ++p) {
        std::int64_t& q = image.q[static_cast<std::size_t>(c * area + p)];
        q = to_byte(q, step[static_cast<std::size_t>(c)], out);
      }
    image.zero = out.zero;
    sums = false;
  };
  for (std::size_t i = 0; i < network.spec.nodes.size(); ++i) {
    const Node& each = network.spec.nodes[i];
    const auto* linear = std::get_if<Linear>(&each.layer);
    const auto* conv = std::get_if<Conv2d>(&each.layer);
    if (linear != nullptr || conv != nullptr) {
      round_sums();
      const auto arrays = arrays_of(model, each.name);
      const Conv2d shaped = conv != nullptr ? *conv : Conv2d{linear->out, image.h, image.w};
      Image out{shaped.out, conv != nullptr ? network.shapes[i][1] : 1, conv != nullptr ? network.shapes[i][2] : 1, {}, 0};
      step.clear();
      for (std::int64_t o = 0; o < out.c; ++o) {
        const auto output = static_cast<std::size_t>(o);
        step.push_back(layers[layer].input.scale * layers[layer].weight_scales[output]);
        for (std::int64_t oy = 0; oy < out.h; ++oy)
          for (std::int64_t ox = 0; ox < out.w; ++ox) {
            std::int64_t sum = arrays.bias != nullptr ? steps(arrays.bias->values[output], step.back()) : 0;
            for (std::int64_t c = 0; c < image.c; ++c)
              for (std::int64_t ky = 0; ky < shaped.kernel_h; ++ky)
                for (std::int64_t kx = 0; kx < shaped.kernel_w; ++kx) {
                  const std::int64_t at = ((o * image.c + c) * shaped.kernel_h + ky) * shaped.kernel_w + kx;
                  const std::int64_t w =
                      steps(arrays.weight->values[static_cast<std::size_t>(at)], layers[layer].weight_scales[output]);
                  sum += w * (image.at(c, oy * shaped.stride_h + ky * shaped.dilation_h - shaped.padding_h,
                                       ox * shaped.stride_w + kx * shaped.dilation_w - shaped.padding_w) -
                              image.zero);
                }
            out.q.push_back(sum);
          }
      }
      image = out;
      sums = true;
      ++layer;
      if (layer == layers.size()) {
        for (std::int64_t o = 0; o < image.c; ++o)
          y.push_back(static_cast<float>(image.q[static_cast<std::size_t>(o)]) * step[static_cast<std::size_t>(o)]);
        sums = false;
      }
    } else if (const auto* pool = std::get_if<Pool>(&each.layer)) {
      Image out{image.c, network.shapes[i][1], network.shapes[i][2], {}, image.zero};
      for (std::int64_t c = 0; c < image.c; ++c)
        for (std::int64_t oy = 0; oy < out.h; ++oy)
          for (std::int64_t ox = 0; ox < out.w; ++ox) {
            std::int64_t best = std::numeric_limits<std::int64_t>::min();
            for (std::int64_t r = oy * pool->stride_h - pool->padding_h; r < oy * pool->stride_h - pool->padding_h + pool->size_h;
                 ++r)
              for (std::int64_t q = ox * pool->stride_w - pool->padding_w;
                   q < ox * pool->stride_w - pool->padding_w + pool->size_w; ++q)
                if (r >= 0 && r < image.h && q >= 0 && q < image.w) best = std::max(best, image.at(c, r, q));
            out.q.push_back(best);
          }
      image = out;
    } else if (const auto* f = std::get_if<Activation>(&each.layer); f != nullptr && f->kind == Act::Kind::relu && y.empty()) {
      for (std::int64_t& q : image.q) q = std::max<std::int64_t>(0, q);
    } else if (f != nullptr && f->kind == Act::Kind::relu) {
      for (float& value : y) value = std::max(0.0F, value);
    }
  }
  return y;
}

struct Case {
  std::string name;
  Shape input;
  std::vector<Node> nodes;
  double low = 0;  // of the samples
};

std::vector<Case> cases() {
  const Node relu = node(Act{Act::Kind::relu});
  return {
      {"mlp", {7}, {node(Linear{19}), relu, node(Linear{3})}},
      {"one_layer", {5}, {node(Linear{3})}, -2},
      {"no_bias", {9}, {node(Linear{33, false}), node(Linear{3, false}), relu}, -1},
      {"lenet",
       {1, 28, 28},
       {node(Conv2d{24, 5, 5}), node(Pool{}), relu, node(Conv2d{32, 3, 3}), node(Pool{}), relu, node(Flatten{}),
        node(Linear{256}), relu, node(Dropout{}), node(Linear{3})}},
      {"padded", {3, 9, 7}, {node(Conv2d{5, 3, 3, 1, 1, 1, 1}), relu, node(Pool{}), node(Flatten{}), node(Linear{3})}, -1},
      {"strided",
       {2, 11, 10},
       {node(Conv2d{17, 3, 2, 2, 3, 2, 1}), relu, node(Conv2d{4, 2, 2, 1, 1, 1, 0}), relu, node(Flatten{}), node(Linear{3})},
       -0.5},
      {"dilated", {3, 12, 12}, {node(Conv2d{8, 3, 3, 1, 1, 2, 2, 2, 3}), node(Flatten{}), node(Linear{3})}, -1},
      {"overlapping",
       {4, 10, 10},
       {node(Conv2d{6, 3, 3}), relu, node(Pool{Pool::Kind::max, 3, 3, 2, 2, 1, 1}), node(Conv2d{6, 1, 1}),
        node(Pool{Pool::Kind::max, 2, 2, 1, 1}), node(Pool{Pool::Kind::max, 2, 1, 2, 1}), node(Flatten{}), node(Linear{20}), relu,
        node(Linear{3})},
       -1},
      {"wide_windows",
       {1, 20, 20},
       {node(Conv2d{3, 3, 3}), node(Pool{Pool::Kind::max, 4, 4, 4, 4}), relu, node(Flatten{}), node(Linear{3})}},
      {"long_windows",
       {1, 12, 9},
       {node(Conv2d{3, 1, 1}), node(Pool{Pool::Kind::max, 3, 2, 3, 2}), relu, node(Flatten{}), node(Linear{3})}},
  };
}

class IntegerPrograms : public testing::TestWithParam<Case> {};

TEST_P(IntegerPrograms, AreTheArithmeticOnEveryInstructionSet) {
  const Case& each = GetParam();
  const Dataset samples = samples_of(each.input, 29, each.low);
  const Model model = quantize(make_model(each.input, each.nodes), samples).value();
  const auto size = static_cast<std::size_t>(samples.sample_size());
  std::vector<float> wanted;
  for (std::size_t i = 0; i < 29; ++i) {
    const auto y = by_hand(model, samples.floats.data() + i * size);
    wanted.insert(wanted.end(), y.begin(), y.end());
  }
  for (const Int8Kernels* kernels : usable_int8_kernels())
    for (const int threads : {1, 3}) {
      auto network = IntegerExecutor::create(integer_program(model).value(), {29, threads, 1}, kernels).value();
      for (const std::int64_t rows : {29, 1, 13}) {
        std::vector<float> y(static_cast<std::size_t>(rows * 3));
        network.forward(samples.floats.data(), y.data(), rows);
        EXPECT_EQ(y, std::vector<float>(wanted.begin(), wanted.begin() + rows * 3)) << kernels->target << ", " << rows << " rows";
      }
    }
}

TEST_P(IntegerPrograms, AreInterpretedAsTheArithmeticSays) {
  const Case& each = GetParam();
  const Dataset samples = samples_of(each.input, 5, each.low);
  const Model model = quantize(make_model(each.input, each.nodes), samples).value();
  const IntegerProgram program = integer_program(model).value();
  std::vector<std::uint8_t> x(static_cast<std::size_t>(program.inputs()));
  for (std::size_t i = 0; i < 5; ++i) {
    const float* sample = samples.floats.data() + i * x.size();
    reference_int8_kernels().quantize(sample, program.input_scale, program.values[0].zero, x.data(), program.inputs());
    const auto sums = interpret(program, x).sums;
    std::vector<float> y;
    for (std::size_t o = 0; o < sums.size(); ++o) {
      y.push_back(static_cast<float>(sums[o]) * program.output_scales[o]);
      if (!program.tail.empty()) y.back() = std::max(0.0F, y.back());
    }
    EXPECT_EQ(y, by_hand(model, sample));
  }
}

TEST_P(IntegerPrograms, ComeBackOutOfWhatKernelsRead) {
  const Case& each = GetParam();
  const Model model = quantize(make_model(each.input, each.nodes), samples_of(each.input, 29, each.low)).value();
  const IntegerProgram program = integer_program(model).value(), back = program_of(make_executor_plan(program).value());
  for (std::size_t i = 0; i < program.steps.size(); ++i)
    if (const auto* step = std::get_if<IntegerProduct>(&program.steps[i])) {
      EXPECT_EQ(std::get<IntegerProduct>(back.steps[i]).weights, step->weights);
    }
  const auto real = real_parameters(back, *model.quantization, parameter_shapes(resolve(model.network).value()));
  ASSERT_EQ(real.size(), model.parameters.size());
  for (std::size_t i = 0; i < real.size(); ++i) {
    EXPECT_EQ(real[i].name, model.parameters[i].name);
    EXPECT_EQ(real[i].shape, model.parameters[i].shape);
    EXPECT_EQ(real[i].values, model.parameters[i].values);
  }
}

TEST_P(IntegerPrograms, AreCloseToTheirFloats) {
  const Case& each = GetParam();
  const Dataset samples = samples_of(each.input, 64, each.low);
  const Model model = make_model(each.input, each.nodes);
  const auto real = Predictor::create(model).value().outputs(samples).value();
  const auto bytes = Predictor::create(quantize(model, samples).value()).value().outputs(samples).value();
  double error = 0, power = 0;
  for (std::size_t i = 0; i < real.size(); ++i) {
    error += std::pow(real[i] - bytes[i], 2);
    power += std::pow(real[i], 2);
  }
  EXPECT_LT(std::sqrt(error / power), 0.03);
}

INSTANTIATE_TEST_SUITE_P(Every, IntegerPrograms, testing::ValuesIn(cases()),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(IntegerExecutor, AllocatesNothingWhenWarm) {
  const Case lenet = cases()[3];
  const Dataset samples = samples_of(lenet.input, 20);
  auto network = IntegerExecutor::create(integer_program(quantize(make_model(lenet.input, lenet.nodes), samples).value()).value(),
                                         {20, 2, 1})
                     .value();
  std::vector<float> y(60);
  network.forward(samples.floats.data(), y.data(), 20);
  const AllocationCounter counter;
  network.forward(samples.floats.data(), y.data(), 20);
  network.forward(samples.floats.data(), y.data(), 1);
  EXPECT_EQ(counter.count(), 0);
}

}  // namespace
}  // namespace soma
