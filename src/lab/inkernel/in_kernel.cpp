// networks of four sizes → round trips of a program in the kernel beside those of servers in user space, on one loopback.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "core/random.h"
#include "inkernel/message.h"
#include "lab/experiment.h"
#include "lab/inkernel/asking.h"
#include "lab/scratch_directory.h"
#include "lab/serve/load.h"
#include "lab/serve/server_process.h"
#include "nn/resolve.h"
#include "soma/kernel.h"

namespace soma {
namespace {

constexpr std::uint16_t kKernelPort = 9000, kPlainPort = 9001;
constexpr double kClaimed = 0.8;  // of a blocking server's round trip, for 784-32-10
constexpr const char *kJudged = "784-32-10", *kInKernel = "in the kernel, generic XDP",
                     *kSameCore = "user space, blocking, same core", *kOtherCore = "user space, blocking, other core",
                     *kSpinning = "user space, spinning, other core", *kHttp = "soma serve, HTTP, other core";

/// Round trips of the prototype that came before, over veth.
struct Published {
  const char *network, *server;
  double p50;  ///< µs
};
constexpr std::array kPublished = {
    Published{"4-8-3", kInKernel, 1.80},  Published{"4-8-3", kSameCore, 5.69}, Published{"4-8-3", kOtherCore, 92.9},
    Published{"4-8-3", kSpinning, 23.2},  Published{kJudged, kInKernel, 5.10}, Published{kJudged, kSameCore, 6.22},
    Published{kJudged, kOtherCore, 79.9}, Published{kJudged, kSpinning, 25.9},
};
double in_kernel_published(const char* network) {
  for (const Published& each : kPublished)
    if (each.server == std::string_view(kInKernel) && each.network == std::string_view(network)) return each.p50;
  return 0;
}

struct Subject {
  std::string name;
  Model model;
  std::vector<std::uint8_t> values;  ///< of one sample
};

/// inputs-hidden-outputs with a relu, random weights, in 8 bits with the ranges of random samples.
Result<Subject> subject(std::int64_t inputs, std::int64_t hidden, std::int64_t outputs) {
  Subject made;
  made.name = fmt::format("{}-{}-{}", inputs, hidden, outputs);
  Model& model = made.model;
  model.name = made.name;
  model.input = inputs == 784 ? Shape{1, 28, 28} : Shape{inputs};
  model.network.input = model.input;
  if (inputs == 784) model.network.nodes.push_back({.layer = Flatten{}});
  for (const Layer& layer : {Layer{Linear{hidden}}, Layer{Activation{Activation::Kind::relu}}, Layer{Linear{outputs}}})
    model.network.nodes.push_back({.layer = layer});
  const auto network = resolve(model.network, outputs);
  if (!network) return network.error();
  model.network = network->spec;
  std::uint64_t draws = 0;
  for (const ParameterShape& wanted : parameter_shapes(*network)) {
    Tensor tensor{wanted.name, wanted.shape, {}};
    for (std::int64_t i = 0; i < elements(wanted.shape); ++i)
      tensor.values.push_back(static_cast<float>((random_unit(7, 0, draws++) - 0.5) / std::sqrt(static_cast<double>(inputs))));
    model.parameters.push_back(std::move(tensor));
  }
  for (std::int64_t i = 0; i < outputs; ++i) model.class_names.push_back(fmt::format("{}", i));
  Dataset samples;
  samples.shape = model.input;
  samples.count = 64;
  for (std::int64_t i = 0; i < samples.count * inputs; ++i) {
    const auto value = static_cast<std::uint8_t>(255 * random_unit(8, 0, static_cast<std::uint64_t>(i)));
    if (samples.shape.size() == 3)
      samples.bytes.push_back(value);
    else
      samples.floats.push_back(value);
    if (i < inputs) made.values.push_back(value);
  }
  auto quantised = quantize(model, samples);
  if (!quantised) return quantised.error();
  model = std::move(*quantised);
  return made;
}

class Experiment {
 public:
  explicit Experiment(const LabOptions& options) : options_(options), cores_(own_cores()) {}

