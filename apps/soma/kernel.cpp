// soma kernel: an int8 model → answers from inside the Linux kernel: tried, timed, attached, asked.
#include "soma/kernel.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <thread>
#include <tuple>

#include "interrupt.h"
#include "kernel_command.h"
#include "soma/device.h"
#include "table.h"

namespace soma::app {
namespace {

struct Options {
  std::string model, data, interface, mode, address, pin, at = "xdp";
  ClassifyOptions classify;
  std::vector<std::string> files;
  KernelOptions kernel;
  std::uint32_t repeat = 5'000;
  std::int64_t window = 0;
  bool json = false;
};

/// Samples from `i` on as a question writes them: pixels as bytes, numbers as floats.
struct Values {
  ValueType type;
  std::span<const std::uint8_t> bytes;
};
Values values_of(const Dataset& samples, std::int64_t i, std::int64_t count = 1) {
  const auto one = static_cast<std::size_t>(samples.sample_size()), at = static_cast<std::size_t>(i) * one,
             size = one * static_cast<std::size_t>(count);
  if (!samples.bytes.empty()) return {ValueType::byte, std::span(samples.bytes).subspan(at, size)};
  const auto floats = std::as_bytes(std::span(samples.floats).subspan(at, size));
  return {ValueType::float32, {reinterpret_cast<const std::uint8_t*>(floats.data()), floats.size()}};
}

/// Numbers of any size where no data was named: what goes in must come out the same, sensible or not.
Dataset golden(const Model& model) {
  Dataset samples;
  samples.name = "golden vectors";
  samples.shape = model.input;
  samples.count = 1000;
  std::uint64_t state = 1;
  for (std::int64_t i = 0; i < samples.count * samples.sample_size(); ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const auto draw = static_cast<std::uint32_t>(state >> 32);
    if (samples.is_image())
      samples.bytes.push_back(static_cast<std::uint8_t>(draw));
    else
      samples.floats.push_back(std::ldexp(static_cast<float>(static_cast<std::int32_t>(draw)), static_cast<int>(draw % 12) - 34));
  }
  return samples;
}

Result<Dataset> samples_for(const Model& model, const std::string& data) {
  if (data.empty()) return golden(model);
  DataOptions wanted = data_options(model);
  Result<Dataset> samples = load_dataset(data, wanted);
  return samples ? in_memory(std::move(*samples)) : std::move(samples);
}

int test(const Options& options) {
  const Result<Model> model = read_onnx(options.model);
  if (!model) return complain(model.error());
  auto program = KernelProgram::load(*model, options.kernel);
  if (!program) return complain(program.error());
  const Result<Dataset> samples = samples_for(*model, options.data);
  if (!samples) return complain(samples.error());
  Result<Predictor> predictor = Predictor::create(*model);
  if (!predictor) return complain(predictor.error());
  const auto outputs = predictor->outputs(*samples);
  if (!outputs) return complain(outputs.error());
  const auto predictions = predictor->predict(*samples);
  if (!predictions) return complain(predictions.error());
  const std::size_t width = outputs->size() / static_cast<std::size_t>(samples->count);
  std::int64_t equal = 0;
  for (std::int64_t i = 0; i < samples->count; ++i) {
    const Values values = values_of(*samples, i);
    const auto answer = program->ask(values.type, values.bytes);
    if (!answer) return complain(answer.error());
    const auto place = static_cast<std::size_t>(i);
    const bool same = std::memcmp(answer->outputs.data(), outputs->data() + place * width, width * sizeof(float)) == 0;
    if (same && answer->label == (*predictions)[place].label) ++equal;
  }
  if (options.json)
    print_json({{"model", options.model}, {"data", samples->name}, {"checked", samples->count}, {"equal", equal}});
  else
    fmt::print("{} of {} answers equal those of soma predict in every bit ({})\n", equal, samples->count, samples->name);
  return equal == samples->count ? done : failed;
}

int bench(const Options& options) {
  const Result<Model> model = read_onnx(options.model);
  if (!model) return complain(model.error());
  auto program = KernelProgram::load(*model, options.kernel);
  if (!program) return complain(program.error());
  const std::int64_t size = elements(model->input);
  Json json = {{"model", options.model}};
  std::vector<Row> rows;
  for (const auto& [name, type, bytes] : {std::tuple("bytes", ValueType::byte, 1), std::tuple("int16", ValueType::int16, 2),
                                          std::tuple("float32", ValueType::float32, 4)}) {
    if (size * bytes > 8192) continue;
    const std::vector<std::uint8_t> values(static_cast<std::size_t>(size * bytes));
    const auto timing = program->time(type, values, options.repeat);
    if (!timing) return complain(timing.error());
    rows.push_back({name, fmt::format("{:.0f} ns", timing->kernel_ns), fmt::format("{:.0f} ns", timing->user_ns),
                    fmt::format("{:.1f}", timing->kernel_ns / timing->user_ns)});
    if (type == ValueType::byte)
      json.update({{"kernel_ns", timing->kernel_ns},
                   {"user_ns", timing->user_ns},
                   {"macs", program->products()},
                   {"verified_instructions", timing->verified_instructions},
                   {"jited_bytes", timing->jited_bytes}});
    json[fmt::format("kernel_ns_{}", name)] = timing->kernel_ns;
  }
  if (options.json) {
    print_json(json);
  } else {
    fmt::print("{} multiply-adds, {} instructions verified, {} bytes of machine code\n", program->products(),
               json["verified_instructions"].get<std::int64_t>(), json["jited_bytes"].get<std::int64_t>());
    print_table(stdout, {"values", "kernel, whole program", "soma's executor", "ratio"}, rows, "lrrr");
  }
  return done;
}

Result<KernelMode> mode_of(const std::string& word) {
  if (word.empty()) return KernelMode::automatic;
  if (word == "native") return KernelMode::native;
  if (word == "generic") return KernelMode::generic;
  return Error{Error::Kind::usage, fmt::format("kernel: wanted --mode native or generic, got '{}'; try leaving it out", word)};
}

int load(const Options& options) {
  if (options.at != "xdp") {
    ClassifyOptions wanted = options.classify;
    wanted.model = options.model, wanted.at = options.at, wanted.interface = options.interface;
    wanted.max_products = options.kernel.max_products, wanted.port = options.kernel.port;
    return load_classifier(wanted);
  }
  if (options.interface.empty())
    return complain({Error::Kind::usage, "kernel: wanted a network interface, got none; try --dev with one that ip link lists"});
  const auto mode = mode_of(options.mode);
  if (!mode) return complain(mode.error());
  const Result<Model> model = read_onnx(options.model);
  if (!model) return complain(model.error());
  auto program = KernelProgram::load(*model, options.kernel);
  if (!program) return complain(program.error());
  const auto* stop = catch_interrupts();
  const auto got = program->attach(options.interface, *mode, options.pin);
  if (!got) return complain(got.error());
  if (const std::string warning = program->warning(); !warning.empty()) fmt::print(stderr, "soma: {}\n", warning);
  fmt::print("{} answers on {} port {}, {} XDP, model {:08x}; {} ends it\n", model->name, options.interface, options.kernel.port,
             *got == KernelMode::native ? "native" : "generic", program->model_tag(),
             options.pin.empty() ? "Ctrl-C" : "soma kernel unload");
  std::fflush(stdout);
  if (!options.pin.empty()) return done;
  while (!stop->load() && program->attached()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto counters = program->counters();
  if (!counters) return complain(counters.error());
  fmt::print("{} answered, {} passed on, {} dropped\n", counters->answered, counters->passed, counters->limited);
  return done;
}

int ask(const Options& options) {
  DataOptions wanted;
  std::vector<std::string> classes;
  if (!options.model.empty()) {
    const Result<Model> model = read_onnx(options.model);
    if (!model) return complain(model.error());
    wanted = data_options(*model);
    classes = model->class_names;
  }
  wanted.labelled = false;
  const std::vector<std::filesystem::path> files(options.files.begin(), options.files.end());
  const Result<Dataset> samples = load_samples(files, wanted);
  if (!samples) return complain(samples.error());
  auto client = KernelClient::connect(options.address);
  if (!client) return complain(client.error());
  const std::int64_t size = samples->sample_size(), rows = options.window == 0 ? 1 : options.window / size;
  if (rows * size != options.window && options.window > 0)
    return complain({Error::Kind::usage, fmt::format("kernel: wanted a --stream of whole samples of {}, got {}; try {}", size,
                                                     options.window, std::max<std::int64_t>(rows, 1) * size)});
  if (rows > samples->count)
    return complain({Error::Kind::usage, fmt::format("kernel: wanted {} samples for the first window, got {}; try more of them",
                                                     rows, samples->count)});
  Json answers = Json::array();
  for (std::int64_t i = rows - 1; i < samples->count; ++i) {
    const Values values = values_of(*samples, i - rows + 1, rows);
    const auto answer =
        options.window > 0 ? client->ask_next(values.type, values.bytes, size) : client->ask(values.type, values.bytes);
    if (!answer) return complain(answer.error());
    if (answer->outputs.empty())
      return complain({Error::Kind::unavailable,
                       fmt::format("kernel: {}: wanted a stream to be kept, got none; try without --stream", options.address)});
    const auto label = static_cast<std::size_t>(answer->label);
    const std::string name = label < classes.size() ? classes[label] : fmt::format("{}", label);
    if (options.json)
      answers.push_back({{"row", i}, {"label", label}, {"class", name}, {"outputs", answer->outputs}, {"model", answer->model}});
    else
      fmt::print("{}\n", name);
  }
  if (options.json) print_json(answers);
  return done;
}

}  // namespace

void add_kernel_numbers(CLI::App& command, KernelOptions& options) {
  command
      .add_option("--max-macs", options.max_products,
                  fmt::format("Most multiply-adds of an answer in the kernel, at most {}; 8 take about a nanosecond",
                              kMostKernelProducts))
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--int16-units", options.int16_units, "An int16 n in a question stands for n / UNITS")
      ->type_name("UNITS")
      ->capture_default_str();
}

void add_kernel(CLI::App& program, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("kernel", "Answer from inside the Linux kernel with a model in 8 bits");
  command->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, int (*run)(const Options&)) {
    CLI::App* each = command->add_subcommand(name, help);
    each->callback([options, run, &action] { action = [options, run] { return run(*options); }; });
    return each;
  };
  const auto takes_model = [&](CLI::App* each) {
    each->add_option("MODEL", options->model, "A model.int8.onnx, as soma export --int8 writes it")->required();
    add_kernel_numbers(*each, options->kernel);
  };
  const auto prints_json = [&](CLI::App* each) {
    each->add_flag("--json", options->json, "Print one JSON value as the last line of stdout");
  };

