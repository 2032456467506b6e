// Model + raw samples → outputs, predictions, an evaluation.
#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "integer/executor.h"
#include "model/check.h"
#include "model/reading.h"

namespace soma {

struct Predictor::State {
  Model model;
  std::variant<Network, IntegerExecutor> network;
  std::int64_t max_batch;
  std::vector<float> x, y;

  /// Calls use(first, rows, y of these rows) for all samples, max_batch at a time.
  template <class Use>
  Result<void> each_batch(const Dataset& samples, Use&& use);

  [[nodiscard]] std::int64_t output_size() const {
    return std::visit([](const auto& each) { return each.output_size(); }, network);
  }
};

namespace {

bool worse(const Mistake& a, const Mistake& b) { return a.loss != b.loss ? a.loss > b.loss : a.sample < b.sample; }

/// Keeps the `wanted` mistakes of the largest loss, the first of equal ones: a heap whose front is the least of them.
void keep_worst(std::vector<Mistake>& kept, const Mistake& mistake, std::size_t wanted) {
  kept.push_back(mistake);
  std::push_heap(kept.begin(), kept.end(), worse);
  if (kept.size() <= wanted) return;
  std::pop_heap(kept.begin(), kept.end(), worse);
  kept.pop_back();
}

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
  return Predictor(std::make_unique<State>(State{model, std::move(*network), options.max_batch, std::move(x), std::move(y)}));
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
      read_output(state_->model.loss, y.subspan(row * width, width), all[static_cast<std::size_t>(first) + row]);
  });
  if (!done) return done.error();
  return all;
}

Result<Evaluation> Predictor::evaluate(const Dataset& labelled, std::size_t worst) {
  const Model& model = state_->model;
  const std::string who = labelled.name.empty() ? "evaluate" : labelled.name;
  const auto wrong = [&](std::string_view what) { return Error{Error::Kind::data, who + ": " + std::string(what)}; };
  if (labelled.count < 1) return wrong("wanted at least one sample, got none; try another file");
  if (labelled.labels.size() != static_cast<std::size_t>(labelled.count))
    return wrong(fmt::format("wanted a label for each of {} samples, got {}; try data with labels", labelled.count,
                             labelled.labels.size()));
  if (labelled.class_names != model.class_names)
    return wrong(fmt::format("wanted the model's {} classes ({}), got {} ({}); try the data it was trained on",
                             model.class_names.size(), fmt::join(model.class_names, ", "), labelled.class_names.size(),
                             fmt::join(labelled.class_names, ", ")));
  const std::size_t classes = model.class_names.size();
  for (const std::int32_t label : labelled.labels)
    if (label < 0 || static_cast<std::size_t>(label) >= classes)
      return wrong(fmt::format("wanted labels below {}, got {}; try data of the same classes", classes, label));

  Evaluation evaluation;
  evaluation.samples = labelled.count;
  evaluation.confusion.assign(classes, std::vector<std::int64_t>(classes));
  std::int64_t right = 0;
  double loss = 0;
  Prediction prediction;
  const std::size_t width = static_cast<std::size_t>(state_->output_size());
  const auto done = state_->each_batch(labelled, [&](std::int64_t first, std::int64_t rows, std::span<const float> y) {
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
      const auto outputs = y.subspan(row * width, width);
      const std::int32_t label = labelled.labels[static_cast<std::size_t>(first) + row];
      read_output(model.loss, outputs, prediction);
      const double sample = sample_loss(model.loss, outputs, label);
      loss += sample;
      right += prediction.label == label ? 1 : 0;
      if (prediction.label != label && worst > 0) {
        const bool coded = !model.loss.codes.empty();
        const double probability = prediction.probabilities[coded ? 0 : static_cast<std::size_t>(prediction.label)];
        keep_worst(evaluation.worst, {first + static_cast<std::int64_t>(row), label, prediction.label, probability, sample},
                   worst);
      }
      ++evaluation.confusion[static_cast<std::size_t>(label)][static_cast<std::size_t>(prediction.label)];
    }
  });
  if (!done) return done.error();
  evaluation.accuracy = static_cast<double>(right) / static_cast<double>(labelled.count);
  evaluation.loss = loss / static_cast<double>(labelled.count);
  std::sort(evaluation.worst.begin(), evaluation.worst.end(), worse);
  return evaluation;
}

DataOptions data_options(const Model& model) {
  DataOptions options;
  options.label = model.label_name;
  options.class_names = model.class_names;
  options.columns = model.columns;
  if (model.input.size() == 3) options.image_shape = model.input;
  return options;
}

}  // namespace soma