  Result<void> run(LabReport& report) {
    for (const auto& [inputs, hidden, outputs] :
         {std::tuple{4, 8, 3}, std::tuple{64, 32, 10}, std::tuple{784, 32, 10}, std::tuple{784, 128, 10}}) {
      const auto made = subject(inputs, hidden, outputs);
      if (!made) return made.error();
      if (auto measured = all_of(*made); !measured) return measured;
    }
    report.tables.push_back(table_);
    return judge(report);
  }

 private:
  Result<void> all_of(const Subject& subject) {
    auto program = KernelProgram::load(subject.model, {.port = kKernelPort, .max_products = kMostKernelProducts});
    if (!program) return program.error();
    const auto said = program->ask(ValueType::byte, subject.values);
    if (!said) return said.error();
    question_ = make_question(ValueType::byte, subject.values, 1, std::ssize(said->outputs));
    expected_ = message::make_answer(*said);
    if (const auto attached = program->attach("lo", KernelMode::generic); !attached) return attached.error();
    if (auto done = ask(subject, kInKernel, kKernelPort, 0); !done) return done;
    for (const auto& [name, core, spinning] :
         {std::tuple{kSameCore, std::size_t{0}, false}, std::tuple{kOtherCore, std::size_t{1}, false},
          std::tuple{kSpinning, std::size_t{1}, true}}) {
      if (core >= cores_.size()) continue;
      const auto server = PlainServer::start(subject.model, kPlainPort, cores_[core], spinning);
      if (!server) return server.error();
      if (auto done = ask(subject, name, kPlainPort, server->get()); !done) return done;
    }
    if (subject.name == kJudged && cores_.size() > 1 && !options_.program.empty()) return over_http(subject);
    return {};
  }

  Result<void> ask(const Subject& subject, const char* server, std::uint16_t port, const PlainServer* plain) {
    say(options_, fmt::format("{}, {}", subject.name, server));
    const PinnedTo pinned(cores_.front());
    const std::int64_t questions = options_.quick ? 2'000 : 20'000;
    const std::int64_t before = plain != nullptr ? plain->system_calls() : 0;
    const auto asked = ask_port(port, question_, expected_, questions);
    if (!asked) return asked.error();
    const std::int64_t own = plain != nullptr ? plain->system_calls() - before : 0;
    const double p50 = asked->latency.percentile(0.5);
    p50_[{subject.name, server}] = p50;
    if (plain == nullptr) {
      answers_ += asked->answers;
      wrong_ += asked->wrong + asked->lost;
    }
    table_.rows.push_back({subject.name, server, p50 * 1e6, asked->latency.percentile(0.99) * 1e6, asked->window_seconds * 1e6,
                           static_cast<double>(own) / static_cast<double>(std::max<std::int64_t>(asked->answers, 1)),
                           static_cast<double>(asked->wrong), static_cast<double>(asked->lost)});
    return {};
  }

  Result<void> over_http(const Subject& subject) {
    say(options_, fmt::format("{}, {}", subject.name, kHttp));
    const auto place = ScratchDirectory::create("in-kernel");
    if (!place) return place.error();
    const std::filesystem::path file = place->path() / "model.onnx";
    if (auto written = write_onnx(subject.model, file); !written) return written.error();
    const auto port = free_port();
    if (!port) return port.error();
    const auto server = ServerProcess::start(
        {options_.program, "serve", file.string(), "--threads", "1", "--listen", fmt::format("127.0.0.1:{}", *port)}, *port,
        cores_[1]);
    if (!server) return server.error();
    const PinnedTo pinned(cores_.front());
    const auto load = generate_load({.port = *port,
                                     .request = post_request("/", {subject.values.begin(), subject.values.end()}),
                                     .seconds = options_.quick ? 0.2 : 2.0});
    if (!load) return load.error();
    table_.rows.push_back({subject.name, kHttp, load->latency.percentile(0.5) * 1e6, load->latency.percentile(0.99) * 1e6,
                           std::monostate(), std::monostate(), static_cast<double>(load->failures), std::monostate()});
    return {};
  }

