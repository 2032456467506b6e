// soma export: a model → files for other programs: ONNX, in real numbers or in 8 bits, or a BPF function.
#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "soma/device.h"
#include "soma/file.h"
#include "soma/kernel.h"
#include "soma/model.h"
#include "soma/train.h"
#include "table.h"

namespace soma::app {
namespace {

struct Options {
  std::string model, to, data, out, values;
  BpfOptions bpf;
  bool int8 = false;
  Changed changed = Changed::refuse;
  Reading reading;
};

Error usage(const std::string& what) { return {Error::Kind::usage, what}; }

/// What the model was trained on, as the config beside it says.
Result<std::string> training_data(const std::filesystem::path& model) {
  const std::filesystem::path config_file = model.parent_path() / "config.toml";
  const auto there = is_there(config_file);
  if (!there) return there.error();
  if (!*there)
    return usage(
        fmt::format("export: wanted data to measure the ranges of 8 bits with, got neither --data nor a config.toml beside {}; "
                    "try --data with what the model was trained on",
                    model.string()));
  const Result<Config> config = load_config(config_file);
  if (!config) return config.error();
  return config->data.train;
}

Result<Model> in_8_bits(const Model& model, const Options& options, std::string& source) {
  if (model.quantization)
    return usage(fmt::format(
        "export: wanted a model in real numbers, got {}, which is int8 already; try the model it was made from", options.model));
  if (options.data.empty()) {
    Result<std::string> found = training_data(options.model);
    if (!found) return found.error();
    source = std::move(*found);
  } else {
    source = options.data;
  }
  const Result<Dataset> data = load_dataset(source, data_options(model));
  if (!data) return data.error();
  return quantize(model, *data);
}

/// A function for other people's BPF programs: its C and its object.
int export_bpf(const Model& model, const Options& options) {
  BpfOptions wanted = options.bpf;
  wanted.type = options.values == "int16" || (options.values.empty() && model.input.size() != 3) ? ValueType::int16
                : options.values == "float32"                                                    ? ValueType::float32
                                                                                                 : ValueType::byte;
  const std::filesystem::path out = options.out.empty() ? "." : options.out;
  const std::string name = std::filesystem::path(options.model).stem().string();
  if (const auto written = write_bpf(model, out, name, wanted); !written) return complain(written.error());
  fmt::print(
      "{0}.bpf.h and {0}.bpf.o: int soma_predict(struct soma_args *) for BPF programs, values as {1}\n"
      "{0}.xdp.o: a whole program that answers on UDP port {2}, for bpftool, ip and libbpf\n",
      (out / name).string(),
      wanted.type == ValueType::byte    ? "bytes"
      : wanted.type == ValueType::int16 ? "int16"
                                        : "float32",
      wanted.port);
  return done;
}

int export_model(const Options& options) {
  const bool bpf = options.to == "bpf";
  if (options.to != "onnx" && !bpf)
    return complain(usage(fmt::format("export: wanted --to onnx or bpf, got '{}'; try --to onnx", options.to)));
  if (!options.int8 && !options.data.empty())
    return complain(usage("export: --data is what --int8 measures ranges with; try adding --int8"));
  if (const auto usable = target(); !usable) return complain({Error::Kind::usage, usable.error().message});
  Result<Model> model = read_onnx(options.model, options.changed);
  if (!model) return complain(model.error());
  if (const auto applied = apply(options.reading, *model); !applied) return complain(applied.error());
  std::string source;
  if (options.int8) {
    model = in_8_bits(*model, options, source);
    if (!model) return complain(model.error());
  }
  if (bpf) return export_bpf(*model, options);
  std::filesystem::path out = options.out;
  if (out.empty()) out = std::filesystem::path(options.model).replace_extension(options.int8 ? ".int8.onnx" : ".export.onnx");
  if (const auto written = write_onnx(*model, out); !written) return complain(written.error());
  std::error_code unknown;  // of a pipe or a device: then it is left out
  const auto size = std::filesystem::file_size(out, unknown);
  fmt::print("{}: ONNX, {}{}{}\n", out.string(), model->quantization ? "8 bits" : "real numbers",
             source.empty() ? "" : " with ranges measured on " + source,
             unknown ? "" : ", " + bytes(static_cast<std::int64_t>(size)));
  return done;
}

}  // namespace

void add_export(CLI::App& program, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("export", "Write a model for other programs");
  command->add_option("MODEL", options->model, "A model.onnx")->required();
  command->add_option("--to", options->to, "onnx or bpf")->type_name("FORMAT")->required();
  command->add_flag("--int8", options->int8, "8 bits instead of 32: QuantizeLinear and DequantizeLinear around integers");
  command->add_option("--data", options->data, "Samples to measure ranges with; by default what the model was trained on")
      ->type_name("NAME|PATH");
  command
      ->add_option("-o,--out", options->out,
                   "File to write, or directory of --to bpf; by default MODEL's name with .int8.onnx or .export.onnx")
      ->type_name("FILE|DIR");
  command
      ->add_option("--values", options->values, "Of --to bpf: byte, int16 or float32; by default bytes of a picture, else int16")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"byte", "int16", "float32"}));
  command->add_option("--port", options->bpf.port, "Of --to bpf: the UDP port of the whole program")
      ->type_name("PORT")
      ->capture_default_str();
  command->add_option("--int16-units", options->bpf.int16_units, "Of --to bpf: an int16 n stands for n / UNITS")
      ->type_name("UNITS")
      ->capture_default_str();
  command->add_option("--max-macs", options->bpf.max_products, "Of --to bpf: most multiply-adds of a call")
      ->type_name("N")
      ->capture_default_str();
  add_reading(*command, options->reading);
  add_trust(*command, options->changed);
  command->callback([options, &action] { action = [options] { return export_model(*options); }; });
}

}  // namespace soma::app
