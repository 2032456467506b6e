// a model → answers on raw samples without a thread team: what one thread of the server computes with.
#include "serve/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "data/preprocess.h"
#include "model/check.h"
#include "nn/loss.h"

namespace soma {
namespace {

std::vector<float> floats(std::int64_t count) { return std::vector<float>(static_cast<std::size_t>(count)); }

/// Row 0 of a value, channels last → in the published order.
LayerActivation row_of(const Extent& e, const float* y) {
  LayerActivation layer;
  layer.shape = e.h * e.w > 1 ? Shape{e.c, e.h, e.w} : Shape{e.c};
  layer.values.resize(static_cast<std::size_t>(e.size()));
  for (std::int64_t c = 0; c < e.c; ++c)
    for (std::int64_t i = 0; i < e.h * e.w; ++i) layer.values[static_cast<std::size_t>(c * e.h * e.w + i)] = y[i * e.c + c];
  return layer;
}

LayerActivation row_of(const Net<float>& net, ValueId id) {
  return row_of(net.plan().values[static_cast<std::size_t>(id)].extent, net.value(id));
}

std::vector<LayerActivation> activations_of(const Net<float>& net) {
  std::vector<LayerActivation> layers;
  for (const Step& step : net.plan().steps) {
    const Node& node = net.plan().network.spec.nodes[step.node];
    LayerActivation& layer = layers.emplace_back(row_of(net, written_value(step.kind)));
    layer.name = node.name;
    layer.kind = layer_kind(node.layer);
  }
  return layers;
}

}  // namespace

Engine::Engine(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {
  raw_.shape = shared_->input;
  raw_.count = 1;
  raw_.floats = floats(raw_.sample_size());
  if (shared_->bytes) {
    bytes_.emplace(IntegerExecutor::create(shared_->bytes, {.max_batch = shared_->max_batch, .threads = 1}).value());
    x_ = floats(shared_->max_batch * bytes_->input_size());
    y_ = floats(shared_->max_batch * bytes_->output_size());
  } else {
    net_.emplace(shared_->plan, *shared_->kernels, team_);
    net_->use_parameters(shared_->parameters.data());
  }
}

Result<std::unique_ptr<Engine>> Engine::create(const Model& model, std::int64_t max_batch) {
  auto shared = std::make_shared<Shared>();
  auto resolved = resolve(model.network);
  if (!resolved) return resolved.error();
  if (const std::string problem = model_problem(model, *resolved); !problem.empty())
    return Error{Error::Kind::data, "model: " + problem};
  const auto kernels = select_kernels();
  if (!kernels) return kernels.error();
  shared->kernels = *kernels;
  shared->steps = model.preprocess.steps;
  shared->table = byte_table(shared->steps, model.input.size() == 3 ? model.input[0] : 1);
  shared->input = model.input;
  shared->max_batch = max_batch;
  shared->quantization = model.quantization;
  if (model.quantization) {
    auto plan = make_executor_plan(make_program(model, *resolved, int8_chain(*resolved).value()));
    if (!plan) return plan.error();
    shared->bytes = std::make_shared<const ExecutorPlan>(std::move(*plan));
  } else {
    auto plan = make_plan(*resolved, max_batch, PlanFor::prediction);
    if (!plan) return plan.error();
    shared->plan = std::move(*plan);
    shared->parameters = Block<float>(shared->plan.parameter_end);
  }
  shared->network = std::move(*resolved);
  std::unique_ptr<Engine> engine(new Engine(shared));
  if (engine->net_)
    if (const auto set = engine->net_->set(shared->parameters.data(), model.parameters); !set) return set.error();
  return engine;
}

std::unique_ptr<Engine> Engine::twin() const { return std::unique_ptr<Engine>(new Engine(shared_)); }

void Engine::fill(std::int64_t row, const std::byte* samples, std::int64_t count, Layout layout) noexcept {
  const auto& [steps, table] = std::tie(shared_->steps, shared_->table);
  const std::int64_t size = raw_.sample_size(), width = elements(shared_->network.spec.input);
  const std::int64_t channels = raw_.is_image() ? raw_.shape[0] : size, places = size / channels;
  const bool one_hot = !steps.empty() && steps[0].kind == PreprocessKind::one_hot;
  float* x = (bytes_ ? x_.data() : net_->input()) + row * width;
  for (; count > 0; --count, x += width) {
    if (layout == Layout::bytes) {
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(samples);
      samples += size;
      const std::int64_t tables = std::ssize(table) / 256;
      for (std::int64_t i = 0; i < size && tables == 1; ++i) x[i] = table[bytes[i]];
      for (std::int64_t i = 0; i < size && tables > 1; ++i) x[i] = table[static_cast<std::size_t>(i % tables * 256 + bytes[i])];
      if (tables > 0) continue;
      for (std::int64_t i = 0; i < size; ++i) raw_.floats[static_cast<std::size_t>(i)] = static_cast<float>(bytes[i]);
    } else {
      for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t i = 0; i < places; ++i, samples += sizeof(float))
          std::memcpy(&raw_.floats[static_cast<std::size_t>(i * channels + c)], samples, sizeof(float));
    }
    raw_row(raw_, steps, 0, x);
    apply_steps(steps, one_hot ? 1 : 0, raw_.is_image() ? channels : width, x, width);
  }
}

const float* Engine::run(std::int64_t rows) {
  if (bytes_) {
    bytes_->forward(x_.data(), y_.data(), rows);
    return y_.data();
  }
  net_->forward(rows, {});
  return net_->output();
}

double Engine::score(std::int64_t row, const float* y) {
  itself_.resize(static_cast<std::size_t>(output_size()));
  as_own_target(shared_->network.spec.input, shared_->network.shapes.back(),
                input() + row * elements(shared_->network.spec.input), itself_.data());
  double sum = 0;
  for (std::size_t i = 0; i < itself_.size(); ++i) {
    const double off = static_cast<double>(y[i]) - static_cast<double>(itself_[i]);
    sum += off * off;
  }
  return sum / static_cast<double>(itself_.size());
}

LayerActivation Engine::input_activation() const {
  const Shape& shape = shared_->network.spec.input;
  return row_of(shape.size() == 3 ? Extent{shape[1], shape[2], shape[0]} : Extent{1, 1, shape[0]}, input());
}

std::vector<LayerActivation> Engine::activations() {
  Net<float> net(make_plan(shared_->network, 1, PlanFor::inspection).value(), *shared_->kernels, team_);
  if (bytes_)
    net.set(net.parameters(),
            real_parameters(program_of(*shared_->bytes), *shared_->quantization, parameter_shapes(shared_->network)))
        .value();
  else
    net.use_parameters(shared_->parameters.data());
  std::copy_n(input(), net.input_size(), net.input());
  net.forward(1, {});
  return activations_of(net);
}

}  // namespace soma
