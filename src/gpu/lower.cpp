// a plan and what a run adds to it → the dispatches of a training step and of a pass without training.
#include "gpu/lower.h"

#include "gpu/lowering.h"

namespace soma::gpu {

std::string_view name_of(Shader shader) {
  static constexpr std::array names = {
#define SOMA_NAME(name) std::string_view(#name),
      SOMA_SHADERS(SOMA_NAME)
#undef SOMA_NAME
  };
  return names[static_cast<std::size_t>(shader)];
}

Lowering::Lowering(const Plan& plan, const Settings& settings, Layout& layout, Mode mode)
    : plan_(&plan), settings_(&settings), layout_(&layout), mode_(mode), undone_(plan.values.size()) {
  const auto note = [&](ValueId y, const std::optional<Activation>& f) {
    if (f) undone_[static_cast<std::size_t>(y)] = {f->kind, f->alpha};
  };
  for (const Step& step : plan.steps) {
    if (const auto* linear = std::get_if<LinearStep>(&step.kind)) note(linear->y, linear->activation);
    if (const auto* conv = std::get_if<ConvStep>(&step.kind)) note(conv->y, conv->activation);
  }
}

Range Lowering::place(Use use, std::int64_t key, std::int64_t count, bool writes) {
  const Place at = layout_->take(use, key, count);
  return {Arena::work, at.offset, at.size, writes, 0, layout_->guard(at.size)};
}

Range Lowering::value(ValueId id, bool writes) { return place(Use::value, id, batch() * size(id), writes); }

Range Lowering::gradient_at(std::int64_t offset, ValueId id, bool writes) {
  return place(Use::gradient, offset, batch() * size(id), writes);
}

Range Lowering::parameter(ParameterId id, Arena arena, bool writes) const {
  if (id < 0) return {};
  const Parameter& p = of_parameter(id);
  const std::int64_t size = divided(p.size, 4) * 4;  // moved four at a time
  return {arena, p.offset, size, writes, 0, layout_->guard(size)};
}

Undo Lowering::undone_by(const Input& x) const {
  return x.gradient == of(x.value).offset ? undone_[static_cast<std::size_t>(x.value)] : Undo{};
}

void Lowering::threads(Shader shader, std::vector<std::uint32_t> constants, std::int64_t per_sample, std::vector<Range> ranges) {
  constants.insert(constants.begin(), 256);
  list_.push_back({shader, std::move(constants), {Axis{0, per_sample, 256}, {}, {}}, std::move(ranges)});
}

void Lowering::sum_pieces(std::int64_t pieces, std::int64_t n, bool back, Undo f, Range from, Range y,
                          std::optional<Range> extra) {
  const std::int64_t lanes = pieces >= 32 ? 8 : pieces >= 8 ? 4 : 1;
  list_.push_back({Shader::sum_pieces,
                   {256, number(pieces), number(n), word(back), static_cast<std::uint32_t>(f.kind), bits(f.alpha),
                    word(!back && extra), number(lanes)},
                   {Axis{0, n, 256 / lanes}, {}, {}},
                   {from, y, extra.value_or(Range{})}});
}

void Lowering::update(ParameterId id, Range pieces, std::int64_t count, std::int64_t stride, std::int64_t n) {
  const Parameter& p = of_parameter(id);
  const std::int64_t kept = count == 0 ? batch() : count, lanes = kept >= 64 ? 16 : kept >= 8 ? 4 : 1;
  const int states = moves_at_once() ? state_arrays(settings_->optimizer) : 0;
  list_.push_back({Shader::update,
                   {256, number(count), number(stride), number(n), number(lanes), word(moves_at_once()), word(keeps()),
                    static_cast<std::uint32_t>(settings_->optimizer), word(p.role == Parameter::Role::weight), 0},
                   {Axis{divided(n, 4), 0, 256 / lanes}, {}, {}},
                   {pieces,
                    moves_at_once() ? parameter(id, Arena::parameters, true) : Range{},
                    {Arena::numbers, 0, kUpdateNumbers * 256, false},
                    states > 0 ? parameter(id, Arena::state0, true) : Range{},
                    states > 1 ? parameter(id, Arena::state1, true) : Range{},
                    keeps() ? parameter(id, Arena::gradients, true) : Range{}}});
}

// All gradients are there: their norm, and then every parameter's step.
void Lowering::clipped_updates() {
  constexpr std::int64_t kPiece = 65536;
  const std::int64_t pieces = divided(plan_->trained_end, kPiece);
  const Range all{Arena::gradients, 0, plan_->trained_end, false};
  list_.push_back({Shader::square_sum,
                   {256, number(plan_->trained_end), 0, 0},
                   {Axis{pieces, 0, 1}, {}, {}},
                   {all, place(Use::clip, 0, pieces, true)}});
  list_.push_back({Shader::square_sum,
                   {256, number(pieces), 1, bits(settings_->clip_norm)},
                   {},
                   {place(Use::clip, 0, pieces), place(Use::clip, 1, 1, true)}});
  const int states = state_arrays(settings_->optimizer);
  for (std::size_t i = 0; i < plan_->parameters.size(); ++i) {
    const Parameter& p = plan_->parameters[i];
    if (!p.trained()) continue;
    const auto id = static_cast<ParameterId>(i);
    list_.push_back({Shader::update,
                     {256, 1, number(p.size), number(p.size), 1, 1, 0, static_cast<std::uint32_t>(settings_->optimizer),
                      word(p.role == Parameter::Role::weight), 1},
                     {Axis{divided(p.size, 4), 0, 256}, {}, {}},
                     {parameter(id, Arena::gradients),
                      parameter(id, Arena::parameters, true),
                      {Arena::numbers, 0, kUpdateNumbers * 256, false},
                      states > 0 ? parameter(id, Arena::state0, true) : Range{},
                      states > 1 ? parameter(id, Arena::state1, true) : Range{},
                      {},
                      place(Use::clip, 1, 1)}});
  }
}

void Lowering::gather() {
  const std::int64_t n = size(0);
  threads(Shader::gather, {number(n), number(settings_->tables), number(batch())}, n,
          {{Arena::start, 0, 4, false},
           {Arena::order, 0, kWhole, false},
           {Arena::samples, 0, kWhole, false},
           {Arena::table, 0, kWhole, false},
           value(0, true)});
}

std::vector<std::uint32_t> Lowering::constants_of_loss() const {
  const LossConfig& loss = settings_->loss;
  const Undo f = undone_[static_cast<std::size_t>(plan_->output)];
  return {256,
          static_cast<std::uint32_t>(loss.kind),
          number(size(plan_->output)),
          bits(loss.label_smoothing),
          number(std::ssize(loss.codes)),
          word(!loss.class_weights.empty()),
          word(training()),
          number(batch()),
          static_cast<std::uint32_t>(f.kind),
          bits(f.alpha),
          word(settings_->values),
          word(settings_->row_weights),
          bits(loss.delta),
          bits(loss.quantile)};
}

void Lowering::loss() {
  if (const LinearStep* last = head()) return head(*last);
  list_.push_back({Shader::loss,
                   constants_of_loss(),
                   {},
                   {value(plan_->output),
                    {Arena::start, 0, 4, false},
                    {Arena::order, 0, kWhole, false},
                    {Arena::targets, 0, kWhole, false},
                    {Arena::loss_table, 0, kWhole, false},
                    training() ? gradient(plan_->output, true) : Range{},
                    {Arena::records, 0, kWhole, true}}});
}

void Lowering::forward() {
  const std::size_t last = plan_->steps.size() - (head() != nullptr ? 1 : 0);
  for (std::size_t i = 0; i < last; ++i)
    std::visit([&](const auto& step) { forward(step, static_cast<std::int64_t>(i)); }, plan_->steps[i].kind);
}

void Lowering::backward() {
  for (std::size_t i = plan_->steps.size(); i-- > 0;)
    std::visit([&](const auto& step) { backward(step, static_cast<std::int64_t>(i)); }, plan_->steps[i].kind);
  if (clips()) clipped_updates();
}

Program lower(const Plan& plan, const Settings& settings) {
  SOMA_REQUIRE(plan.purpose == PlanFor::training);
  Program program;
  Layout layout(settings.canaries);
  using Mode = Lowering::Mode;
  for (const Mode mode : {Mode::evaluation, Mode::step, Mode::last_step}) {
    Lowering lowering(plan, settings, layout, mode);
    lowering.gather();
    lowering.forward();
    lowering.loss();
    if (mode != Mode::evaluation) lowering.backward();
    if (mode == Mode::last_step)
      for (std::size_t v = 0; v < plan.values.size(); ++v) {
        const auto id = static_cast<ValueId>(v);
        const Range value = lowering.value(id);
        program.values.push_back({value.offset, value.size});
        const Range gradient = plan.values[v].wants_gradient ? lowering.gradient(id) : Range{};
        program.gradients.push_back({gradient.offset, gradient.size});
      }
    (mode == Mode::evaluation ? program.evaluation : mode == Mode::step ? program.step : program.last_step) = lowering.take();
  }
  const LossConfig& loss = settings.loss;
  const std::vector<double>& table = loss.codes.empty() ? loss.class_weights : loss.codes;
  for (const double x : table) program.loss_table.push_back(static_cast<float>(x));
  const auto size = [&](Arena arena) -> std::int64_t& { return program.sizes[static_cast<std::size_t>(arena)]; };
  const int states = state_arrays(settings.optimizer);
  size(Arena::parameters) = plan.parameter_end;
  size(Arena::gradients) = plan.trained_end;
  size(Arena::state0) = states > 0 ? plan.trained_end : 0;
  size(Arena::state1) = states > 1 ? plan.trained_end : 0;
  size(Arena::work) = layout.end();
  size(Arena::loss_table) = std::ssize(program.loss_table);
  return program;
}

}  // namespace soma::gpu
