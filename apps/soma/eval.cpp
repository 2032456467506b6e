// soma eval: a model and labelled data → accuracy, loss and who is taken for whom.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "soma/device.h"
#include "soma/model.h"
#include "table.h"
#include "terminal.h"

namespace soma::app {
namespace {

struct Options {
  std::string model, data;
  int threads = 0;
  Changed changed = Changed::refuse;
  bool json = false;
};

constexpr std::size_t kWidestConfusion = 16;  // classes; a wider table would not fit a terminal

void print_evaluation(const Evaluation& evaluation, const std::vector<std::string>& classes) {
  fmt::print("{} ({} of {}), loss {:.4f}\n", bold("accuracy " + percent(evaluation.accuracy), stdout),
             std::llround(evaluation.accuracy * static_cast<double>(evaluation.samples)), evaluation.samples, evaluation.loss);
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

int evaluate(const Options& options) {
  if (const auto usable = target(); !usable) return complain({Error::Kind::usage, usable.error().message});
  const Result<Model> model = read_onnx(options.model, options.changed);
  if (!model) return complain(model.error());
  const std::string source = test_split(options.data);
  const Result<Dataset> data = load_dataset(source, data_options(*model));
  if (!data) return complain(data.error());
  NetworkOptions network;
  network.threads = options.threads;
  Result<Predictor> predictor = Predictor::create(*model, network);
  if (!predictor) return complain(predictor.error());
  const Result<Evaluation> evaluation = predictor->evaluate(*data);
  if (!evaluation) return complain(evaluation.error());

  if (!options.json) {
    print_evaluation(*evaluation, model->class_names);
    return done;
  }
  const nlohmann::ordered_json json = {{"samples", evaluation->samples},
                                       {"accuracy", evaluation->accuracy},
                                       {"loss", evaluation->loss},
                                       {"confusion", evaluation->confusion},
                                       {"class_names", model->class_names},
                                       {"model", options.model},
                                       {"data", source}};
  fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return done;
}

}  // namespace

void add_eval(CLI::App& program, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("eval", "Measure a model on labelled data");
  command->add_option("MODEL", options->model, "A model.onnx")->required();
  command->add_option("--data", options->data, "A data set's name or path; of a bare name, its test split")
      ->type_name("NAME|PATH")
      ->required();
  command->add_option("--threads", options->threads, "Threads; 0 = all cores")
      ->type_name("N")
      ->check(CLI::Range(0, kMostThreads));
  add_trust(*command, options->changed);
  command->add_flag("--json", options->json, "Print one JSON object as the last line of stdout");
  command->callback([options, &action] { action = [options] { return evaluate(*options); }; });
}

}  // namespace soma::app
