// Model + raw samples → outputs, predictions, an evaluation.
#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "integer/executor.h"
#include "model/check.h"
#include "model/judge.h"
#include "nn/loss.h"

namespace soma {

struct Predictor::State {
  Model model;
  std::variant<Network, IntegerExecutor> network;
  std::int64_t max_batch;
  std::vector<float> x, y;
  Shape seen, answered;  ///< one sample as the network reads it, and its output

  /// Calls use(first, rows, y of these rows) for all samples, max_batch at a time.
  template <class Use>
  Result<void> each_batch(const Dataset& samples, Use&& use);

  [[nodiscard]] std::int64_t output_size() const {
    return std::visit([](const auto& each) { return each.output_size(); }, network);
  }
};

namespace {

Result<std::variant<Network, IntegerExecutor>> network_of(const Model& model, const ResolvedNetwork& resolved,
                                                          const NetworkOptions& options) {
  if (model.quantization) {
    auto network = IntegerExecutor::create(make_program(model, resolved, int8_chain(resolved).value()), options);
    if (!network) return network.error();
    return std::variant<Network, IntegerExecutor>(std::move(*network));
  }
  auto network = Network::create(resolved.spec, options);
  if (!network) return network.error();
  if (const auto set = network->set_parameters(model.parameters); !set) return set.error();
  return std::variant<Network, IntegerExecutor>(std::move(*network));
}

/// Row `row` of the last batch as a reconstruction is compared with it.
void own_target(const auto& state, std::size_t row, float* values) {
  as_own_target(state.seen, state.answered, state.x.data() + row * static_cast<std::size_t>(elements(state.seen)), values);
}

void read(const auto& state, std::size_t row, std::span<const float> y, Prediction& prediction) {
  read_output(state.model, y, prediction);
  if (state.model.task != Task::reconstruct) return;
  std::vector<float> itself(y.size());
  own_target(state, row, itself.data());
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double off = static_cast<double>(prediction.values[i]) - static_cast<double>(itself[i]);
    sum += off * off;
  }
  prediction.score = sum / static_cast<double>(y.size());
}

}  // namespace

Predictor::Predictor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;
Predictor::~Predictor() = default;

const Model& Predictor::model() const { return state_->model; }

Result<Predictor> Predictor::create(const Model& model, const NetworkOptions& options) {
  if (options.max_batch < 1)
    return Error{Error::Kind::usage, fmt::format("predict: wanted batches of at least 1, got {}; try 64", options.max_batch)};
  const auto resolved = resolve(model.network);
  if (!resolved) return resolved.error();
  if (const std::string problem = model_problem(model, *resolved); !problem.empty())
    return Error{Error::Kind::data, "model: " + problem};
  auto network = network_of(model, *resolved, options);
  if (!network) return network.error();
  const auto floats = [&](std::int64_t row) { return std::vector<float>(static_cast<std::size_t>(options.max_batch * row)); };
  auto x = floats(elements(resolved->spec.input)), y = floats(elements(resolved->shapes.back()));
  return Predictor(std::make_unique<State>(State{model, std::move(*network), options.max_batch, std::move(x), std::move(y),
                                                 resolved->spec.input, resolved->shapes.back()}));
}

template <class Use>
Result<void> Predictor::State::each_batch(const Dataset& samples, Use&& use) {
  if (samples.shape != model.input)
    return Error{Error::Kind::data,
                 fmt::format("{}: the model wants samples of {}, got {}; try the data it was trained on",
                             samples.name.empty() ? "predict" : samples.name, to_string(model.input), to_string(samples.shape))};
  Batches batches(samples, model.preprocess, {}, 0, false);
  batches.begin_epoch(0);
  SOMA_REQUIRE(static_cast<std::size_t>(batches.row_size() * max_batch) == x.size());
  const std::size_t width = static_cast<std::size_t>(output_size());
  for (std::int64_t first = 0; first < samples.count; first += max_batch) {
    const std::int64_t rows = std::min(max_batch, samples.count - first);
    batches.fill(first, rows, x.data(), nullptr);
    std::visit([&](auto& each) { each.forward(x.data(), y.data(), rows); }, network);
    use(first, rows, std::span<const float>(y).first(static_cast<std::size_t>(rows) * width));
  }
  return {};
}

Result<std::vector<float>> Predictor::outputs(const Dataset& samples) {
  std::vector<float> all;
  all.reserve(static_cast<std::size_t>(samples.count * state_->output_size()));
  const auto done = state_->each_batch(
      samples, [&](std::int64_t, std::int64_t, std::span<const float> y) { all.insert(all.end(), y.begin(), y.end()); });
  if (!done) return done.error();
  return all;
}

Result<std::vector<Prediction>> Predictor::predict(const Dataset& samples) {
  std::vector<Prediction> all(static_cast<std::size_t>(samples.count));
  const std::size_t width = static_cast<std::size_t>(state_->output_size());
  const auto done = state_->each_batch(samples, [&](std::int64_t first, std::int64_t rows, std::span<const float> y) {
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row)
      read(*state_, row, y.subspan(row * width, width), all[static_cast<std::size_t>(first) + row]);
  });
  if (!done) return done.error();
  return all;
}

Result<Evaluation> Predictor::evaluate(const Dataset& known, std::size_t worst) {
  const Model& model = state_->model;
  const std::string who = known.name.empty() ? "evaluate" : known.name;
  if (known.count < 1) return Error{Error::Kind::data, who + ": wanted at least one sample, got none; try another file"};
  if (const std::string problem = targets_problem(model, known); !problem.empty())
    return Error{Error::Kind::data, fmt::format("{}: {}", who, problem)};

  Judge judge(model, known, worst);
  Prediction prediction;
  const std::size_t width = static_cast<std::size_t>(state_->output_size());
  std::vector<float> itself(model.task == Task::reconstruct ? width : 0);
  const auto done = state_->each_batch(known, [&](std::int64_t first, std::int64_t rows, std::span<const float> y) {
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
      const auto outputs = y.subspan(row * width, width);
      read(*state_, row, outputs, prediction);
      if (model.task == Task::reconstruct) own_target(*state_, row, itself.data());
      judge.add(first + static_cast<std::int64_t>(row), outputs, itself, prediction);
    }
  });
  if (!done) return done.error();
  if (const auto same = known.unchanged(); !same) return same.error();
  return judge.evaluation();
}

DataOptions data_options(const Model& model) {
  DataOptions options;
  options.label = model.label_name;
  if (model.task == Task::values || model.task == Task::labels) options.labels = model.target_names;
  options.task = model.task;
  options.fit = model.fit;
  options.class_names = model.class_names;
  options.missing_cells = std::any_of(model.preprocess.steps.begin(), model.preprocess.steps.end(),
                                      [](const PreprocessStep& step) { return step.kind == PreprocessKind::impute; });
  options.columns = model.columns;
  if (model.input.size() == 3) options.image_shape = model.input;
  return options;
}

}  // namespace soma
