// architecture + batch size → Plan: the steps of one pass, where every value and parameter lies, and what was fused.
#include "nn/plan.h"

#include <algorithm>
#include <map>

#include "core/arena.h"
#include "nn/filter.h"
#include "nn/memory.h"

namespace soma {
namespace {

Extent extent_of(const Shape& shape) {
  return shape.size() == 3 ? Extent{shape[1], shape[2], shape[0]} : Extent{1, 1, elements(shape)};
}

/// Its derivative follows from y alone, so x need not be kept.
bool from_output(const Activation& f) { return f.kind != Activation::Kind::gelu && f.kind != Activation::Kind::silu; }

/// max(f(a), f(b)) = f(max(a, b)) with the same winner wherever a gradient passes.
bool commutes_with_maximum(const Activation& f) {
  return f.kind == Activation::Kind::identity || f.kind == Activation::Kind::relu ||
         (f.kind == Activation::Kind::leaky_relu && f.alpha > 0);
}

bool windows_apart(const Pool& pool) {
  return pool.kind == Pool::Kind::max && pool.stride_h == pool.size_h && pool.stride_w == pool.size_w && pool.padding_h == 0 &&
         pool.padding_w == 0;
}

PoolShape pool_shape(const Pool& pool, const Extent& in, const Extent& out) {
  return {in.h, in.w, in.c, out.h, out.w, pool.size_h, pool.size_w, pool.stride_h, pool.stride_w, pool.padding_h, pool.padding_w};
}

class Planner {
 public:
  Planner(ResolvedNetwork network, std::int64_t max_batch, PlanFor purpose) : nodes_(network.spec.nodes) {
    plan_.network = std::move(network);
    plan_.max_batch = max_batch;
    plan_.purpose = purpose;
  }

  Plan build() {
    link();
    values_of_.assign(nodes_.size(), -1);
    add_value(extent_of(plan_.network.spec.input), false);
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      if (values_of_[i] < 0) std::visit([&](const auto& layer) { add(layer, i); }, nodes_[i].layer);
    plan_.output = values_of_.back();
    place_parameters();
    place_gradients();
    if (plan_.purpose == PlanFor::prediction) share_memory(plan_);
    return std::move(plan_);
  }

 private:
  [[nodiscard]] bool trains() const { return plan_.purpose == PlanFor::training; }

  // ------------------------------------------------------------------ graph

  void link() {
    std::map<std::string, int> position{{"input", -1}};
    inputs_.resize(nodes_.size());
    readers_.resize(nodes_.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].inputs.empty()) inputs_[i] = {static_cast<int>(i) - 1};
      for (const std::string& name : nodes_[i].inputs) inputs_[i].push_back(position.at(name));
      for (const int from : inputs_[i])
        if (from >= 0) readers_[static_cast<std::size_t>(from)].push_back(i);
      position[nodes_[i].name] = static_cast<int>(i);
    }
  }

  /// The one node that reads node i, if its layer is an L.
  template <class L>
  const L* sole_reader(std::size_t i) const {
    return readers_[i].size() == 1 ? std::get_if<L>(&nodes_[readers_[i][0]].layer) : nullptr;
  }

  Extent node_extent(std::size_t i) const { return extent_of(plan_.network.shapes[i]); }
  ValueId source(std::size_t i, std::size_t which = 0) const {
    const int from = inputs_[i][which];
    return from < 0 ? 0 : values_of_[static_cast<std::size_t>(from)];
  }
  const Value& value(ValueId id) const { return plan_.values[static_cast<std::size_t>(id)]; }

  /// Every reader of node i copes with channels-last order behind a flatten.
  bool readers_accept_any_order(std::size_t i) const {
    if (readers_[i].empty()) return false;
    return std::all_of(readers_[i].begin(), readers_[i].end(), [&](std::size_t r) {
      const Layer& layer = nodes_[r].layer;
      if (std::holds_alternative<Linear>(layer)) return true;
      return (std::holds_alternative<Activation>(layer) || std::holds_alternative<Dropout>(layer) ||
              std::holds_alternative<AlphaDropout>(layer) || std::holds_alternative<BatchNorm>(layer) ||
              std::holds_alternative<Flatten>(layer)) &&
             readers_accept_any_order(r);
    });
  }

