// soma eval: a model and labelled data → accuracy, loss and who is taken for whom.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "metrics.h"
#include "soma/device.h"
#include "soma/file.h"
#include "soma/graph.h"
#include "soma/train.h"
#include "soma/words.h"
#include "table.h"
#include "terminal.h"

namespace soma::app {
namespace {

struct Options {
  std::string model, data, label;
  int threads = 0;
  Changed changed = Changed::refuse;
  Reading reading;
  bool json = false;
};

constexpr std::size_t kWidestConfusion = 16;  // classes; a wider table would not fit a terminal

void print_confusion(const Evaluation& evaluation, const std::vector<std::string>& classes) {
  const auto& confusion = evaluation.confusion;
  const auto ratio = [](std::int64_t part, std::int64_t whole) {
    return whole > 0 ? percent(static_cast<double>(part) / static_cast<double>(whole)) : std::string("–");
  };
  const bool wide = confusion.size() > kWidestConfusion;
  Row head = {"class", "samples", "found", "right when named"};
  std::string align = "lrrr";
  for (std::size_t c = 0; c < confusion.size() && !wide; ++c) {
    head.push_back("→ " + classes[c]);
    align += 'r';
  }
  std::vector<Row> rows;
  for (std::size_t c = 0; c < confusion.size(); ++c) {
    std::int64_t samples = 0, named = 0;
    for (std::size_t other = 0; other < confusion.size(); ++other) {
      samples += confusion[c][other];
      named += confusion[other][c];
    }
    rows.push_back({classes[c], grouped(samples), ratio(confusion[c][c], samples), ratio(confusion[c][c], named)});
    for (std::size_t other = 0; other < confusion.size() && !wide; ++other)
      rows.back().push_back(confusion[c][other] == 0 ? "·" : grouped(confusion[c][other]));
  }
  print_table(stdout, head, rows, align);
}

/// A bare name with splits means its test split: nobody measures on what was trained on without saying so.
std::string test_split(const std::string& source) {
  for (const KnownDataset& known : known_datasets())
    if (known.name == source && known.splits.find("test") != std::string::npos) return source + ":test";
  return source;
}

bool is_directory(const std::string& path) {
  const auto folder = is_folder(path);
  return folder && *folder;
}

/// What a run held out: its test data, split as it was split then.
Result<Dataset> held_out(const std::string& directory) {
  const Result<Config> config = load_config(std::filesystem::path(directory) / "config.toml");
  if (!config) return config.error();
  Result<RunData> data = load_run_data(*config);
  if (!data) return data.error();
  if (data->test.count == 0)
    return Error{Error::Kind::usage, fmt::format("{}: this run held nothing out; try --data NAME|PATH", directory)};
  return std::move(data->test);
}

Result<Dataset> data_for(const Options& options, DataOptions wanted, const std::string& source) {
  if (source.empty() && is_directory(options.model)) return held_out(options.model);
  if (source.empty())
    return Error{Error::Kind::usage, "eval: wanted --data NAME|PATH, or the directory of a run, got a model alone"};
  if (!options.label.empty()) {
    wanted.label = options.label;
    wanted.labels.clear();
  }
  return load_dataset(source, wanted);
}

int show(const Evaluation& evaluation, Task task, const std::vector<std::string>& classes,
         const std::vector<std::string>& targets, const Options& options, const std::string& source) {
  if (!options.json) {
    fmt::print("{}\n", bold(headline(evaluation, task), stdout));
    if (task == Task::classes) print_confusion(evaluation, classes);
    print_per_label(evaluation);
    return done;
  }
  nlohmann::ordered_json json = as_json(evaluation);
  json["task"] = word(task);
  if (task == Task::classes) {
    json["confusion"] = evaluation.confusion;
    json["class_names"] = classes;
  } else {
    json["target_names"] = targets;
  }
  json["model"] = options.model;
  json["data"] = source.empty() ? "held out by the run" : source;
  fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return done;
}

/// What was understood of a source that was named.
void say_notes(const Dataset& data, const Options& options, const std::string& source) {
  if (options.json || source.empty()) return;
  for (const std::string& note : data.notes) fmt::print("{}\n", note);
}

/// A file that is no list of layers.
int evaluate_graph(Graph& graph, const Options& options) {
  auto wanted = graph.data_options();
  if (!wanted) return complain({wanted.error().kind, options.model + ": " + wanted.error().message});
  if (!options.reading.classes.empty()) {
    auto names = read_class_names(options.reading.classes);
    if (!names) return complain(names.error());
    wanted->class_names = std::move(*names);
  }
  const std::string source = test_split(options.data);
  const Result<Dataset> data = data_for(options, std::move(*wanted), source);
  if (!data) return complain(data.error());
  const Result<Evaluation> evaluation = graph.evaluate(*data, options.reading);
  if (!evaluation) return complain({evaluation.error().kind, options.model + ": " + evaluation.error().message});
  say_notes(*data, options, source);
  return show(*evaluation, data->task, data->class_names, data->target_names, options, source);
}

int evaluate(const Options& options) {
  if (const auto usable = target(); !usable) return complain({Error::Kind::usage, usable.error().message});
  const bool run = is_directory(options.model);
  const std::string file = run ? (std::filesystem::path(options.model) / "model.onnx").string() : options.model;
  Result<Model> model = read_onnx(file, options.changed);
  if (!model && model.error().kind != Error::Kind::data) return complain(model.error());
  if (!model) {
    auto graph = Graph::read(file, options.changed);
    return graph ? evaluate_graph(*graph, options) : complain(model.error());
  }
  if (const auto applied = apply(options.reading, *model); !applied) return complain(applied.error());
  const std::string source = test_split(options.data);
  const Result<Dataset> data = data_for(options, data_options(*model), source);
  if (!data) return complain(data.error());
  NetworkOptions network;
  network.threads = options.threads;
  Result<Predictor> predictor = Predictor::create(*model, network);
  if (!predictor) return complain(predictor.error());
  const Result<Evaluation> evaluation = predictor->evaluate(*data);
  if (!evaluation) return complain(evaluation.error());
  say_notes(*data, options, source);
  return show(*evaluation, model->task, model->class_names, model->target_names, options, source);
}

}  // namespace

void add_eval(CLI::App& program, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("eval", "Measure a model on labelled data");
  command->add_option("MODEL", options->model, "A model.onnx, or a run's directory, whose held-out part it is then measured on")
      ->required();
  command->add_option("--data", options->data, "A data set's name or path; of a bare name, its test split")
      ->type_name("NAME|PATH");
  command->add_option("--label", options->label, "The label column of a CSV: its name or index")->type_name("NAME");
  command->add_option("--threads", options->threads, "Threads; 0 = all cores")
      ->type_name("N")
      ->check(CLI::Range(0, kMostThreads));
  add_reading(*command, options->reading);
  add_trust(*command, options->changed);
  command->add_flag("--json", options->json, "Print one JSON object as the last line of stdout");
  command->callback([options, &action] { action = [options] { return evaluate(*options); }; });
}

}  // namespace soma::app
