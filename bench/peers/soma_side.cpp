// a work → soma's own steps, as a network in training takes them.
#include <memory>

#include "nn/net.h"
#include "work.h"

namespace soma::bench {
namespace {

NetworkSpec spec_of(const Work& work) {
  NetworkSpec spec;
  spec.input = work.input;
  if (!work.is_convolution()) {
    spec.nodes = {{.layer = Linear{work.out, false}}};
    return spec;
  }
  Conv2d conv;
  conv.out = work.out;
  conv.kernel_h = conv.kernel_w = work.kernel;
  conv.padding_h = conv.padding_w = work.padding;
  spec.nodes = {{.layer = conv}};
  if (work.pooled) {
    spec.nodes.push_back({.layer = Activation{Activation::Kind::relu}});
    spec.nodes.push_back({.layer = Pool{}});
  }
  return spec;
}

/// The layer is the network's first, which nobody asks for an input gradient: unless there is work below, as here.
Plan plan_of(const Work& work) {
  Plan plan = make_plan(resolve(spec_of(work)).value(), work.batch, PlanFor::training).value();
  if (!work.first) {
    const std::int64_t place = plan.values[0].offset;
    if (auto* linear = std::get_if<LinearStep>(&plan.steps[0].kind)) linear->x.gradient = place;
    if (auto* conv = std::get_if<ConvStep>(&plan.steps[0].kind)) conv->x.gradient = place;
  }
  return plan;
}

struct Side {
  Work work;
  Team team;
  Net<float> net;

  Side(const Work& asked, int threads) : work(asked), team(threads), net(plan_of(asked), *select_kernels().value(), team) {}

  [[nodiscard]] const StepKind& step() const { return net.plan().steps[0].kind; }
  [[nodiscard]] Run<float> pass() { return net.run(work.batch, {true}, false); }

  void run() {
    switch (work.pass) {
      case Pass::forward:
        return net.forward(work.batch, {true});
      case Pass::weight_gradient:
        return weight_gradient(std::get<LinearStep>(step()), pass());
      case Pass::input_gradient:
        return input_gradient(std::get<LinearStep>(step()), pass());
      case Pass::gradients:
        return net.backward(work.batch, {true}, false);
    }
  }

  /// [batch, c, h, w] ↔ [batch, h, w, c].
  template <class Each>
  static void reorder(std::int64_t batch, std::int64_t channels, std::int64_t area, Each&& each) {
    for (std::int64_t i = 0; i < batch * channels * area; ++i) {
      const std::int64_t image = i / (channels * area), channel = i / area % channels, pixel = i % area;
      each(i, (image * area + pixel) * channels + channel);
    }
  }
  [[nodiscard]] std::int64_t channels_in() const { return work.is_convolution() ? work.input[0] : elements(work.input); }

  std::vector<float> published_rows(const float* inside, std::int64_t channels, std::int64_t size) const {
    std::vector<float> rows(static_cast<std::size_t>(work.batch * size));
    reorder(work.batch, channels, size / channels,
            [&](std::int64_t outside, std::int64_t at) { rows[static_cast<std::size_t>(outside)] = inside[at]; });
    return rows;
  }

  std::vector<float> result() {
    if (work.pass == Pass::forward) return published_rows(net.output(), work.out, work.output_size());
    std::vector<float> all;
    if (work.pass != Pass::input_gradient)
      for (const Tensor& each : net.published(net.parameter_gradients(), true))
        all.insert(all.end(), each.values.begin(), each.values.end());
    if (work.pass == Pass::input_gradient || (work.pass == Pass::gradients && !work.first)) {
      const float* dx = pass().gradients + net.plan().values[0].offset;
      const std::vector<float> rows = published_rows(dx, channels_in(), elements(work.input));
      all.insert(all.end(), rows.begin(), rows.end());
    }
    return all;
  }
};

}  // namespace

Contender soma_contender(const Work& work, const Operands& operands, int threads) {
  auto side = std::make_shared<Side>(work, threads);
  std::vector<Tensor> parameters = side->net.published(side->net.parameters());
  parameters[0].values.assign(operands.w.data(), operands.w.data() + operands.w.size());
  if (parameters.size() > 1) parameters[1].values.assign(operands.bias.data(), operands.bias.data() + work.out);
  side->net.set(side->net.parameters(), parameters).value();
  const std::int64_t in = elements(work.input), out = work.output_size();
  Side::reorder(work.batch, side->channels_in(), in / side->channels_in(),
                [&](std::int64_t outside, std::int64_t at) { side->net.input()[at] = operands.x.data()[outside]; });
  side->net.forward(work.batch, {true});
  Side::reorder(work.batch, work.out, out / work.out,
                [&](std::int64_t outside, std::int64_t at) { side->net.output_gradient()[at] = operands.dy.data()[outside]; });
  return {"soma", [side] { side->run(); }, [side] { return side->result(); }};
}

}  // namespace soma::bench