  // ------------------------------------------------------------------ arenas

  ValueId add_value(Extent extent, bool wants_gradient) {
    plan_.values.push_back({extent, plan_.activations, wants_gradient});
    plan_.activations += aligned<float>(plan_.max_batch * extent.size());
    return static_cast<ValueId>(plan_.values.size() - 1);
  }

  static std::int64_t take(std::int64_t& arena, std::int64_t count) {
    const std::int64_t offset = arena;
    arena += aligned<float>(count);
    return offset;
  }

  void want_scratch(std::int64_t count) { plan_.scratch = std::max(plan_.scratch, aligned<float>(count)); }

  ParameterId add_parameter(std::size_t node, const char* suffix, Parameter parameter) {
    parameter.name = nodes_[node].name + "." + suffix;
    parameter.node = node;
    if (parameter.in_panels)
      parameter.size = parameter.groups * parameter.group_stride();
    else
      parameter.size = parameter.features.size();
    plan_.parameters.push_back(std::move(parameter));
    return static_cast<ParameterId>(plan_.parameters.size() - 1);
  }

  ParameterId add_bias(std::size_t node, std::int64_t groups, std::int64_t out) {
    Parameter bias;
    bias.role = Parameter::Role::bias;
    bias.shape = {out};
    bias.groups = groups;
    bias.out = out;
    return add_parameter(node, "bias", bias);
  }

  void emit(StepKind kind, std::size_t last_node, ValueId y) {
    plan_.steps.push_back({std::move(kind), last_node});
    values_of_[last_node] = y;
  }

  // ------------------------------------------------------------------ layers

  void add(const Linear& layer, std::size_t i) {
    LinearStep step;
    step.x.value = source(i);
    const Extent from = value(step.x.value).extent;
    step.in = from.size();
    step.out = layer.out;
    Parameter weight;
    weight.shape = {layer.out, step.in};
    weight.out = layer.out;
    weight.in = from.c;
    weight.kernel_h = from.h;
    weight.kernel_w = from.w;
    step.weight = add_parameter(i, "weight", weight);
    if (layer.bias) step.bias = add_bias(i, 1, layer.out);
    std::size_t last = i;
    if (const auto* f = sole_reader<Activation>(i); f != nullptr && from_output(*f)) {
      step.activation = *f;
      last = readers_[i][0];
    }
    step.y = add_value({1, 1, layer.out}, true);
    if (trains()) {
      // About 64 KiB of transposed weights: they stay in the second-level cache for all rows of the batch.
      step.block_panels = std::clamp<std::int64_t>(16384 / (kPanel * layer.out), 2, 8);
      const std::int64_t samples = panels(std::min(plan_.max_batch, layer.out)) * kPanel;
      want_scratch(step.block_panels * kPanel * std::max(layer.out, samples));
      step.turned = take(plan_.partials, panels(layer.out) * kPanel * samples);
      for (std::int64_t panel = 0; panel < panels(layer.out); ++panel)
        step.panel_offsets.push_back(panel * plan_.parameters[static_cast<std::size_t>(step.weight)].panel_stride());
      want_scratch(2 * kFusedRows * kPanel);
    }
    values_of_[i] = step.y;
    emit(step, last, step.y);
  }

