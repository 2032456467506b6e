// a GPU → what a dispatch, a barrier, a submit and a recording cost there, and where the time of a training step goes.
#include <fmt/format.h>

#include <chrono>
#include <span>

#include "gpu/engine.h"
#include "soma/config.h"

namespace soma::gpu {
namespace {

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The shortest of some calls, the first of which does what later ones find done.
double shortest(const auto& work) {
  work();
  double least = seconds_of(work);
  for (int i = 0; i < 4; ++i) least = std::min(least, seconds_of(work));
  return least;
}

/// So many copies of one number: each elsewhere, or each from where the one before left it.
std::vector<Dispatch> copies(std::int64_t count, bool chained) {
  constexpr std::uint32_t kCopy = 4;  // of shaders/elementwise.comp
  std::vector<Dispatch> list;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t from = chained ? 64 * (i % 2) : 0, to = chained ? 64 * ((i + 1) % 2) : 64 * (i + 1);
    list.push_back({Shader::elementwise,
                    {256, kCopy, 1, 0, 0},
                    {Axis{0, 1, 256}, {}, {}},
                    {{Arena::work, from, 64, false}, {}, {}, {Arena::work, to, 64, true}}});
  }
  return list;
}

Result<void> time_dispatches(Device& device) {
  constexpr std::int64_t kCount = 100, kSteps = 100;
  std::array<std::int64_t, kArenas> sizes{};
  sizes[static_cast<std::size_t>(Arena::work)] = 64 * (kCount + 1);
  sizes[static_cast<std::size_t>(Arena::numbers)] = kMostSteps * kUpdateNumbers;
  sizes[static_cast<std::size_t>(Arena::records)] = kMostSteps * kRecordNumbers;
  if (auto made = device.allocate(sizes, false); !made) return made;
  double each[2] = {};
  for (const bool chained : {false, true}) {
    const auto program = device.load(copies(kCount, chained));
    if (!program) return program.error();
    Result<void> failed;
    const auto run = [&](std::int64_t steps) {
      if (auto done = device.run({*program, steps, 1, false, -1}); !done) failed = done;
    };
    const double one = shortest([&] { run(1); });
    const double recorded = seconds_of([&] { run(kSteps); }), many = shortest([&] { run(kSteps); });
    if (!failed) return failed;
    each[chained ? 1 : 0] = (many - one) / static_cast<double>(kCount * (kSteps - 1));
    if (chained) continue;
    fmt::print("submit and wait, {} dispatches   {:9.2f} us\n", kCount, one * 1e6);
    fmt::print("recording a dispatch              {:9.2f} us\n", (recorded - many) / static_cast<double>(kCount * kSteps) * 1e6);
  }
  fmt::print("a dispatch, no barrier            {:9.2f} us\n", each[0] * 1e6);
  fmt::print("a dispatch behind a barrier       {:9.2f} us\n", each[1] * 1e6);
  return {};
}

Result<std::unique_ptr<Device>> time_preset(std::unique_ptr<Device> device, const char* name, Shape input) {
  Config config = preset(name).value();
  config.network.input = std::move(input);
  const bool codes = !config.loss.codes.empty();
  const std::int64_t rows = config.train.batch;
  const Plan plan = make_plan(resolve(config.network, codes ? 1 : 10).value(), rows, PlanFor::training).value();
  Settings settings;
  settings.loss = config.loss;
  if (settings.loss.kind == LossConfig::Kind::automatic) settings.loss.kind = LossConfig::Kind::cross_entropy;
  auto engine = Engine::create(std::move(device), plan, settings, {rows * elements(config.network.input), rows, rows, 0});
  if (!engine) return engine.error();
  for (int warm = 0; warm < 3; ++warm)
    if (auto times = (*engine)->time_step(rows); !times) return times.error();
  const auto times = (*engine)->time_step(rows);
  if (!times) return times.error();
  double sum = 0;
  for (const double each : *times) sum += each;
  fmt::print("{}, batch {}: {:.1f} us between time stamps, which keep neighbours apart\n", name, rows, sum * 1e6);
  for (std::size_t i = 0; i < times->size(); ++i)
    fmt::print("  {:<20} {:9.2f} us\n", name_of((*engine)->program().step[i].shader), (*times)[i] * 1e6);
  return (*engine)->release();
}

Result<void> time_all(std::string_view id, std::string_view only) {
  auto device = Device::open(id);
  if (!device) return device.error();
  fmt::print("{}, driver {}\n", (*device)->about().name, (*device)->about().driver);
  if (auto done = time_dispatches(**device); !done) return done;
  const Shape picture = {1, 28, 28};
  for (const auto& [name, input] : {std::pair{"mnist-mlp", picture}, std::pair{"mnist-cnn", picture},
                                    std::pair{"mnist-lenet", picture}, std::pair{"iris-large", Shape{4}}}) {
    if (!only.empty() && only != name) continue;
    device = time_preset(std::move(*device), name, input);
    if (!device) return device.error();
  }
  return {};
}

}  // namespace
}  // namespace soma::gpu

// gpu_dispatches [DEVICE [PRESET]]
int main(int argc, char** argv) {
  const auto done = soma::gpu::time_all(argc > 1 ? argv[1] : "gpu", argc > 2 ? argv[2] : "");
  if (!done) fmt::print(stderr, "gpu_dispatches: {}\n", done.error().message);
  return done ? 0 : 1;
}
