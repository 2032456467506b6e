// soma predict: a model and files of raw samples → the class of each, and how sure the model is.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "command.h"
#include "graph_answers.h"
#include "soma/device.h"
#include "soma/model.h"
#include "table.h"

namespace soma::app {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> files;
  bool json = false;
  Changed changed = Changed::refuse;
  Reading reading;
};

/// One sample: where it came from and what the model says.
struct Answer {
  std::string file;
  std::int64_t row = 0, rows = 1;  // within the file
  Prediction prediction;
};

std::string shown(float output, bool probability) { return probability ? percent(output) : fmt::format("{:.4f}", output); }

std::string top_classes(const Prediction& prediction, const Model& model) {
  const bool probabilities = gives_probabilities(model.loss, model.network);
  std::vector<std::size_t> order(prediction.probabilities.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t top = std::min<std::size_t>(3, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                    [&](auto a, auto b) { return prediction.probabilities[a] > prediction.probabilities[b]; });
  std::string text;
  for (std::size_t i = 0; i < top; ++i)
    text += fmt::format("{}{} {}", i > 0 ? "  " : "", model.class_names[order[i]],
                        shown(prediction.probabilities[order[i]], probabilities));
  return text;
}

/// What a model of values, labels or reconstructions says, a column each.
void print_numbers(const std::vector<Answer>& answers, const Model& model) {
  Row head = {"file"};
  if (model.task == Task::reconstruct)
    head.push_back("score");
  else
    head.insert(head.end(), model.target_names.begin(), model.target_names.end());
  std::vector<Row> rows;
  for (const Answer& answer : answers) {
    const Prediction& said = answer.prediction;
    Row row = {answer.rows == 1 ? answer.file : fmt::format("{} #{}", answer.file, answer.row + 1)};
    if (model.task == Task::reconstruct) row.push_back(fmt::format("{:.6g}", said.score));
    if (model.task == Task::values)
      for (const float value : said.values) row.push_back(fmt::format("{:.6g}", value));
    if (model.task == Task::labels)
      for (const float probability : said.probabilities)
        row.push_back(fmt::format("{} {}", probability >= 0.5F ? "yes" : "no", percent(static_cast<double>(probability))));
    rows.push_back(std::move(row));
  }
  print_table(stdout, head, rows, "l" + std::string(head.size() - 1, 'r'));
}

void print_answers(const std::vector<Answer>& answers, const Model& model) {
  if (model.task != Task::classes) return print_numbers(answers, model);
  const bool coded = !model.loss.codes.empty(), probabilities = gives_probabilities(model.loss, model.network);
  std::vector<Row> rows;
  for (const Answer& answer : answers) {
    const Prediction& prediction = answer.prediction;
    const auto label = static_cast<std::size_t>(prediction.label);
    Row row = {answer.rows == 1 ? answer.file : fmt::format("{} #{}", answer.file, answer.row + 1), model.class_names[label]};
    if (coded)
      row.push_back(fmt::format("{:.4f}", prediction.probabilities.front()));
    else
      row.insert(row.end(), {shown(prediction.probabilities[label], probabilities), top_classes(prediction, model)});
    rows.push_back(std::move(row));
  }
  const std::string what = probabilities ? "probability" : "output";
  print_table(stdout, coded ? Row{"file", "class", what} : Row{"file", "class", what, "top 3"}, rows, coded ? "llr" : "llrl");
}

nlohmann::ordered_json prediction_json(const Prediction& said, const Model& model) {
  nlohmann::ordered_json entry;
  if (model.task == Task::reconstruct) entry["score"] = said.score;
  for (std::size_t i = 0; model.task == Task::values && i < model.target_names.size(); ++i)
    entry["values"][model.target_names[i]] = said.values[i];
  if (model.task == Task::labels) {
    entry["labels"] = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < model.target_names.size(); ++i) {
      if (said.probabilities[i] >= 0.5F) entry["labels"].push_back(model.target_names[i]);
      entry["probabilities"][model.target_names[i]] = said.probabilities[i];
    }
  }
  return entry;
}

nlohmann::ordered_json as_json(const std::vector<Answer>& answers, const Model& model, const std::string& file) {
  const bool probabilities = gives_probabilities(model.loss, model.network);
  nlohmann::ordered_json predictions = nlohmann::ordered_json::array();
  for (const Answer& answer : answers) {
    const Prediction& prediction = answer.prediction;
    if (model.task != Task::classes) {
      predictions.push_back(prediction_json(prediction, model));
      predictions.back()["file"] = answer.file;
      predictions.back()["row"] = answer.row;
      continue;
    }
    const auto label = static_cast<std::size_t>(prediction.label);
    nlohmann::ordered_json entry = {
        {"file", answer.file}, {"row", answer.row}, {"label", label}, {"class", model.class_names[label]}};
    if (!model.loss.codes.empty()) {
      entry["output"] = prediction.probabilities.front();
    } else {
      entry[probabilities ? "probability" : "output"] = prediction.probabilities[label];
      entry[probabilities ? "probabilities" : "outputs"] = prediction.probabilities;
    }
    predictions.push_back(std::move(entry));
  }
  return {{"model", file}, {"class_names", model.class_names}, {"predictions", std::move(predictions)}};
}

int predict(const Options& options) {
  if (const auto usable = target(); !usable) return complain({Error::Kind::usage, usable.error().message});
  Result<Model> model = read_onnx(options.model, options.changed);
  if (!model && model.error().kind != Error::Kind::data) return complain(model.error());
  if (!model) {
    auto graph = Graph::read(options.model, options.changed);
    return graph ? predict_with(*graph, options.model, options.files, options.reading, options.json) : complain(model.error());
  }
  if (const auto applied = apply(options.reading, *model); !applied) return complain(applied.error());
  Result<Predictor> predictor = Predictor::create(*model);
  if (!predictor) return complain(predictor.error());
  DataOptions wanted = data_options(*model);
  wanted.labelled = false;

  std::vector<Answer> answers;
  for (const std::string& file : options.files) {  // one at a time, to know which rows are whose
    const std::filesystem::path path(file);
    const Result<Dataset> samples = load_samples({&path, 1}, wanted);
    if (!samples) return complain(samples.error());
    const Result<std::vector<Prediction>> predictions = predictor->predict(*samples);
    if (!predictions) return complain(predictions.error());
    for (std::size_t i = 0; i < predictions->size(); ++i)
      answers.push_back({file, static_cast<std::int64_t>(i), samples->count, (*predictions)[i]});
  }
  if (options.json)
    fmt::print("{}\n", as_json(answers, *model, options.model).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    print_answers(answers, *model);
  return done;
}

}  // namespace

void add_predict(CLI::App& program, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("predict", "Say what a model sees in files of raw samples");
  command->add_option("MODEL", options->model, "A model.onnx")->required();
  command->add_option("FILE", options->files, "PNG, JPEG, CSV or NPY files")
      ->required()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_reading(*command, options->reading);
  add_trust(*command, options->changed);
  command->add_flag("--json", options->json, "Print one JSON object as the last line of stdout");
  command->callback([options, &action] { action = [options] { return predict(*options); }; });
}

}  // namespace soma::app