  void add(const Conv2d& layer, std::size_t i) {
    ConvStep step;
    step.conv = layer;
    step.x.value = source(i);
    step.in = value(step.x.value).extent;
    step.out = node_extent(i);
    Parameter weight;
    weight.shape = {layer.out, step.in.c / layer.groups, layer.kernel_h, layer.kernel_w};
    weight.groups = layer.groups;
    weight.out = layer.out;
    weight.in = step.in.c / layer.groups;
    weight.kernel_h = layer.kernel_h;
    weight.kernel_w = layer.kernel_w;
    step.weight = add_parameter(i, "weight", weight);
    if (layer.bias) step.bias = add_bias(i, layer.groups, layer.out);

    std::size_t last = i;
    Extent y = step.out;
    const auto fuse_pool = [&](std::size_t reader) {
      const auto* pool = std::get_if<Pool>(&nodes_[reader].layer);
      if (pool == nullptr || !windows_apart(*pool)) return false;
      if (std::max(pool->size_h * pool->size_w, layer.kernel_h * layer.kernel_w) > kSegments) return false;
      y = node_extent(reader);
      step.pool =
          PoolShape{pool->size_h, step.out.w, step.out.c, 1, y.w, pool->size_h, pool->size_w, pool->size_h, pool->size_w, 0, 0};
      last = reader;
      return true;
    };
    if (sole_reader<Pool>(i) != nullptr) fuse_pool(readers_[i][0]);
    if (const auto* f = sole_reader<Activation>(last); f != nullptr && from_output(*f)) {
      step.activation = *f;
      last = readers_[last][0];
      if (!step.pool && commutes_with_maximum(*f) && sole_reader<Pool>(last) != nullptr) fuse_pool(readers_[last][0]);
    }

    step.padded = {step.in.h + 2 * layer.padding_h, step.in.w + 2 * layer.padding_w, step.in.c};
    const auto margined = [](std::int64_t in, std::int64_t out, std::int64_t reach, std::int64_t padding, std::int64_t stride) {
      return reach / stride + std::max(out, (in - 1 + padding) / stride + 1);
    };
    step.spread = {margined(step.in.h, step.out.h, layer.dilation_h * (layer.kernel_h - 1), layer.padding_h, layer.stride_h),
                   margined(step.in.w, step.out.w, layer.dilation_w * (layer.kernel_w - 1), layer.padding_w, layer.stride_w),
                   step.out.c};
    const std::int64_t rows = (step.pool ? step.pool->size_h : step.out.h) * step.out.w;
    const std::int64_t pooled = step.pool ? aligned<float>(rows * step.out.c) : 0;
    want_scratch(aligned<float>(step.padded.size()) + pooled);
    step.y = add_value(y, true);
    if (trains() && step.pool) step.winners = take(plan_.winners, plan_.max_batch * y.size());
    if (trains()) {
      const Parameter& w = plan_.parameters[static_cast<std::size_t>(step.weight)];
      step.chunks = std::min(plan_.max_batch, kChunks);
      if (step.pool) step.taps = panels(w.rows()) * kPanel;
      step.piece = std::max(aligned<float>(w.size), layer.out * step.taps) + aligned<float>(layer.out);
      step.partial = take(plan_.partials, (step.chunks + 1) * step.piece);
      step.flipped =
          take(plan_.partials, layer.groups * panels(w.in) * kPanel * layer.kernel_h * layer.kernel_w * layer.out / layer.groups);
      want_scratch(aligned<float>(step.padded.size()) + rows * step.taps);
      want_scratch(aligned<float>(step.spread.size()) + pooled);
    }
    for (std::size_t n = i; n != last; n = readers_[n][0]) values_of_[n] = step.y;
    emit(step, last, step.y);
  }

  void add(const Pool& layer, std::size_t i) {
    PoolStep step;
    step.x.value = source(i);
    step.kind = layer.kind;
    step.shape = pool_shape(layer, value(step.x.value).extent, node_extent(i));
    step.y = add_value(node_extent(i), wants_gradient(step.x));
    if (trains() && layer.kind == Pool::Kind::max) step.winners = take(plan_.winners, plan_.max_batch * node_extent(i).size());
    emit(step, i, step.y);
  }

  void add(const GlobalAveragePool&, std::size_t i) {
    GlobalAverageStep step;
    step.x.value = source(i);
    step.y = add_value(node_extent(i), wants_gradient(step.x));
    emit(step, i, step.y);
  }

