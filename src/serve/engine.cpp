// a model → answers on raw samples without a thread team: what one thread of the server computes with.
#include "serve/engine.h"

#include <fmt/format.h>

#include <cstring>

#include "data/preprocess.h"
#include "model/check.h"

namespace soma {

Engine::Engine(Plan plan, const Kernels<float>& kernels, const Model& model)
    : net_(std::move(plan), kernels, team_), steps_(model.preprocess.steps) {
  raw_.shape = model.input;
  raw_.count = 1;
  raw_.floats.resize(static_cast<std::size_t>(raw_.sample_size()));
  table_ = byte_table(steps_, raw_.is_image() ? model.input[0] : 1);
}

Result<std::unique_ptr<Engine>> Engine::create(const Model& model, std::int64_t max_batch) {
  const auto resolved = resolve(model.network);
  if (!resolved) return resolved.error();
  if (const std::string problem = model_problem(model, *resolved); !problem.empty())
    return Error{Error::Kind::data, "model: " + problem};
  const auto kernels = select_kernels();
  if (!kernels) return kernels.error();
  auto plan = make_plan(resolved->spec, max_batch, false);
  if (!plan) return plan.error();
  std::unique_ptr<Engine> engine(new Engine(std::move(*plan), **kernels, model));
  if (const auto set = engine->net_.set(engine->net_.parameters(), model.parameters); !set) return set.error();
  if (model.quantization) {
    auto bytes = Int8Network::create(model, {.max_batch = max_batch, .threads = 1});
    if (!bytes) return bytes.error();
    engine->bytes_ = std::move(*bytes);
    engine->y_.resize(static_cast<std::size_t>(max_batch * engine->output_size()));
  }
  return engine;
}

void Engine::fill(std::int64_t row, const std::byte* samples, std::int64_t count, Layout layout) noexcept {
  const std::int64_t size = raw_.sample_size(), width = net_.input_size();
  const std::int64_t channels = raw_.is_image() ? raw_.shape[0] : size, places = size / channels;
  const bool one_hot = !steps_.empty() && steps_[0].kind == PreprocessKind::one_hot;
  float* x = net_.input() + row * width;
  for (; count > 0; --count, x += width) {
    if (layout == Layout::bytes) {
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(samples);
      samples += size;
      const std::int64_t tables = std::ssize(table_) / 256;
      for (std::int64_t i = 0; i < size && tables == 1; ++i) x[i] = table_[bytes[i]];
      for (std::int64_t i = 0; i < size && tables > 1; ++i) x[i] = table_[static_cast<std::size_t>(i % tables * 256 + bytes[i])];
      if (tables > 0) continue;
      for (std::int64_t i = 0; i < size; ++i) raw_.floats[static_cast<std::size_t>(i)] = static_cast<float>(bytes[i]);
    } else {
      for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t i = 0; i < places; ++i, samples += sizeof(float))
          std::memcpy(&raw_.floats[static_cast<std::size_t>(i * channels + c)], samples, sizeof(float));
    }
    raw_row(raw_, steps_, 0, x);
    apply_steps(steps_, one_hot ? 1 : 0, raw_.is_image() ? channels : width, x, width);
  }
}

const float* Engine::run(std::int64_t rows) {
  if (bytes_) {
    bytes_->forward(net_.input(), y_.data(), rows);
    return y_.data();
  }
  net_.forward(rows, {});
  return net_.output();
}

LayerActivation Engine::row(ValueId id) const {
  const Extent& e = net_.plan().values[static_cast<std::size_t>(id)].extent;
  LayerActivation layer;
  layer.shape = e.h * e.w > 1 ? Shape{e.c, e.h, e.w} : Shape{e.c};
  layer.values.resize(static_cast<std::size_t>(e.size()));
  const float* y = net_.value(id);
  for (std::int64_t c = 0; c < e.c; ++c)
    for (std::int64_t i = 0; i < e.h * e.w; ++i) layer.values[static_cast<std::size_t>(c * e.h * e.w + i)] = y[i * e.c + c];
  return layer;
}

LayerActivation Engine::input_activation() const { return row(0); }

std::vector<LayerActivation> Engine::activations() {
  if (bytes_) net_.forward(1, {});
  std::vector<LayerActivation> layers;
  for (const Step& step : net_.plan().steps) {
    const ValueId id = std::visit(
        [](const auto& kind) {
          if constexpr (std::is_same_v<std::decay_t<decltype(kind)>, ForkStep>)
            return kind.value;
          else
            return kind.y;
        },
        step.kind);
    const Node& node = net_.plan().network.spec.nodes[step.node];
    LayerActivation& layer = layers.emplace_back(row(id));
    layer.name = node.name;
    layer.kind = layer_kind(node.layer);
  }
  return layers;
}

}  // namespace soma
