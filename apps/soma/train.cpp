// soma train: a config or preset, and what the command line changes in it → a trained model in a directory.
#include "soma/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "event_log.h"
#include "interrupt.h"
#include "metrics.h"
#include "progress.h"
#include "soma/device.h"
#include "soma/file.h"
#include "soma/report.h"
#include "soma/run_directory.h"
#include "soma/words.h"
#include "summary.h"
#include "table.h"
#include "terminal.h"

namespace soma::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMistakes = 24;  // in report.html: two rows on a wide screen

struct Options {
  std::string config, data, label, out, resume, strategy, precision, device;
  std::vector<std::string> settings;
  std::optional<std::int64_t> epochs, batch;
  std::optional<int> threads;
  std::optional<std::uint64_t> seed;
  bool force = false, json = false, quiet = false;
  Changed changed = Changed::refuse;
};

Error usage(std::string message) { return {Error::Kind::usage, std::move(message)}; }

bool is_known(const std::string& source) {
  const std::string name = source.substr(0, source.find(':'));
  const auto known = known_datasets();
  return std::any_of(known.begin(), known.end(), [&](const KnownDataset& each) { return each.name == name; });
}

/// A path as seen from `directory`, made absolute, so that the run can go on from anywhere. Names of known sets stay.
std::string placed(const std::string& source, const fs::path& directory) {
  if (source.empty() || is_known(source)) return source;
  std::error_code failed;
  const fs::path path = fs::absolute(directory / source, failed).lexically_normal();
  if (failed) return source;
  const std::size_t part = path.string().rfind(".npz:");  // FILE.npz:test
  const auto there = is_there(path.string().substr(0, part == std::string::npos ? part : part + 4));
  return there && *there ? path.string() : source;
}

Result<Config> named_config(const std::string& name) {
  const auto presets = preset_names();
  if (std::find(presets.begin(), presets.end(), name) != presets.end()) return preset(name);
  const bool looks_like_file = name.ends_with(".toml") || name.find('/') != std::string::npos;
  if (!looks_like_file) {
    const auto there = is_there(name);
    if (!there) return there.error();
    if (!*there) return preset(name).error();
  }
  Result<Config> config = load_config(name);
  if (!config) return config;
  if (config->name.empty()) config->name = fs::path(name).stem().string();
  for (std::string* source : {&config->data.train, &config->data.test, &config->data.validation})
    *source = placed(*source, fs::path(name).parent_path());
  return config;
}

/// The config of the run to resume, once there is one; else the file or preset asked for.
Result<Config> base_config(const Options& options) {
  const fs::path kept = fs::path(options.resume) / "config.toml";
  bool resumes = false;
  if (!options.resume.empty()) {
    const auto there = is_there(kept);
    if (!there) return there.error();
    resumes = *there;
  }
  if (options.config.empty() && !options.resume.empty() && !resumes)
    return usage(fmt::format("--resume {}: no config.toml there; name the CONFIG or preset as well", options.resume));
  if (options.config.empty() && !resumes)
    return usage("train: wanted a CONFIG.toml, a preset or --resume DIR; presets: " +
                 fmt::format("{}", fmt::join(preset_names(), ", ")));
  if (!resumes) return named_config(options.config);
  Result<Config> config = load_config(kept);
  if (!config || options.config.empty()) return config;
  const Result<Config> named = named_config(options.config);
  if (!named) return named;
  if (named->name != config->name)
    return usage(fmt::format("--resume {}: wanted a run of '{}', got one of '{}'; try another directory, or leave '{}' away",
                             options.resume, named->name, config->name, options.config));
  return config;
}

/// --data: a known name with splits means its train and test split; anything else is measured on the test file that the config
/// names, if that is a file, or else split as data.test_fraction says.
void use_data(Config& config, const std::string& source) {
  config.data.train = placed(source, "");
  if (is_known(config.data.test)) config.data.test.clear();
  for (const KnownDataset& known : known_datasets())
    if (known.name == source && known.splits.find("train") != std::string::npos) {
      config.data.train = source + ":train";
      config.data.test = source + ":test";
    }
}