  void add(const BatchNorm& layer, std::size_t i) {
    BatchNormStep step;
    step.x.value = source(i);
    step.norm = layer;
    const Extent from = value(step.x.value).extent;
    const bool flat = plan_.network.shapes[i].size() == 1;
    step.channels = flat ? from.size() : from.c;
    step.rows_per_sample = from.size() / step.channels;
    const auto parameter = [&](const char* suffix, Parameter::Role role) {
      Parameter p;
      p.role = role;
      p.shape = {step.channels};
      p.in_panels = false;
      p.features = flat ? from : Extent{1, 1, from.c};
      return add_parameter(i, suffix, p);
    };
    step.scale = parameter("weight", Parameter::Role::scale);
    step.shift = parameter("bias", Parameter::Role::shift);
    step.running_mean = parameter("running_mean", Parameter::Role::running_mean);
    step.running_variance = parameter("running_var", Parameter::Role::running_variance);
    step.saved = take(plan_.partials, 4 * step.channels);
    if (trains()) step.partial = take(plan_.partials, 2 * kChunks * step.channels);
    step.y = add_value(from, true);
    emit(step, i, step.y);
  }

  void add(const Dropout& layer, std::size_t i) { add_dropout(layer.rate, false, i); }
  void add(const AlphaDropout& layer, std::size_t i) { add_dropout(layer.rate, true, i); }
  void add_dropout(double rate, bool alpha, std::size_t i) {
    if (!trains() || rate == 0) {
      values_of_[i] = source(i);
      return;
    }
    DropoutStep step;
    step.x.value = source(i);
    step.rate = rate;
    step.alpha = alpha;
    step.stream = static_cast<std::uint32_t>(i);
    const Extent extent = value(step.x.value).extent;
    step.mask = take(plan_.masks, plan_.max_batch * extent.size());
    step.y = add_value(extent, wants_gradient(step.x));
    emit(step, i, step.y);
  }

  void add(const Activation& layer, std::size_t i) {
    ActivationStep step;
    step.x.value = source(i);
    step.activation = layer;
    step.y = add_value(value(step.x.value).extent, wants_gradient(step.x));
    emit(step, i, step.y);
  }

  void add(const Softmax& layer, std::size_t i) {
    SoftmaxStep step;
    step.x.value = source(i);
    step.log = layer.log;
    step.y = add_value(value(step.x.value).extent, wants_gradient(step.x));
    emit(step, i, step.y);
  }

  void add(const Flatten&, std::size_t i) {
    const Extent from = value(source(i)).extent;
    if (from.c == 1 || from.h * from.w == 1 || readers_accept_any_order(i)) {
      values_of_[i] = source(i);
      return;
    }
    ReorderStep step;
    step.x.value = source(i);
    step.y = add_value({1, 1, from.size()}, wants_gradient(step.x));
    emit(step, i, step.y);
  }

  template <class S>
  void add_many(std::size_t i) {
    S step;
    bool wanted = false;
    for (std::size_t k = 0; k < inputs_[i].size(); ++k) {
      step.x.push_back({source(i, k), -1});
      wanted = wanted || wants_gradient(step.x.back());
    }
    step.y = add_value(node_extent(i), wanted);
    emit(step, i, step.y);
  }
  void add(const Add&, std::size_t i) { add_many<AddStep>(i); }
  void add(const Concat&, std::size_t i) { add_many<ConcatStep>(i); }

  bool wants_gradient(const Input& input) const { return value(input.value).wants_gradient; }

  // ------------------------------------------------------------------ parameters and gradients

  void place_parameters() {
    const auto room = [](const Parameter& p) {
      return (p.size + kParameterAlignment - 1) / kParameterAlignment * kParameterAlignment;
    };
    const auto place_if = [&](auto&& wanted) {
      for (Parameter& p : plan_.parameters)
        if (wanted(p)) {
          p.offset = plan_.parameter_end;
          plan_.parameter_end += room(p);
        }
      return plan_.parameter_end;
    };
    const auto weight = [](const Parameter& p) { return p.role == Parameter::Role::weight; };
    plan_.weight_end = place_if(weight);
    plan_.trained_end = place_if([&](const Parameter& p) { return p.trained() && !weight(p); });
    place_if([](const Parameter& p) { return !p.trained(); });
    for (std::size_t i = 0; i < plan_.parameters.size(); ++i) {
      const Parameter& p = plan_.parameters[i];
      const bool fused = weight(p) && std::holds_alternative<Linear>(nodes_[p.node].layer);
      if (p.trained() && !fused) plan_.not_fused.push_back({p.offset, p.offset + room(p)});
    }
  }

