// soma verify: a model or a run → whether its files are what soma wrote, and whether training again gives the same bits.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <system_error>

#include "command.h"
#include "soma/device.h"
#include "soma/file.h"
#include "soma/train.h"

namespace soma::app {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string source;
  bool retrain = false;
};

/// A directory of its own, gone at the end.
class Scratch {
 public:
  static Result<std::unique_ptr<Scratch>> create() {
    std::error_code failure;
    std::string name = (fs::temp_directory_path(failure) / "soma-verify-XXXXXX").string();
    if (failure || ::mkdtemp(name.data()) == nullptr)
      return Error{Error::Kind::io, fmt::format("{}: wanted a temporary directory, got none; try setting TMPDIR", name)};
    return std::unique_ptr<Scratch>(new Scratch(name));
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;  // what stays behind lies in a directory for such things
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  explicit Scratch(fs::path path) : path_(std::move(path)) {}
  fs::path path_;
};

/// The model.onnx and the checkpoint of a run, or the one file that was named.
Result<std::vector<fs::path>> files_of(const fs::path& source) {
  const auto folder = is_folder(source);
  if (!folder) return folder.error();
  if (!*folder) return std::vector{source};
  std::vector<fs::path> files;
  for (const char* name : {"model.onnx", "checkpoint.safetensors"}) {
    const auto there = is_there(source / name);
    if (!there) return there.error();
    if (*there) files.push_back(source / name);
  }
  if (files.empty())
    return Error{Error::Kind::io,
                 fmt::format("{}: wanted a model.onnx or a checkpoint.safetensors in it, found neither", source.string())};
  return files;
}

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Trains as the config beside the model says, from the start and in memory; fails when that gives another file.
Result<void> retrain(const fs::path& model) {
  const fs::path config_file = model.parent_path() / "config.toml";
  const Result<Config> config = load_config(config_file);
  if (!config) return config.error();
  const Result<TrainReport> report = train(*config);
  if (!report) return report.error();
  const auto scratch = Scratch::create();
  if (!scratch) return scratch.error();
  const fs::path again = (*scratch)->path() / "model.onnx";
  if (const auto written = write_onnx(report->model, again); !written) return written;
  if (bytes_of(again) == bytes_of(model)) return {};
  return Error{Error::Kind::data,
               fmt::format("{}: wanted the bits that training again by {} gives, got others; was it trained by "
                           "another version of soma, on other data, or by a strategy that promises no bits?",
                           model.string(), config_file.string())};
}

int verify(const Options& options) {
  if (const auto usable = target(); !usable) return complain({Error::Kind::usage, usable.error().message});
  const auto files = files_of(options.source);
  if (!files) return complain(files.error());
  for (const fs::path& file : *files) {
    const Result<Seal> seal = check_seal(file);
    if (!seal) return complain(seal.error());
    fmt::print("{}: {}\n", file.string(),
               *seal == Seal::whole ? "as soma wrote it" : "carries no SHA-256 of soma's; it can be read");
  }
  if (!options.retrain) return done;
  const fs::path& model = files->front();
  if (model.extension() != ".onnx")
    return complain({Error::Kind::usage, fmt::format("verify: --retrain wants a model.onnx, got {}", model.string())});
  if (const auto same = retrain(model); !same) return complain(same.error());
  fmt::print("{}: trained again, the same bits\n", model.string());
  return done;
}

}  // namespace

void add_verify(CLI::App& program, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("verify", "Say whether files are still what soma wrote");
  command->add_option("MODEL|DIR", options->source, "A model.onnx, a checkpoint.safetensors, or the directory of a run")
      ->required();
  command->add_flag("--retrain", options->retrain, "Train again as the config.toml beside it says, and compare bits");
  command->callback([options, &action] { action = [options] { return verify(*options); }; });
}

}  // namespace soma::app
