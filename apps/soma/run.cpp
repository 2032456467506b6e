// soma run: an ONNX graph and .npy files → a .npy file for each of its outputs.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "command.h"
#include "soma/device.h"
#include "soma/graph.h"

namespace soma::app {
namespace {

struct Options {
  std::string model, out;
  std::vector<std::string> inputs;
  Changed changed = Changed::refuse;
};

/// "NAME=FILE.npy" for each input of the graph → the arrays in the graph's order. With one input its name may be left out.
Result<std::vector<TypedArray>> arrays_of(const Graph& graph, const Options& options) {
  const auto usage = [](std::string message) { return Error{Error::Kind::usage, std::move(message)}; };
  std::vector<std::string> files(graph.inputs().size());
  const auto named = [&](std::string_view name) {
    return std::find_if(graph.inputs().begin(), graph.inputs().end(), [&](const GraphPort& port) { return port.name == name; });
  };
  for (const std::string& given : options.inputs) {
    // A name may hold '=' itself: the longest that is an input's counts.
    std::size_t equals = given.rfind('=');
    while (equals != std::string::npos && equals > 0 && named(given.substr(0, equals)) == graph.inputs().end())
      equals = given.rfind('=', equals - 1);
    const auto port = equals == std::string::npos ? graph.inputs().end() : named(given.substr(0, equals));
    if (port == graph.inputs().end()) {
      std::string known;
      for (const GraphPort& each : graph.inputs()) known += (known.empty() ? "" : ", ") + each.name;
      return usage(fmt::format("--input: wanted NAME=FILE.npy with an input of {}, got '{}'; its inputs: {}", options.model,
                               given, known));
    }
    files[static_cast<std::size_t>(port - graph.inputs().begin())] = given.substr(equals + 1);
  }
  std::vector<TypedArray> arrays;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].empty()) return usage(fmt::format("--input: wanted {0}=FILE.npy, got none for '{0}'", graph.inputs()[i].name));
    auto array = read_array(files[i]);
    if (!array) return array.error();
    arrays.push_back(std::move(*array));
  }
  return arrays;
}

int run(const Options& options) {
  if (const auto usable = target(); !usable) return complain({Error::Kind::usage, usable.error().message});
  auto graph = Graph::read(options.model, options.changed);
  if (!graph) return complain(graph.error());
  const auto inputs = arrays_of(*graph, options);
  if (!inputs) return complain(inputs.error());
  const auto outputs = graph->run(*inputs);
  if (!outputs) return complain(outputs.error());
  std::error_code failure;
  std::filesystem::create_directories(options.out, failure);
  if (failure) return complain({Error::Kind::io, fmt::format("{}: {}", options.out, failure.message())});
  for (std::size_t i = 0; i < outputs->size(); ++i) {
    std::string name = graph->outputs()[i].name;
    std::replace(name.begin(), name.end(), '/', '_');
    if (const auto written = write_array((*outputs)[i], std::filesystem::path(options.out) / (name + ".npy")); !written)
      return complain(written.error());
  }
  return done;
}

}  // namespace

void add_run(CLI::App& program, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("run", "Run an ONNX graph of any operators on raw arrays");
  command->add_option("MODEL", options->model, "An ONNX file")->required();
  command->add_option("--input", options->inputs, "An array for each input of the graph")
      ->type_name("NAME=FILE.npy")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--output", options->out, "Directory that receives NAME.npy for each output")->type_name("DIR")->required();
  add_trust(*command, options->changed);
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace soma::app
