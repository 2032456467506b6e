// what a process left in the maps of its program → that program, for any other process to look at and to change.
#include "inkernel/running.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>

#include "inkernel/call.h"

namespace soma {
namespace bpf {
namespace {

template <class T>
T number(std::span<const std::uint8_t> image, std::int64_t at) {
  T value{};
  std::memcpy(&value, image.data() + at, sizeof(value));
  return value;
}

Result<Descriptor> inner_of(const Descriptor& outer) {
  const auto id = read_map(outer);
  if (!id) return id.error();
  return map_by_id(number<std::uint32_t>(*id, 0));
}

}  // namespace

Result<void> write_record(const Descriptor& buckets, const Record& record) {
  auto value = read_map(buckets);
  if (!value) return value.error();
  std::memcpy(value->data() + kRecord, &record, sizeof(record));
  return write_map(buckets, *value);
}

KernelCounters counters_of(std::span<const std::uint64_t> words) {
  return {words[kAnswered / 8], words[kPassed / 8], words[kLimited / 8]};
}

Result<KernelSwap> replace(Loaded& now, const Descriptor* link, const Compiled& compiled, std::uint16_t port) {
  auto trial = load_into_kernel(compiled, compiled.code);
  if (!trial) return trial.error();
  if (const auto checked = check(compiled, trial->program, port); !checked) return checked.error();
  const auto before = read_map(now.inner);
  if (!before) return before.error();
  const std::vector<std::uint8_t>& image = compiled.prepared.image;
  if (before->size() == image.size() && number<std::uint64_t>(*before, kCodeHash) == number<std::uint64_t>(image, kCodeHash)) {
    if (const auto set = set_inner(now.outer, trial->inner); !set) return set.error();
    now.inner = std::move(trial->inner);
    return KernelSwap::weights;
  }
  const int maps[] = {trial->outer.get(), trial->scratch.get(), now.buckets.get(), now.counters.get(), trial->streams.get()};
  auto program = load_program(compiled.code, maps, "soma_" + compiled.name);
  if (!program) return program.error();
  if (link != nullptr)
    if (const auto updated = update_link(*link, *program); !updated) return updated.error();
  now.inner = std::move(trial->inner);
  now.outer = std::move(trial->outer);
  now.scratch = std::move(trial->scratch);
  now.streams = std::move(trial->streams);
  now.program = std::move(*program);
  return KernelSwap::program;
}

Result<Running> running_at(std::uint32_t id) {
  const auto none = [&] {
    return Error{Error::Kind::usage,
                 fmt::format("kernel: wanted the id of a program that answers, got {}; try soma kernel list", id)};
  };
  Running running;
  auto link = link_by_id(id);
  if (!link) return link.error().kind == Error::Kind::unavailable ? none() : link.error();
  running.link = std::move(*link);
  const auto facts = facts_of_link(running.link);
  if (!facts) return facts.error();
  if ((facts->type != kLinkXdp && facts->type != kLinkTc) || facts->interface_index == 0) return none();
  auto program = program_by_id(facts->program);
  if (!program) return program.error();
  running.loaded.program = std::move(*program);
  const auto about = facts_of(running.loaded.program);
  if (!about) return about.error();
  for (const std::uint32_t each : about->maps) {
    auto map = map_by_id(each);
    if (!map) return map.error();
    const auto name = facts_of_map(*map);
    if (!name) return name.error();
    if (name->name == kModelName)
      running.loaded.outer = std::move(*map);
    else if (name->name == kScratchName)
      running.loaded.scratch = std::move(*map);
    else if (name->name == kBucketsName)
      running.loaded.buckets = std::move(*map);
    else if (name->name == kCountersName)
      running.loaded.counters = std::move(*map);
  }
  for (const Descriptor* each :
       {&running.loaded.outer, &running.loaded.scratch, &running.loaded.buckets, &running.loaded.counters})
    if (each->get() < 0) return none();
  auto inner = inner_of(running.loaded.outer);
  if (!inner) inner = inner_of(running.loaded.outer);  // it was being swapped
  if (!inner) return inner.error();
  running.loaded.inner = std::move(*inner);
  auto image = read_map(running.loaded.inner);
  if (!image) return image.error();
  running.image = std::move(*image);
  const auto buckets = read_map(running.loaded.buckets);
  if (!buckets) return buckets.error();
  if (std::ssize(running.image) < kImageHead || std::ssize(*buckets) < kBuckets) return none();
  running.record = number<Record>(*buckets, kRecord);
  running.image[kName + kNameBytes - 1] = 0;
  running.record.interface[sizeof(running.record.interface) - 1] = 0;
  running.record.pin[sizeof(running.record.pin) - 1] = 0;
  return running;
}

}  // namespace bpf

using namespace bpf;

Result<std::vector<RunningKernel>> running_kernels() {
  const auto ids = link_ids();
  if (!ids) return ids.error();
  std::vector<RunningKernel> all;
  for (const std::uint32_t id : *ids) {
    const auto running = running_at(id);
    if (!running) continue;  // somebody else's, or just now gone
    RunningKernel each;
    each.id = id;
    each.model = std::bit_cast<const char*>(running->image.data() + kName);
    each.model_tag = number<std::uint32_t>(running->image, kTag);
    each.products = number<std::int64_t>(running->image, kProducts);
    each.interface = static_cast<const char*>(running->record.interface);
    each.mode = running->record.place == Place::native ? KernelMode::native : KernelMode::generic;
    if (running->record.place == Place::ingress) each.tc = "ingress";
    if (running->record.place == Place::egress) each.tc = "egress";
    each.port = running->record.port;
    each.process = running->record.process;
    each.pin = static_cast<const char*>(running->record.pin);
    all.push_back(std::move(each));
  }
  return all;
}

Result<KernelUse> watch_kernel(std::uint32_t id, double seconds) {
  const auto running = running_at(id);
  if (!running) return running.error();
  const auto statistics = enable_statistics();
  if (!statistics) return statistics.error();
  const auto before = facts_of(running->loaded.program);
  if (!before) return before.error();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const auto after = facts_of(running->loaded.program);
  if (!after) return after.error();
  const auto words = read_counters(running->loaded.counters);
  if (!words) return words.error();
  KernelUse use{counters_of(*words), after->runs - before->runs, 0};
  if (use.runs > 0)
    use.run_ns = static_cast<double>(after->run_nanoseconds - before->run_nanoseconds) / static_cast<double>(use.runs);
  return use;
}

Result<KernelSwap> swap_kernel(std::uint32_t id, const Model& model, std::int64_t max_products) {
  auto running = running_at(id);
  if (!running) return running.error();
  const Record& record = running->record;
  if (record.place == Place::ingress || record.place == Place::egress)
    return Error{Error::Kind::usage, "kernel: wanted a program that answers questions, got one at tc; try unload and load"};
  const auto compiled =
      compile(model, {record.port, max_products, record.questions_per_second, record.int16_units, record.streams});
  if (!compiled) return compiled.error();
  return replace(running->loaded, &running->link, *compiled, record.port);
}

Result<void> unload_kernel(std::uint32_t id) {
  const auto running = running_at(id);
  if (!running) return running.error();
  if (const auto detached = detach_link(running->link); !detached) return detached.error();
  const std::string pin = static_cast<const char*>(running->record.pin);
  if (pin.empty()) return {};
  std::error_code error;
  std::filesystem::remove(pin, error);
  if (error)
    return Error{Error::Kind::io, fmt::format("kernel: {}: detached, but the pin stays: {}; try rm", pin, error.message())};
  return {};
}

}  // namespace soma