Result<Config> resolve_config(const Options& options) {
  Result<Config> config = base_config(options);
  if (!config) return config;
  if (!options.data.empty()) use_data(*config, options.data);
  for (const std::string& setting : options.settings) {
    const auto equals = setting.find('=');
    if (equals == std::string::npos) return usage(fmt::format("--set: wanted key=value, got '{}'", setting));
    if (const auto set = set_key(*config, setting.substr(0, equals), setting.substr(equals + 1)); !set)
      return usage("--set " + set.error().message);
  }
  for (std::string* source : {&config->data.train, &config->data.test, &config->data.validation}) *source = placed(*source, "");
  if (!options.label.empty()) {
    config->data.label = options.label;
    config->data.labels.clear();
  }
  TrainConfig& train = config->train;
  train.epochs = options.epochs.value_or(train.epochs);
  train.batch = options.batch.value_or(train.batch);
  train.threads = options.threads.value_or(train.threads);
  train.seed = options.seed.value_or(train.seed);
  if (!options.strategy.empty()) train.strategy = options.strategy;
  if (!options.precision.empty()) train.precision = options.precision;
  if (!options.device.empty()) train.device = options.device;
  if (const auto checked = check_config(*config); !checked) return checked.error();
  if (config->data.train.empty()) return usage("data.train: no training data named; set it, or give --data NAME|PATH");
  return config;
}

/// Of this program alone: getrusage would count what the process held before it became soma.
std::int64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word)
    if (std::int64_t kilobytes = 0; word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  return 0;
}

nlohmann::ordered_json as_json(const TrainReport& report, const std::optional<Evaluation>& test, const Config& config,
                               const fs::path& out, double total_seconds) {
  nlohmann::ordered_json json;
  std::vector<double> seconds, losses, accuracies;
  for (const EpochRecord& epoch : report.history) {
    seconds.push_back(epoch.seconds);
    losses.push_back(epoch.loss);
    accuracies.push_back(epoch.accuracy);
  }
  const auto last = [](const std::vector<double>& values) {
    return values.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(values.back());
  };
  json["name"] = config.name;
  json["epochs"] = report.history.size();
  json["samples"] = report.samples;
  json["steps"] = report.steps;
  json["left_out_steps"] = report.left_out_steps;
  json["train_seconds"] = report.train_seconds;
  json["total_seconds"] = total_seconds;
  json["epoch_seconds"] = seconds;
  json["epoch_loss"] = losses;
  json["epoch_accuracy"] = accuracies;
  json["train_loss"] = last(losses);
  json["train_accuracy"] = last(accuracies);
  json["test_samples"] = test ? nlohmann::ordered_json(test->samples) : nullptr;
  json["test_accuracy"] = test ? nlohmann::ordered_json(test->accuracy) : nullptr;
  json["test_loss"] = test ? nlohmann::ordered_json(test->loss) : nullptr;
  json["task"] = word(report.model.task);
  json["train"] = {{"samples", report.samples}, {"loss", last(losses)}};
  if (report.model.task == Task::classes || report.model.task == Task::labels) json["train"]["accuracy"] = last(accuracies);
  json["test"] = test ? app::as_json(*test) : nlohmann::ordered_json();
  json["threads"] = report.threads;
  json["target"] = report.target;
  json["strategy"] = config.train.strategy;
  json["precision"] = config.train.precision;
  json["device"] = config.train.device;
  json["seed"] = config.train.seed;
  json["batch"] = config.train.batch;
  json["parameters"] = report.parameters;
  json["flops_per_sample"] = report.flops_per_sample;
  json["rss_bytes"] = peak_memory();
  json["interrupted"] = report.interrupted;
  json["stopped_early"] = report.stopped_early;
  json["out"] = out.string();
  return json;
}

