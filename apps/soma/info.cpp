// soma info: a model, config or preset → its layers, shapes, sizes and what it was made for.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "soma/file.h"
#include "soma/graph.h"
#include "soma/model.h"
#include "soma/train.h"
#include "soma/words.h"
#include "table.h"
#include "terminal.h"

namespace soma::app {
namespace {

/// What there is to know; a config that was never trained has no fitted preprocessing.
struct Subject {
  std::string name, source;
  Shape input;
  ResolvedNetwork network;
  std::vector<std::string> class_names, preprocess;
  bool int8 = false;
  Task task = Task::classes;
  std::vector<std::string> target_names = {};  ///< of values or labels
  std::vector<Column> columns = {};            ///< of a table
  std::string label_name = {};                 ///< of a table
};

std::string describe(const PreprocessStep& step) {
  if (step.kind == PreprocessKind::divide && step.divisor.size() == 1)
    return fmt::format("{} by {}", word(step.kind), step.divisor.front());
  return std::string(word(step.kind));
}

Result<Subject> from_model(const std::string& file, Changed changed) {
  Result<Model> model = read_onnx(file, changed);
  if (!model) return model.error();
  Result<ResolvedNetwork> network = resolve(model->network, static_cast<std::int64_t>(model->class_names.size()));
  if (!network) return network.error();
  Subject subject{model->name,
                  file,
                  model->input,
                  std::move(*network),
                  model->class_names,
                  {},
                  model->quantization.has_value(),
                  model->task,
                  model->target_names,
                  model->columns,
                  model->label_name};
  for (const PreprocessStep& step : model->preprocess.steps) subject.preprocess.push_back(describe(step));
  return subject;
}

/// The shapes of a network that is not trained yet come from its data, as they would in training.
Result<Subject> from_config(const Config& config, const std::string& source) {
  const Result<RunData> data = load_run_data(config);
  if (!data) return data.error();
  const Result<Trainer> trainer = Trainer::create(config, *data);
  if (!trainer) return trainer.error();
  Result<ResolvedNetwork> network = resolve(trainer->config().network);
  if (!network) return network.error();
  const Dataset& train = data->train;
  Subject subject{config.name, source,     train.shape,        std::move(*network), train.class_names, {},
                  false,       train.task, train.target_names, train.columns,       train.label_name};
  for (const PreprocessStep& step : data->preprocess.steps) subject.preprocess.push_back(describe(step));
  return subject;
}

Result<Subject> subject_of(const std::string& source, Changed changed) {
  const auto presets = preset_names();
  if (std::find(presets.begin(), presets.end(), source) != presets.end()) {
    const Result<Config> config = preset(source);
    return config ? from_config(*config, source) : Result<Subject>(config.error());
  }
  const auto there = is_there(source);
  if (!there) return there.error();
  if (!*there && source.find_first_of("./") == std::string::npos) return preset(source).error();
  if (!source.ends_with(".toml")) return from_model(source, changed);
  const Result<Config> config = load_config(source);
  if (!config) return config.error();
  if (const auto checked = check_config(*config); !checked) return checked.error();
  return from_config(*config, source);
}

LayerSummary total(const std::vector<LayerSummary>& layers) {
  LayerSummary sum;
  for (const LayerSummary& layer : layers) {
    sum.parameters += layer.parameters;
    sum.flops += layer.flops;
    sum.memory_bytes += layer.memory_bytes;
  }
  return sum;
}

void print_subject(const Subject& subject, const std::vector<LayerSummary>& layers) {
  const auto none_or = [](const std::vector<std::string>& words) {
    return words.empty() ? std::string("none") : fmt::format("{}", fmt::join(words, ", "));
  };
  fmt::print("{}  {}\n", bold(subject.name, stdout), subject.source);
  fmt::print("input       {}\n", to_string(subject.input));
  fmt::print("preprocess  {}\n", none_or(subject.preprocess));
  if (subject.int8) fmt::print("precision   int8: bytes between layers, sums in 32 bits\n");
  if (subject.task == Task::classes)
    fmt::print("classes     {}: {}\n", subject.class_names.size(), none_or(subject.class_names));
  else if (subject.task == Task::reconstruct)
    fmt::print("answers     the sample itself\n");
  else
    fmt::print("{:<11} {}: {}\n", word(subject.task), subject.target_names.size(), none_or(subject.target_names));
  std::vector<Row> rows;
  rows.reserve(layers.size() + 1);
  for (const LayerSummary& layer : layers)
    rows.push_back({layer.name, layer.kind, to_string(layer.output), grouped(layer.parameters), grouped(layer.flops),
                    bytes(layer.memory_bytes)});
  const LayerSummary sum = total(layers);
  rows.push_back({"total", "", "", grouped(sum.parameters), grouped(sum.flops), bytes(sum.memory_bytes)});
  print_table(stdout, {"layer", "kind", "output", "parameters", "FLOPs", "memory"}, rows, "lllrrr", true);
  fmt::print("FLOPs and memory are of one forward pass of one sample; a multiply-add counts as two.\n");
}

nlohmann::ordered_json as_json(const std::vector<Column>& columns) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Column& column : columns) {
    nlohmann::ordered_json& each = list.emplace_back();
    each["name"] = column.name;
    if (!column.date.empty()) each["date"] = column.date;
    if (!column.categories.empty()) each["categories"] = column.categories;
  }
  return list;
}

