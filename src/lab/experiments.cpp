// an experiment's name → its LabReport, with the machine it was measured on.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <ctime>

#include "core/text.h"
#include "lab/experiment.h"
#include "soma/device.h"

namespace soma {
namespace {

struct Experiment {
  const char* name;
  const char* question;
  Result<LabReport> (*run)(const LabOptions& options);
};

constexpr std::array kExperiments = {
    Experiment{"peak", "How fast can this machine multiply and read at most?", &run_peak},
    Experiment{"gemm", "How near does each matrix product come to that?", &run_gemm},
    Experiment{"layers", "Which layer takes how long, forward and backward, at which batch?", &run_layers},
    Experiment{"train", "How long is an epoch of each preset, and what fraction of the machine is used?", &run_train},
    Experiment{"latency", "How long does one sample wait for its answer?", &run_latency},
    Experiment{"serve", "How many answers a second does soma serve give, and how late, beside nginx?", &run_serve},
    Experiment{"in-kernel", "When is a network inside the Linux kernel faster than a server in user space?", &run_in_kernel},
    Experiment{"go-service-layers", "What do the Go service's four ways of handing out work cost and bring?",
               &run_go_service_layers},
    Experiment{"toynn-platforms", "What does one small network cost on every platform at hand?", &run_toynn_platforms},
    Experiment{"gpu", "Which network, at which batch, is faster on a GPU than on this processor?", &run_gpu},
    Experiment{"cnn-timeline", "What did each optimisation of a small CNN bring, from nested loops on?", &run_cnn_timeline},
    Experiment{"neuro-go", "How fast do a master and its workers train one small network, and on how much memory?",
               &run_neuro_go},
    Experiment{"thesis-speedup", "What does exemplar parallelism bring with 1 to 16 workers, in time and in accuracy?",
               &run_thesis_speedup},
};

}  // namespace

std::vector<ExperimentInfo> experiments() {
  std::vector<ExperimentInfo> list;
  list.reserve(kExperiments.size());
  for (const Experiment& each : kExperiments)
    if (each.run != &run_gpu || built_with_gpu()) list.push_back({each.name, each.question});
  return list;
}

Result<LabReport> run_experiment(std::string_view name, const LabOptions& options) {
  std::vector<std::string> names;
  for (const Experiment& each : kExperiments) {
    names.emplace_back(each.name);
    if (name != each.name) continue;
    auto used = target();
    if (!used) return used.error();
    const auto start = std::chrono::steady_clock::now();
    const std::time_t now = std::time(nullptr);
    auto report = each.run(options);
    if (!report) return report;
    report->experiment = each.name;
    report->question = each.question;
    report->machine = machine();
    report->target = *used;
    report->compiler = compiler();
    report->started = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
    report->threads = options.threads > 0 ? options.threads : available_threads();
    report->quick = options.quick;
    for (LabVerdict& verdict : report->verdicts) verdict.judged = verdict.judged && !options.quick;
    report->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report;
  }
  const std::string close = nearest(name, names);
  return Error{Error::Kind::usage, fmt::format("lab: wanted an experiment ({}), got '{}'; try {}", one_of(names), name,
                                               close.empty() ? "soma lab list" : "'" + close + "'")};
}

}  // namespace soma