  CLI::App* each = add("test", "Hold the kernel's answers against soma predict, bit for bit", &test);
  takes_model(each);
  each->add_option("--data", options->data, "All samples of it; by default 1000 made-up ones")->type_name("NAME|PATH");
  prints_json(each);
  each = add("bench", "Time an answer in the kernel and in user space, in turns", &bench);
  takes_model(each);
  each->add_option("--repeat", options->repeat, "Answers in each of twenty rounds")->type_name("N")->capture_default_str();
  prints_json(each);
  each = add("load", "Answer questions over UDP on a network interface, until a signal", &load);
  takes_model(each);
  each->add_option("--dev", options->interface, "The network interface")->type_name("IFACE");
  each->add_option(
          "--at", options->at,
          "xdp answers questions; tc and tc-egress classify every packet that the interface receives or sends, socket every "
          "packet to a UDP socket")
      ->check(CLI::IsMember({"xdp", "tc", "tc-egress", "socket"}))
      ->capture_default_str();
  each->add_option("--drop", options->classify.drop, "Of --at tc or socket: drop packets of this class; may be given again")
      ->type_name("CLASS")
      ->allow_extra_args(false);
  each->add_option("--mark", options->classify.mark, "Of --at tc: mark packets of this class, for ip rule, tc and nft")
      ->type_name("CLASS=NUMBER")
      ->allow_extra_args(false);
  each->add_option("--process", options->classify.process, "Of --at socket: whose socket; --port says which")->type_name("PID");
  each->add_option("--port", options->kernel.port, "UDP port")->type_name("PORT")->capture_default_str();
  each->add_option("--rate", options->kernel.questions_per_second, "Questions a second from one source; more are dropped")
      ->type_name("N")
      ->capture_default_str();
  each->add_option("--streams", options->kernel.streams,
                   "Clients that may send what is new of a stream alone; others send it whole")
      ->type_name("N")
      ->capture_default_str();
  each->add_option("--mode", options->mode, "native or generic; by default native where the driver can, on veth generic")
      ->type_name("MODE");
  each->add_option("--pin", options->pin, "A new file in a bpf file system that keeps it answering after this process")
      ->type_name("PATH");
  add_running_kernels(*command, action);
  add_features(*command, action);
  each = add("ask", "Ask about files of samples over UDP", &ask);
  each->add_option("HOST:PORT", options->address, "Who answers")->required();
  each->add_option("FILE", options->files, "PNG, JPEG, CSV or NPY files")
      ->required()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  each->add_option("--model", options->model, "A model.onnx whose shape the files are fitted to, and whose classes are named")
      ->type_name("MODEL");
  each->add_option("--stream", options->window,
                   "The samples are pieces of a stream: ask about the last N values after each, and send each piece once")
      ->type_name("N")
      ->check(CLI::Range(1, 65535));
  prints_json(each);
}

}  // namespace soma::app
