// the id of a program that answers already → soma kernel list, stats, swap, unload: whichever process loaded it.
#include <fmt/format.h>

#include <memory>

#include "kernel_command.h"
#include "soma/kernel.h"
#include "table.h"

namespace soma::app {
namespace {

struct Options {
  std::string model;
  std::uint32_t id = 0;
  std::int64_t max_products = KernelOptions{}.max_products;
  double seconds = 1;
  bool json = false;
};

std::string word_of(const RunningKernel& each) {
  if (!each.tc.empty()) return "tc " + each.tc;
  return each.mode == KernelMode::native ? "native" : "generic";
}

/// The program of --id, or the only one there is.
Result<RunningKernel> wanted(const Options& options) {
  auto all = running_kernels();
  if (!all) return all.error();
  std::string ids;
  for (const RunningKernel& each : *all) {
    if (each.id == options.id || (options.id == 0 && all->size() == 1)) return each;
    ids += fmt::format("{}{}", ids.empty() ? "" : ", ", each.id);
  }
  if (all->empty())
    return Error{Error::Kind::unavailable, "kernel: wanted a program that answers, got none; try soma kernel load"};
  if (options.id == 0)
    return Error{Error::Kind::usage,
                 fmt::format("kernel: wanted one program, got {}; try --id with one of {}", all->size(), ids)};
  return Error{Error::Kind::usage,
               fmt::format("kernel: wanted a program that answers, got --id {}; try one of {}", options.id, ids)};
}

int list(const Options& options) {
  const auto all = running_kernels();
  if (!all) return complain(all.error());
  Json json = Json::array();
  std::vector<Row> rows;
  for (const RunningKernel& each : *all) {
    json.push_back({{"id", each.id},
                    {"model", each.model},
                    {"tag", each.model_tag},
                    {"macs", each.products},
                    {"interface", each.interface},
                    {"port", each.port},
                    {"mode", word_of(each)},
                    {"process", each.process},
                    {"pin", each.pin}});
    rows.push_back({fmt::format("{}", each.id), each.model, fmt::format("{:08x}", each.model_tag), each.interface,
                    each.tc.empty() ? fmt::format("{}", each.port) : "", word_of(each),
                    each.pin.empty() ? fmt::format("process {}", each.process) : each.pin});
  }
  if (options.json)
    print_json(json);
  else if (rows.empty())
    fmt::print("none answers\n");
  else
    print_table(stdout, {"id", "model", "tag", "interface", "port", "at", "lives with"}, rows, "rlllrll");
  return done;
}

int stats(const Options& options) {
  const auto which = wanted(options);
  if (!which) return complain(which.error());
  const auto use = watch_kernel(which->id, options.seconds);
  if (!use) return complain(use.error());
  const KernelCounters& counted = use->counters;
  if (!which->tc.empty() && !options.json) {
    fmt::print("{}: {} packets passed, {} marked, {} dropped at tc {} of {}\n", which->model, counted.passed, counted.answered,
               counted.limited, which->tc, which->interface);
    return done;
  }
  const std::uint64_t packets = counted.answered + counted.passed + counted.limited;
  if (options.json)
    print_json({{"id", which->id},
                {"model", which->model},
                {"packets", packets},
                {"answered", counted.answered},
                {"passed", counted.passed},
                {"limited", counted.limited},
                {"runs", use->runs},
                {"run_ns", use->runs > 0 ? Json(use->run_ns) : Json()}});
  else
    fmt::print("{}: {} packets to port {}: {} answered, {} passed on, {} dropped; {}\n", which->model, packets, which->port,
               counted.answered, counted.passed, counted.limited,
               use->runs > 0 ? fmt::format("{:.0f} ns a run over the last {} runs", use->run_ns, use->runs)
                             : fmt::format("no packet within {} s", options.seconds));
  return done;
}

int swap(const Options& options) {
  const Result<Model> model = read_onnx(options.model);
  if (!model) return complain(model.error());
  const auto which = wanted(options);
  if (!which) return complain(which.error());
  const auto swapped = swap_kernel(which->id, *model, options.max_products);
  if (!swapped) return complain(swapped.error());
  fmt::print("{} answers on {} port {} in the place of {}, by its {}\n", model->name, which->interface, which->port, which->model,
             *swapped == KernelSwap::weights ? "weights alone" : "program");
  return done;
}

int unload(const Options& options) {
  const auto which = wanted(options);
  if (!which) return complain(which.error());
  if (const auto gone = unload_kernel(which->id); !gone) return complain(gone.error());
  fmt::print("{} answers no more on {} port {}\n", which->model, which->interface, which->port);
  return done;
}

}  // namespace

void add_running_kernels(CLI::App& command, Action& action) {
  auto options = std::make_shared<Options>();
  const auto add = [&](const char* name, const char* help, int (*run)(const Options&)) {
    CLI::App* each = command.add_subcommand(name, help);
    each->callback([options, run, &action] { action = [options, run] { return run(*options); }; });
    return each;
  };
  const auto takes_id = [&](CLI::App* each) {
    each->add_option("--id", options->id, "Which one, as soma kernel list shows it; may be left out where there is but one")
        ->type_name("ID");
  };
  const auto prints_json = [&](CLI::App* each) {
    each->add_flag("--json", options->json, "Print one JSON value as the last line of stdout");
  };
  prints_json(add("list", "What answers from inside the kernel now, whoever loaded it", &list));
  CLI::App* each = add("stats", "Packets, answers, and nanoseconds a run", &stats);
  takes_id(each);
  each->add_option("--seconds", options->seconds, "How long to watch")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 3600.0));
  prints_json(each);
  each = add("swap", "Another model from one packet to the next", &swap);
  each->add_option("MODEL", options->model, "A model.int8.onnx, as soma export --int8 writes it")->required();
  takes_id(each);
  each->add_option("--max-macs", options->max_products, "Most multiply-adds of an answer")->type_name("N")->capture_default_str();
  each = add("unload", "Detach it from its interface, and take away its pin", &unload);
  takes_id(each);
}

}  // namespace soma::app
