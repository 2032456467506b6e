// gemm, conv or latency → one JSON line about the machine, then one per work: every reading of soma and of its peers, taken in
// turns.
#include <cblas.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <oneapi/dnnl/dnnl.hpp>

#include "latency.h"
#include "soma/device.h"
#include "turns.h"
#include "work.h"

namespace soma::bench {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string what, onnxruntime;
  std::vector<int> threads;
  Effort effort;
};

void print_line(const Json& line) {
  fmt::print("{}\n", line.dump());
  std::fflush(stdout);
}

void print_machine(const Json& versions) {
  print_line({{"machine", machine()}, {"target", target().value()}, {"compiler", compiler()}, {"versions", versions}});
}

const char* word(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return "forward";
    case Pass::weight_gradient:
      return "weight gradient";
    case Pass::input_gradient:
      return "input gradient";
    case Pass::gradients:
      return "gradients";
  }
  return "";
}

/// The products that training and using the presets meets.
std::vector<Work> linear_works() {
  const auto work = [](Pass pass, std::int64_t batch, std::int64_t in, std::int64_t out) {
    Work w;
    w.pass = pass;
    w.batch = batch;
    w.input = {in};
    w.out = out;
    const std::int64_t m = pass == Pass::weight_gradient ? in : batch, n = pass == Pass::input_gradient ? in : out,
                       k = pass == Pass::forward          ? in
                           : pass == Pass::input_gradient ? out
                                                          : batch;
    w.layer = fmt::format("{}×{}×{}", m, n, k);
    return w;
  };
  return {
      work(Pass::forward, 64, 6272, 128), work(Pass::input_gradient, 64, 6272, 128),  work(Pass::weight_gradient, 64, 6272, 128),
      work(Pass::forward, 256, 784, 100), work(Pass::weight_gradient, 256, 784, 100), work(Pass::forward, 10, 1600, 2600),
      work(Pass::forward, 3, 1600, 2600), work(Pass::forward, 1, 1024, 256),          work(Pass::forward, 1, 256, 10)};
}

std::vector<Work> convolution_works() {
  const Work layers[] = {{"mnist-cnn 5×5", Pass::forward, 64, {1, 28, 28}, 32, 5, 2, true, true},
                         {"mnist-lenet 5×5", Pass::forward, 256, {1, 28, 28}, 24, 5, 0, true, true},
                         {"mnist-lenet 3×3", Pass::forward, 256, {24, 12, 12}, 32, 3, 0, true, false}};
  std::vector<Work> works;
  for (const bool pooled : {true, false})
    for (Work each : layers) {
      each.pooled = pooled;
      each.layer += pooled ? " + relu + pool" : " alone";
      for (const Pass pass : {Pass::forward, Pass::gradients}) {
        each.pass = pass;
        works.push_back(each);
      }
    }
  return works;
}

/// The readings of one work, once all contenders have given the same answer.
Result<Json> compare(const Work& work, int threads, const Effort& effort) {
  const Operands operands(work);
  std::vector<Contender> contenders = {soma_contender(work, operands, threads)};
  const auto join = [&](std::vector<Contender> more) {
    contenders.insert(contenders.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  join(onednn_contenders(work, operands, threads));
  if (!work.is_convolution()) join(openblas_contenders(work, operands, threads));
  std::vector<std::function<void()>> runs;
  std::vector<float> ours;
  for (Contender& each : contenders) {
    each.run();
    const std::vector<float> result = each.result();
    if (ours.empty()) ours = result;
    if (const double apart = distance(result, ours); !(apart < 1e-4))
      return Error{Error::Kind::data, fmt::format("{} {}: wanted soma's numbers of {}, got them {:.2g} apart", work.layer,
                                                  word(work.pass), each.name, apart)};
    runs.push_back(each.run);
  }
  const auto seconds = seconds_in_turns(runs, effort);
  Json readings = Json::object();
  for (std::size_t i = 0; i < contenders.size(); ++i) readings[contenders[i].name] = seconds[i];
  return Json{{"work", work.layer}, {"pass", word(work.pass)}, {"batch", work.batch},
              {"threads", threads}, {"flops", work.flops()},   {"seconds", readings}};
}

int complain(const Error& error) {
  fmt::print(stderr, "peers_benchmark: {}\n", error.message);
  return 1;
}

int run_products(const Options& options) {
  const dnnl_version_t* onednn = dnnl_version();
  print_machine({{"oneDNN", fmt::format("{}.{}.{}", onednn->major, onednn->minor, onednn->patch)},
                 {"OpenBLAS", fmt::format("{} {}", std::string(openblas_get_config()).substr(9, 6), openblas_get_corename())}});
  for (const Work& work : options.what == "gemm" ? linear_works() : convolution_works())
    for (const int threads : options.threads) {
      auto line = compare(work, threads, options.effort);
      if (!line) return complain(line.error());
      print_line(*line);
    }
  return 0;
}

int run_latency(const Options& options) {
  bool first = true;
  for (const char* name : {"mnist-lenet", "mnist-mlp"}) {
    std::string version;
    auto all = measure_latency(name, options.onnxruntime, options.effort.rounds, version);
    if (!all) return complain(all.error());
    if (std::exchange(first, false)) print_machine({{"ONNX Runtime", version}});
    for (const char* at : {"p50", "p99"}) {
      Json readings = Json::object();
      for (const Latency& each : *all) readings[each.contender] = std::string_view(at) == "p50" ? each.p50 : each.p99;
      print_line({{"work", name}, {"pass", at}, {"batch", 1}, {"threads", 1}, {"seconds", readings}});
    }
  }
  return 0;
}

int run(int argc, char** argv) {
  Options options;
  for (const int threads : {1, available_threads()})
    if (options.threads.empty() || threads > 1) options.threads.push_back(threads);
  CLI::App program("soma and its peers on the same work, in turns, as JSON lines");
  program.add_option("WHAT", options.what)->required()->check(CLI::IsMember({"gemm", "conv", "latency"}));
  program.add_option("--threads", options.threads, "One or more numbers of threads")->check(CLI::PositiveNumber);
  program.add_option("--rounds", options.effort.rounds, "Readings of each contender")->check(CLI::PositiveNumber);
  program.add_option("--slice", options.effort.slice, "Seconds a reading lasts")->check(CLI::PositiveNumber);
  program.add_option("--onnxruntime", options.onnxruntime, "libonnxruntime.so, for latency");
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return program.exit(wrong) == 0 ? 0 : 2;
  }
  if (const auto usable = target(); !usable) return complain(usable.error());
  return options.what == "latency" ? run_latency(options) : run_products(options);
}

}  // namespace
}  // namespace soma::bench

int main(int argc, char** argv) { return soma::bench::run(argc, argv); }
