// soma devices → what training may run on: this processor and the GPUs of this machine.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "soma/device.h"

namespace soma::app {
namespace {

int print_devices(bool json) {
  const Result<std::string> chosen = target();
  if (!chosen) return complain({Error::Kind::usage, chosen.error().message});
  std::vector<std::string> refused;
  const Result<std::vector<Gpu>> found = gpus(&refused);
  if (json) {
    auto list = nlohmann::ordered_json::array();
    list.push_back({{"name", machine()},
                    {"kind", "cpu"},
                    {"id", "cpu"},
                    {"driver", *chosen},
                    {"memory_bytes", std::int64_t{::sysconf(_SC_AVPHYS_PAGES)} * ::sysconf(_SC_PAGESIZE)},
                    {"software", false}});
    if (found)
      for (const Gpu& gpu : *found)
        list.push_back({{"name", gpu.name},
                        {"kind", gpu.kind},
                        {"id", gpu.id},
                        {"driver", gpu.driver},
                        {"memory_bytes", gpu.memory_bytes},
                        {"software", gpu.software}});
    fmt::print("{}\n", list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return done;
  }
  fmt::print("cpu    {}, {}\n", machine(), *chosen);
  if (!found) {
    fmt::print("no gpu: {}\n", found.error().message);
    return done;
  }
  for (const Gpu& gpu : *found)
    fmt::print("{:<6} {}, driver {}: {}\n", gpu.id, gpu.name, gpu.driver,
               gpu.software ? "software, for tests"
                            : fmt::format("{}, {:.0f} GB free", gpu.kind, static_cast<double>(gpu.memory_bytes) * 1e-9));
  for (const std::string& lack : refused) fmt::print("no gpu: {}; docs/gpu.md\n", lack);
  if (found->empty() && refused.empty()) fmt::print("no gpu: no driver that Vulkan's loader finds serves one; docs/gpu.md\n");
  return done;
}

/// Every GPU of this machine, judged.
int check_devices() {
  const Result<std::vector<Gpu>> found = gpus();
  if (!found) return complain(found.error());
  if (found->empty()) return complain({Error::Kind::unavailable, "devices --check: wanted a GPU, found none; docs/gpu.md"});
  bool sound = true;
  for (const Gpu& gpu : *found) {
    const Result<std::vector<GpuCheck>> checks = check_gpu(gpu.id);
    if (!checks) return complain(checks.error());
    fmt::print("{} {}\n", gpu.id, gpu.name);
    for (const GpuCheck& check : *checks) {
      sound = sound && check.sound;
      fmt::print("  {:<6} {:<50} {:.3f} of what rounding explains{}{}\n", check.sound ? "sound" : "WRONG", check.name,
                 check.error, check.fault.empty() ? "" : "; ", check.fault);
    }
  }
  if (sound) return done;
  return complain({Error::Kind::unavailable,
                   "devices --check: wanted what the reference works out, got WRONG above; try another "
                   "driver, or --device cpu"});
}

}  // namespace

void add_devices(CLI::App& program, Action& action) {
  auto json = std::make_shared<bool>(false);
  auto check = std::make_shared<bool>(false);
  CLI::App* command = program.add_subcommand("devices", "List what training may run on");
  command->add_flag("--json", *json, "Print one JSON list as the last line of stdout");
  CLI::Option* judging =
      command->add_flag("--check", *check, "Train small networks on each GPU, and judge every number against this processor");
  if (!built_with_gpu()) judging->group("");  // not offered, and refused in words
  command->callback(
      [json, check, &action] { action = [json, check] { return *check ? check_devices() : print_devices(*json); }; });
}

}  // namespace soma::app