  Result<void> judge(LabReport& report) {
    const double kernel = p50_.at({kJudged, kInKernel}), blocking = p50_.at({kJudged, kSameCore});
    report.verdicts.push_back(
        {kernel <= kClaimed * blocking,
         fmt::format(
             "{}: a round trip to the kernel takes at most {} of one to a blocking server on the same core; here {:.2f} of "
             "{:.2f} µs, {:.2f}",
             kJudged, kClaimed, kernel * 1e6, blocking * 1e6, kernel / blocking),
         !options_.quick});
    for (const Published& each : kPublished) {
      const auto mine = p50_.find({each.network, each.server});
      if (each.server == std::string_view(kInKernel) || mine == p50_.end()) continue;
      const double ratio = mine->second / p50_.at({each.network, kInKernel});
      report.verdicts.push_back({ratio > 1,
                                 fmt::format("{}, {}: published {:.2g} × as long as in the kernel, here {:.2g} ×", each.network,
                                             each.server, each.p50 / in_kernel_published(each.network), ratio),
                                 !options_.quick});
    }
    LabTable published{
        "Published: the study before it, virtual machine, Linux 6.18", {{"network", ""}, {"server", ""}, {"p50", "µs", 2}}, {}};
    for (const Published& each : kPublished) published.rows.push_back({each.network, each.server, each.p50});
    report.tables.push_back(std::move(published));
    report.verdicts.push_back(
        {wrong_ == 0, fmt::format("every answer has the same bits, and none is lost: {} of the kernel's, {} "
                                  "wrong or lost",
                                  answers_, wrong_)});
    LabChart chart{LabChart::Kind::bars, "Round trip, median", "", "µs", {}, {}};
    for (const char* server : {kInKernel, kSameCore, kOtherCore, kSpinning}) {
      LabChart::Series series{server, false, {}, {}};
      for (const auto& [key, p50] : p50_)
        if (key.second == server) series.y.push_back(p50 * 1e6);
      if (!series.y.empty()) chart.series.push_back(std::move(series));
    }
    for (const auto& [key, p50] : p50_)
      if (key.second == kInKernel) chart.categories.push_back(key.first);
    chart.log_y = true;
    report.charts.push_back(std::move(chart));
    return {};
  }

  const LabOptions& options_;
  const std::vector<int> cores_;
  std::vector<std::uint8_t> question_, expected_;
  std::map<std::pair<std::string, std::string>, double> p50_;
  std::int64_t wrong_ = 0, answers_ = 0;
  LabTable table_{"Round trips",
                  {{"network", ""},
                   {"server", ""},
                   {"p50", "µs", 2},
                   {"p99", "µs", 2},
                   {"32 at once, each", "µs", 2},
                   {"server's system calls an answer", "", 2},
                   {"wrong", "", 0},
                   {"lost", "", 0}},
                  {}};
};

}  // namespace

Result<LabReport> run_in_kernel(const LabOptions& options) {
  LabReport report;
  Experiment experiment(options);
  if (const auto ran = in_new_network([&] { return experiment.run(report); }); !ran) {
    if (ran.error().kind != Error::Kind::unavailable) return ran.error();
    report.verdicts.push_back({false, fmt::format("not measured here: {}", ran.error().message), false});
  }
  report.notes = {
      "One client on one core asks about the same bytes again and again over the loopback of a network namespace of its own, "
      "where the "
      "program is attached as generic XDP. Servers in user space answer the same messages and compute with the executor of soma "
      "serve; "
      "they take up to 32 questions with one recvmmsg and answer them with one sendmmsg.",
      "A round trip has the client's own send and recv in it, some 1.7 µs. On the loopback the kernel's program runs on the "
      "client's core; "
      "behind a network card it would have one of its own.",
      "Every answer is compared byte by byte. Weights are random: what they are costs nothing."};
  return report;
}

}  // namespace soma
