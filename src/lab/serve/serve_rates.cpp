// soma serve and nginx, a core each beside the load on another → answers a second, how late they come, memory and start-up.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/number.h"
#include "lab/command.h"
#include "lab/experiment.h"
#include "lab/measure.h"
#include "lab/scratch_directory.h"
#include "lab/serve/load.h"
#include "lab/serve/server_process.h"
#include "soma/config.h"
#include "soma/dataset.h"
#include "soma/model.h"
#include "soma/train.h"

namespace soma {
namespace {

constexpr int kConnections = 32;

/// What is asked of one server in every round, in the order of its columns.
struct Readings {
  std::vector<double> rate, wrk, p50, p99, p999, open_p50, open_p99;
};

struct Subject {
  std::string name;
  ServerProcess server;
  std::string answer;  ///< every answer is to be this
  Readings readings;
};

struct Trained {
  RunData data;
  Model model;
};

/// The preset trained on a few of the built-in digits: its speed does not depend on its weights, its answers should.
Result<Trained> trained_for_a_moment(const char* name) {
  auto config = preset(name);
  if (!config) return config.error();
  config->data.train = "digits";
  config->data.test = "digits:test";
  config->data.limit = 1000;
  config->train.epochs = 1;
  auto data = load_run_data(*config);
  if (!data) return data.error();
  auto trainer = Trainer::create(*config, *data);
  if (!trainer) return trainer.error();
  auto report = trainer->run();
  if (!report) return report.error();
  return Trained{std::move(*data), std::move(report->model)};
}

Result<Subject> start_soma(const std::string& name, const Model& model, const LabOptions& options, const ScratchDirectory& place,
                           int core, const Dataset& pixels) {
  const std::filesystem::path file = place.path() / (name + ".onnx");
  if (auto written = write_onnx(model, file); !written) return written.error();
  auto predictor = Predictor::create(model, {.threads = 1});
  if (!predictor) return predictor.error();
  auto predicted = predictor->predict(pixels);
  if (!predicted) return predicted.error();
  auto port = free_port();
  if (!port) return port.error();
  auto server = ServerProcess::start(
      {options.program, "serve", file.string(), "--threads", "1", "--listen", fmt::format("127.0.0.1:{}", *port)}, *port, core);
  if (!server) return server.error();
  return Subject{name, std::move(*server), model.class_names[static_cast<std::size_t>(predicted->front().label)], {}};
}

Result<Subject> start_nginx(const ScratchDirectory& place, int core) {
  auto port = free_port();
  if (!port) return port.error();
  const std::string directory = place.path().string();
  const std::string configuration = fmt::format(
      "daemon off; master_process off; worker_processes 1; pid {0}/nginx.pid; error_log /dev/null;\n"
      "events {{ worker_connections 1024; }}\n"
      "http {{\n  access_log off; keepalive_requests 1000000000; default_type text/plain;\n"
      "  client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/fastcgi;\n"
      "  uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;\n"
      "  server {{ listen 127.0.0.1:{1}; location / {{ return 200 \"7\"; }} }}\n}}\n",
      directory, *port);
  const std::filesystem::path file = place.path() / "nginx.conf";
  if (auto written = write_file(file, configuration); !written) return written.error();
  std::optional<Error> reason;
  for (const char* program : {"nginx", "/usr/sbin/nginx"}) {  // Debian keeps it out of a user's $PATH
    auto server = ServerProcess::start({program, "-p", directory, "-e", "/dev/null", "-c", file.string()}, *port, core);
    if (server) return Subject{"nginx, a constant", std::move(*server), "7", {}};
    reason = server.error();
    if (reason->kind != Error::Kind::unavailable) break;
  }
  return *reason;
}

/// "Requests/sec:  98765.43" of what wrk prints.
double wrk_rate(const std::string& text) {
  constexpr std::string_view kLine = "Requests/sec:";
  const std::size_t at = text.find(kLine);
  const std::size_t begin = at == std::string::npos ? at : text.find_first_not_of(' ', at + kLine.size());
  if (begin == std::string::npos) return 0;
  return decimal_number(std::string_view(text).substr(begin, text.find('\n', begin) - begin)).value_or(0);
}

Result<LoadResult> load(const Subject& subject, const std::string& request, int connections, double seconds, double rate = 0) {
  auto result = generate_load({subject.server.port(), request, connections, seconds, rate, subject.answer});
  if (!result) return result;
  if (result->failures > 0 || result->answers == 0)
    return Error{Error::Kind::io, fmt::format("serve: wanted '{}' from {} every time, got {} failures and at last '{}'",
                                              subject.answer, subject.name, result->failures, result->body)};
  return result;
}

/// One turn of one server. `script` is wrk's; empty: wrk is not here.
Result<void> take_readings(Subject& subject, const std::string& request, const std::string& script, double seconds) {
  const auto many = load(subject, request, kConnections, seconds);
  if (!many) return many.error();
  const double rate = static_cast<double>(many->answers) / many->seconds;
  const auto one = load(subject, request, 1, seconds);
  if (!one) return one.error();
  const auto open = load(subject, request, kConnections, seconds, rate / 2);
  if (!open) return open.error();
  Readings& to = subject.readings;
  to.rate.push_back(rate);
  to.p50.push_back(one->latency.percentile(0.5));
  to.p99.push_back(one->latency.percentile(0.99));
  to.p999.push_back(one->latency.percentile(0.999));
  to.open_p50.push_back(open->latency.percentile(0.5));
  to.open_p99.push_back(open->latency.percentile(0.99));
  if (script.empty()) return {};
  const auto said =
      run_command({"wrk", "-t1", fmt::format("-c{}", kConnections), fmt::format("-d{}s", std::max(1, static_cast<int>(seconds))),
                   "-s", script, fmt::format("http://127.0.0.1:{}/", subject.server.port())});
  if (!said) return said.error();
  to.wrk.push_back(wrk_rate(*said));
  return {};
}

/// Where wrk is: the file that tells it what to send; else "", and a note why.
std::string wrk_script(const ScratchDirectory& place, const Dataset& picture, LabReport& report) {
  const std::filesystem::path body = place.path() / "picture", script = place.path() / "post.lua";
  const auto wrote =
      write_file(body, std::string_view(reinterpret_cast<const char*>(picture.bytes.data()), picture.bytes.size()));
  const auto told = write_file(
      script,
      fmt::format("local file = io.open(\"{}\", \"rb\")\nwrk.method = \"POST\"\nwrk.body = file:read(\"*a\")\n", body.string()));
  const auto here = run_command({"sh", "-c", "command -v wrk"});
  if (here && wrote && told) return script.string();
  report.notes.emplace_back("Without wrk: it is not installed.");
  return "";
}

int rounds_of(const LabOptions& options) { return options.quick ? 3 : 7; }
double seconds_of(const LabOptions& options) { return options.quick ? 0.5 : 3; }

double median(const std::vector<double>& values) { return summarize(values).median; }

LabTable rates_table(const std::vector<Subject>& subjects, bool nginx) {
  LabTable table{
      fmt::format("{} connections, 784 bytes in, a digit out", kConnections),
      {{"server", ""}, {"rate", "1/s", 0}, {"low", "1/s", 0}, {"high", "1/s", 0}, {"of nginx", "%", 0}, {"by wrk", "1/s", 0}},
      {}};
  for (const Subject& each : subjects) {
    const Reading rate = summarize(each.readings.rate);
    auto& row = table.rows.emplace_back(table.columns.size());
    row[0] = each.name;
    row[1] = rate.median;
    row[2] = rate.low;
    row[3] = rate.high;
    if (nginx) row[4] = 100 * rate.median / median(subjects.front().readings.rate);
    if (!each.readings.wrk.empty()) row[5] = median(each.readings.wrk);
  }
  return table;
}

LabTable latency_table(const std::vector<Subject>& subjects) {
  LabTable table{"How late an answer comes",
                 {{"server", ""},
                  {"one connection: p50", "µs", 1},
                  {"p99", "µs", 1},
                  {"p99.9", "µs", 1},
                  {"half the rate: p50", "µs", 1},
                  {"half, p99", "µs", 1}},
                 {}};
  for (const Subject& each : subjects) {
    const Readings& r = each.readings;
    table.rows.push_back({each.name, median(r.p50) * 1e6, median(r.p99) * 1e6, median(r.p999) * 1e6, median(r.open_p50) * 1e6,
                          median(r.open_p99) * 1e6});
  }
  return table;
}

LabTable footprint_table(const std::vector<Subject>& subjects) {
  LabTable table{"Footprint after the load", {{"server", ""}, {"ready after", "ms", 1}, {"resident", "MB", 1}}, {}};
  for (const Subject& each : subjects)
    table.rows.push_back({each.name, each.server.ready_seconds() * 1e3, each.server.resident_bytes() / 1e6});
  return table;
}

LabChart chart_of(const std::vector<Subject>& subjects) {
  LabChart chart{LabChart::Kind::bars,
                 fmt::format("Answers a second, {} connections", kConnections),
                 "",
                 "1/s",
                 {},
                 {{"measured here", false, {}, {}}}};
  for (const Subject& each : subjects) {
    chart.categories.push_back(each.name);
    chart.series[0].y.push_back(median(each.readings.rate));
  }
  return chart;
}

void judge(LabReport& report, const std::vector<Subject>& subjects, bool nginx) {
  const std::size_t first = nginx ? 1 : 0;
  const Subject &mlp = subjects[first], &lenet = subjects[first + 1], &int8 = subjects[first + 2];
  const auto add = [&](bool holds, std::string text, bool judged = true) {
    report.verdicts.push_back({holds, std::move(text), judged});
  };
  const double rate = median(mlp.readings.rate), p50 = median(mlp.readings.p50), p99 = median(mlp.readings.p99);
  const double constant = nginx ? median(subjects[0].readings.rate) : 0,
               constant_p50 = nginx ? median(subjects[0].readings.p50) : 0;
  add(rate >= 0.7 * constant,
      nginx ? fmt::format("mnist-mlp: at least 70 % of nginx's rate: {:.0f} %", 100 * rate / constant)
            : "mnist-mlp beside nginx: not here",
      nginx);
  add(median(lenet.readings.rate) >= 25000,
      fmt::format("mnist-lenet: at least 25 000 answers a second: {:.0f}", median(lenet.readings.rate)));
  add(median(int8.readings.rate) >= 35000,
      fmt::format("mnist-lenet in 8 bits: at least 35 000 answers a second: {:.0f}", median(int8.readings.rate)));
  add(p50 <= 1.5 * constant_p50,
      nginx ? fmt::format("mnist-mlp, one connection: p50 at most 1.5 × nginx's: {:.2f} ×", p50 / constant_p50)
            : "p50 beside nginx's: not here",
      nginx);
  add(p99 <= 3 * p50, fmt::format("mnist-mlp, one connection: p99 at most 3 × p50: {:.1f} ×", p99 / p50));
  double resident = 0, ready = 0;
  for (std::size_t i = first; i < subjects.size(); ++i) {
    resident = std::max(resident, subjects[i].server.resident_bytes() / 1e6);
    ready = std::max(ready, subjects[i].server.ready_seconds() * 1e3);
  }
  add(resident <= 30, fmt::format("at most 30 MB resident: {:.1f}", resident));
  add(ready <= 50, fmt::format("ready at most 50 ms after its start: {:.1f}", ready));
}

}  // namespace

Result<LabReport> run_serve(const LabOptions& options) {
  if (options.program.empty())
    return Error{Error::Kind::usage,
                 "lab: wanted the path of the soma program in LabOptions::program, got none; try /usr/bin/soma"};
  const auto place = ScratchDirectory::create("serve");
  if (!place) return place.error();
  const std::vector<int> cores = own_cores();
  LabReport report;
  report.notes = {
      fmt::format(
          "Every server has one thread on core {}, the load one on core {}{}. Turn by turn; medians of {} rounds of {:.1f} s "
          "a reading, low and high the quartiles.",
          cores.front(), cores.back(), cores.size() == 1 ? ", which is the same" : "", rounds_of(options), seconds_of(options)),
      "Half the rate: requests fall due at even distances, at half of what the same server answered at most, on the same "
      "connections; "
      "one that finds them all busy is late by that wait.",
      "Every answer is checked: soma's against what the model says of the same picture in this program."};
  const Dataset picture = make_digits(1, 2);
  const std::string request = post_request("/", {picture.bytes.begin(), picture.bytes.end()});

  std::vector<Subject> subjects;
  say(options, "nginx");
  auto constant = start_nginx(*place, cores.front());
  if (constant)
    subjects.push_back(std::move(*constant));
  else
    report.notes.push_back("Without nginx: " + constant.error().message);
  const bool nginx = constant.ok();
  for (const char* name : {"mnist-mlp", "mnist-lenet"}) {
    say(options, fmt::format("training {} for a moment", name));
    auto trained = trained_for_a_moment(name);
    if (!trained) return trained.error();
    auto subject = start_soma(name, trained->model, options, *place, cores.front(), picture);
    if (!subject) return subject.error();
    subjects.push_back(std::move(*subject));
    if (std::string_view(name) != "mnist-lenet") continue;
    auto bytes = quantize(trained->model, trained->data.train);
    if (!bytes) return bytes.error();
    auto quantized = start_soma("mnist-lenet, int8", *bytes, options, *place, cores.front(), picture);
    if (!quantized) return quantized.error();
    subjects.push_back(std::move(*quantized));
  }
  const std::string script = wrk_script(*place, picture, report);

  const PinnedTo pinned(cores.back());
  for (int round = 0; round < rounds_of(options); ++round)
    for (Subject& each : subjects) {
      say(options, fmt::format("round {} of {}: {}", round + 1, rounds_of(options), each.name));
      if (auto taken = take_readings(each, request, script, seconds_of(options)); !taken) return taken.error();
    }
  report.tables = {rates_table(subjects, nginx), latency_table(subjects), footprint_table(subjects)};
  report.charts = {chart_of(subjects)};
  judge(report, subjects, nginx);
  return report;
}

}  // namespace soma