nlohmann::ordered_json as_json(const Subject& subject, const std::vector<LayerSummary>& layers) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const LayerSummary& layer : layers)
    rows.push_back({{"name", layer.name},
                    {"kind", layer.kind},
                    {"output", layer.output},
                    {"parameters", layer.parameters},
                    {"flops", layer.flops},
                    {"memory_bytes", layer.memory_bytes}});
  const LayerSummary sum = total(layers);
  return {{"name", subject.name},
          {"input", subject.input},
          {"preprocess", subject.preprocess},
          {"columns", as_json(subject.columns)},
          {"label", subject.label_name},
          {"class_names", subject.class_names},
          {"task", word(subject.task)},
          {"target_names", subject.target_names},
          {"precision", subject.int8 ? "int8" : "fp32"},
          {"layers", std::move(rows)},
          {"parameters", sum.parameters},
          {"flops", sum.flops},
          {"memory_bytes", sum.memory_bytes}};
}

/// "float32 [?, 4]": what an input or output of a graph holds.
std::string described(const GraphPort& port) {
  std::vector<std::string> extents;
  for (const std::int64_t extent : port.extents) extents.push_back(extent < 0 ? "?" : std::to_string(extent));
  return port.ranked ? fmt::format("{} [{}]", to_string(port.type), fmt::join(extents, ", ")) : std::string(to_string(port.type));
}

/// A file that is no list of layers: its inputs, outputs and operators.
int graph_info(const Graph& graph, const std::string& source, bool json) {
  if (json) {
    const auto ports = [](const std::vector<GraphPort>& all) {
      nlohmann::ordered_json list = nlohmann::ordered_json::array();
      for (const GraphPort& port : all)
        list.push_back({{"name", port.name}, {"type", to_string(port.type)}, {"extents", port.extents}});
      return list;
    };
    nlohmann::ordered_json operators = nlohmann::ordered_json::object();
    for (const auto& [name, count] : graph.operators()) operators[name] = count;
    const nlohmann::ordered_json all = {
        {"name", source}, {"inputs", ports(graph.inputs())}, {"outputs", ports(graph.outputs())}, {"operators", operators}};
    fmt::print("{}\n", all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return done;
  }
  fmt::print("{}  run operator by operator\n", bold(source, stdout));
  for (const GraphPort& port : graph.inputs()) fmt::print("input       {}: {}\n", port.name, described(port));
  for (const GraphPort& port : graph.outputs()) fmt::print("output      {}: {}\n", port.name, described(port));
  std::vector<Row> rows;
  for (const auto& [name, count] : graph.operators()) rows.push_back({name, grouped(count)});
  print_table(stdout, {"operator", "times"}, rows, "lr");
  return done;
}

int info(const std::string& source, bool json, Changed changed) {
  const Result<Subject> subject = subject_of(source, changed);
  if (!subject && subject.error().kind == Error::Kind::data && source.ends_with(".onnx"))
    if (const auto graph = Graph::read(source, changed); graph) return graph_info(*graph, source, json);
  if (!subject) return complain(subject.error());
  const std::vector<LayerSummary> layers = summarise(subject->network);
  if (json)
    fmt::print("{}\n", as_json(*subject, layers).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    print_subject(*subject, layers);
  return done;
}

}  // namespace

void add_info(CLI::App& program, Action& action) {
  struct Options {
    std::string source;
    bool json = false;
    Changed changed = Changed::refuse;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("info", "Show the layers, shapes and sizes of a model, config or preset");
  command->add_option("MODEL", options->source, "A model.onnx, a CONFIG.toml or a preset")->required();
  add_trust(*command, options->changed);
  command->add_flag("--json", options->json, "Print one JSON object as the last line of stdout");
  command->callback(
      [options, &action] { action = [options] { return info(options->source, options->json, options->changed); }; });
}

}  // namespace soma::app