  /// Gives every input that wants one a place for its gradient, and a fork to the values that several steps read.
  void place_gradients() {
    if (!trains()) return;
    plan_.gradients = plan_.activations;  // the gradient of a value lies where the value does
    std::vector<std::vector<Input*>> inputs(plan_.values.size());
    const auto note = [&](Input& input) { inputs[static_cast<std::size_t>(input.value)].push_back(&input); };
    for (Step& step : plan_.steps) for_each_input(step.kind, note);
    std::vector<ForkStep> forks;
    for (std::size_t v = 0; v < plan_.values.size(); ++v) {
      const Value& of = plan_.values[v];
      if (!of.wants_gradient) continue;
      if (inputs[v].size() == 1) inputs[v][0]->gradient = of.offset;
      if (inputs[v].size() < 2) continue;
      ForkStep fork{static_cast<ValueId>(v), {}};
      for (Input* input : inputs[v]) {
        input->gradient = take(plan_.gradients, plan_.max_batch * of.extent.size());
        fork.gradients.push_back(input->gradient);
      }
      forks.push_back(std::move(fork));
    }
    plan_.gradients += kPanel;  // products read dy as panels: the last one's columns may lie behind its last number
    for (ForkStep& fork : forks) insert_after_writer(std::move(fork));
  }

  void insert_after_writer(ForkStep fork) {
    for (std::size_t s = 0; s < plan_.steps.size(); ++s) {
      if (std::holds_alternative<ForkStep>(plan_.steps[s].kind) || written_value(plan_.steps[s].kind) != fork.value) continue;
      const std::size_t node = plan_.steps[s].node;
      plan_.steps.insert(plan_.steps.begin() + static_cast<std::ptrdiff_t>(s) + 1, Step{std::move(fork), node});
      return;
    }
  }

  Plan plan_;
  std::vector<Node> nodes_;
  std::vector<std::vector<int>> inputs_;           // of each node: indices of nodes, −1 = the network's input
  std::vector<std::vector<std::size_t>> readers_;  // of each node
  std::vector<ValueId> values_of_;                 // what each node puts out; −1 = not planned yet
};

}  // namespace

std::int64_t Parameter::place(std::int64_t index) const {
  if (!in_panels) {
    const std::int64_t area = features.h * features.w;
    return index % area * features.c + index / area;
  }
  const std::int64_t kernel = kernel_h * kernel_w, o = index / rows(), i = index % rows();
  const std::int64_t per_group = out / groups, column = o % per_group, row = i % kernel * in + i / kernel;
  return o / per_group * group_stride() + column / kPanel * panel_stride() + row * kPanel + column % kPanel;
}

Result<Plan> make_plan(ResolvedNetwork network, std::int64_t max_batch, PlanFor purpose) {
  SOMA_REQUIRE(max_batch >= 1);
  if (auto fits = check_memory(network, max_batch, purpose == PlanFor::training); !fits) return fits.error();
  return Planner(std::move(network), max_batch, purpose).build();
}

std::int64_t training_flops(const Plan& plan, const StepKind& step) {
  if (const auto* linear = std::get_if<LinearStep>(&step))
    return 2 * linear->in * linear->out * (linear->x.gradient >= 0 ? 3 : 2);
  if (const auto* conv = std::get_if<ConvStep>(&step))
    return 2 * plan.parameters[static_cast<std::size_t>(conv->weight)].rows() * conv->out.size() *
           (conv->x.gradient >= 0 ? 3 : 2);
  return 0;
}

std::int64_t training_flops(const Plan& plan) {
  std::int64_t flops = 0;
  for (const Step& step : plan.steps) flops += training_flops(plan, step.kind);
  return flops;
}

}  // namespace soma