/// What stands where a person reads: stdout, or stderr when stdout carries JSON.
class Say {
 public:
  Say(bool json, bool quiet) : stream_(json ? stderr : stdout), quiet_(quiet) {}
  template <class... T>
  void operator()(fmt::format_string<T...> format, T&&... values) const {
    if (quiet_) return;
    show(stream_, fmt::format(format, std::forward<T>(values)...));
  }
  [[nodiscard]] std::FILE* stream() const { return stream_; }

 private:
  std::FILE* stream_;
  bool quiet_;
};

void introduce(const Say& say, const Config& config, const RunData& data) {
  std::int64_t parameters = 0;
  if (const auto resolved = resolve(config.network))
    for (const LayerSummary& layer : summarise(*resolved)) parameters += layer.parameters;
  say("{}: {} samples of {} to train on, {} to test; {} layers, {} parameters\n", bold(config.name, say.stream()),
      grouped(data.train.count), to_string(data.train.shape), grouped(data.test.count), config.network.nodes.size(),
      grouped(parameters));
  if (config.train.precision == "fp16" && !native_half())
    say("fp16 is emulated: target {} has no half-precision multiply-adds (AVX512-FP16); the same bits, but slower than fp32\n",
        target().value());
}

void conclude(const Say& say, const Config& config, const TrainReport& report, const std::optional<Evaluation>& test,
              const fs::path& out) {
  if (config.train.strategy == "team" && report.threads < config.train.threads)
    say("the system gave {} of {} threads; the result is the same\n", report.threads, config.train.threads);
  if (report.stopped_early) say("stopped early: the validation loss did not get better; the best model is kept\n");
  if (report.left_out_steps > 0)
    say("half precision: {} of {} steps were left out, as their gradient was not finite at the loss scale of the time\n",
        grouped(report.left_out_steps), grouped(report.steps + report.left_out_steps));
  if (test) say("{}\n", bold("test " + headline(*test, report.model.task), say.stream()));
  const std::string model = (out / "model.onnx").string();
  say("wrote {}, and checkpoint.safetensors, config.toml, history.csv, TensorBoard events beside it\n", model);
  say("look at {}\n", (out / "report.html").string());
  if (test) say("next: soma eval {}\n", out.string());
  say("{} soma predict {} {}\n", test ? "     " : "next:", model, report.model.input.size() == 3 ? "FILE.png" : "FILE.csv");
}

int train(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  const std::atomic<bool>* stop = catch_interrupts();
  const Say say(options.json, options.quiet);

  if (const auto usable = target(); !usable) return complain(usage(usable.error().message));
  if (!options.resume.empty() && !options.out.empty() && options.out != options.resume)
    return complain(usage("--out: a resumed run writes into the directory it resumes; leave --out away"));
  Result<Config> config = resolve_config(options);
  if (!config) return complain(config.error());
  Destination destination;
  destination.out = options.resume.empty() ? options.out : options.resume;
  if (!config->name.empty()) destination.name = config->name;
  destination.resume = !options.resume.empty();
  destination.force = options.force;
  if (const auto fits = check_destination(destination); !fits) return complain(fits.error());

  const Result<RunData> data = load_run_data(*config);
  if (!data) return complain(data.error());
  Result<Trainer> trainer = Trainer::create(*config, *data);
  if (!trainer) return complain(trainer.error());
  if (!options.quiet)
    for (const std::string& line : summary(*data)) show(stdout, line + "\n");
  introduce(say, trainer->config(), *data);
  const Result<RunDirectory> directory = open_run_directory(destination);
  if (!directory) return complain(directory.error());
  const fs::path& out = directory->path;
  if (!directory->lock.warning().empty()) show(stderr, fmt::format("soma: {}\n", directory->lock.warning()));
  if (!directory->note.empty()) say("{}\n", directory->note);
  if (directory->goes_on) {
    const fs::path checkpoint = out / "checkpoint.safetensors";
    if (const auto restored = trainer->restore(checkpoint, options.changed); !restored) return complain(restored.error());
    say("going on from {}\n", checkpoint.string());
  } else if (destination.resume) {
    say("no checkpoint in {} yet: starting afresh there\n", out.string());
  }

  ProgressDisplay display(say.stream(), options.quiet);
  TrainHooks hooks;
  hooks.stop = stop;
  hooks.on_step = [&](const Progress& progress) { display.step(progress); };
  EventLog events(out, *trainer);
  hooks.on_epoch = [&](const EpochRecord& record) {
    display.epoch(record, trainer->config().train.epochs);
    events.epoch(record);
  };
  const Result<TrainReport> report = trainer->run(out, hooks);
  display.clear();
  if (!report) return complain(report.error());

  std::optional<Evaluation> test;
  if (report->interrupted) {
    show(stderr, fmt::format("interrupted; checkpoint written. Go on with: soma train --resume {}\n", out.string()));
  } else {
    if (data->test.count > 0) {
      NetworkOptions network;
      network.threads = trainer->config().train.threads;
      Result<Predictor> predictor = Predictor::create(report->model, network);
      if (!predictor) return complain(predictor.error());
      Result<Evaluation> evaluation = predictor->evaluate(data->test, kMistakes);
      if (!evaluation) return complain(evaluation.error());
      test = std::move(*evaluation);
    }
    if (const auto written = events.finish(*report, test); !written) return complain(written.error());
    const auto layers = trainer->time_layers();
    const RunFacts facts{trainer->config(), *report, &data->test, test ? &*test : nullptr, layers};
    if (const auto written = write_run_page(facts, out / "report.html"); !written) return complain(written.error());
    conclude(say, *config, *report, test, out);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.json) {
    const auto json = as_json(*report, test, trainer->config(), out, seconds);
    fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  return report->interrupted ? interrupted : done;
}

}  // namespace

void add_train(CLI::App& program, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("train", "Train a network as a config or preset says");
  command->add_option("CONFIG", options->config,
                      "A TOML file, or a preset: " + fmt::format("{}", fmt::join(preset_names(), ", ")));
  command->add_option("--data", options->data, "Train on this data set or path instead")->type_name("NAME|PATH");
  command->add_option("--label", options->label, "The label column of a CSV: its name or index")->type_name("NAME");
  command->add_option("--out", options->out, "Directory for the results (default: out/NAME, or a free out/NAME-2 …)")
      ->type_name("DIR");
  command->add_option("--set", options->settings, "Change one key of the config; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--epochs", options->epochs, "Passes over the training data")->type_name("N");
  command->add_option("--batch", options->batch, "Samples in a step")->type_name("N");
  command->add_option("--threads", options->threads, "Threads; 0 = all cores. Does not change the result")->type_name("N");
  command->add_option("--seed", options->seed, "Seed of everything random")->type_name("N");
  command
      ->add_option("--strategy", options->strategy,
                   "How work is spread: team, sequential, spawn, pool, static-pool, data-parallel, averaging, hogwild")
      ->type_name("NAME");
  command->add_option("--precision", options->precision, "Arithmetic of matrix products: fp32, or fp16 with fp32 weights")
      ->type_name("NAME");
  CLI::Option* device =
      command->add_option("--device", options->device, "Where to train: cpu, gpu, or gpu:N of soma devices")->type_name("NAME");
  if (!built_with_gpu()) device->group("");  // not offered, and refused in words
  command->add_option("--resume", options->resume, "Go on with the run in this directory")->type_name("DIR");
  add_trust(*command, options->changed);
  command->add_flag("--force", options->force, "Start over in a directory that holds a run, and lose that run");
  command->add_flag("--json", options->json, "Print one JSON object as the last line of stdout");
  command->add_flag("--quiet", options->quiet, "Say nothing but errors");
  command->callback([options, &action] { action = [options] { return train(*options); }; });
}

}  // namespace soma::app
