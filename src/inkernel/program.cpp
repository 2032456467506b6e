// an int8 model → a program in the kernel that answers for it, checked against the interpreter before anybody may ask.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "inkernel/compiled.h"
#include "inkernel/frame.h"
#include "inkernel/running.h"
#include "integer/executor.h"
#include "soma/kernel.h"

namespace soma {

using namespace bpf;

namespace {

constexpr int kRounds = 20;

}  // namespace

Result<std::uint32_t> kernel_model_tag(const Model& model, double int16_units) {
  const auto compiled = compile(model, {.max_products = kMostKernelProducts, .int16_units = int16_units});
  if (!compiled) return compiled.error();
  return compiled->tag;
}

struct KernelProgram::State {
  KernelOptions options;
  Compiled compiled;
  Loaded loaded;
  std::optional<Loaded> measured;  // the program that leaves its frame as it is
  std::optional<Descriptor> link;
  std::string warning;
};

KernelProgram::KernelProgram(std::unique_ptr<State> state) : state_(std::move(state)) {}
KernelProgram::KernelProgram(KernelProgram&&) noexcept = default;
KernelProgram& KernelProgram::operator=(KernelProgram&&) noexcept = default;
KernelProgram::~KernelProgram() = default;

Result<KernelProgram> KernelProgram::load(const Model& model, const KernelOptions& options) {
  auto compiled = compile(model, options);
  if (!compiled) return compiled.error();
  auto loaded = load_into_kernel(*compiled, compiled->code);
  if (!loaded) return loaded.error();
  if (const auto checked = check(*compiled, loaded->program, options.port); !checked) return checked.error();
  auto counted = read_map(loaded->counters);
  if (!counted) return counted.error();
  std::fill(counted->begin(), counted->end(), 0);
  if (const auto cleared = write_map(loaded->counters, *counted); !cleared) return cleared.error();
  return KernelProgram(std::make_unique<State>(State{options, std::move(*compiled), std::move(*loaded), {}, {}, {}}));
}

Result<KernelAnswer> KernelProgram::ask(ValueType type, std::span<const std::uint8_t> values) {
  return ask_program(state_->loaded.program, state_->options.port, state_->compiled.prepared.layout, type, values);
}

Result<std::vector<std::uint8_t>> KernelProgram::run(std::vector<std::uint8_t>& frame) {
  const auto ran = test_run(state_->loaded.program, frame, 1);
  if (!ran) return ran.error();
  return ran->result == kXdpTransmit ? frame : std::vector<std::uint8_t>();
}

Result<KernelTiming> KernelProgram::time(ValueType type, std::span<const std::uint8_t> values, std::uint32_t repeat) {
  const Compiled& compiled = state_->compiled;
  if (!state_->measured) {
    auto loaded = load_into_kernel(
        compiled, xdp_program(compiled.prepared.layout, state_->options.port, Ending::measure, {}, form_of(state_->options)));
    if (!loaded) return loaded.error();
    state_->measured = std::move(*loaded);
  }
  if (const auto whole = ask(type, values); !whole) return whole.error();
  auto frame = make_frame(make_question(type, values, 1, compiled.prepared.layout.outputs), state_->options.port);
  const auto facts = facts_of(state_->loaded.program);
  if (!facts) return facts.error();
  KernelTiming timing{0, 0, std::ssize(compiled.code.instructions), facts->verified_instructions, facts->jited_bytes};
  auto executor = IntegerExecutor::create(compiled.program, {.max_batch = 1, .threads = 1});
  if (!executor) return executor.error();
  std::vector<float> x(static_cast<std::size_t>(executor->input_size())), y(static_cast<std::size_t>(executor->output_size()));
  for (int round = 0; round < kRounds; ++round) {
    const auto ran = test_run(state_->measured->program, frame, repeat);
    if (!ran) return ran.error();
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint32_t i = 0; i < repeat; ++i) executor->forward(x.data(), y.data(), 1);
    const double user = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() / repeat;
    timing.kernel_ns = round == 0 ? ran->nanoseconds : std::min(timing.kernel_ns, ran->nanoseconds);
    timing.user_ns = round == 0 ? user : std::min(timing.user_ns, user);
  }
  return timing;
}

Result<KernelMode> KernelProgram::attach(const std::string& interface, KernelMode mode, const std::string& pin) {
  State& s = *state_;
  Record record;
  if (pin.size() >= sizeof(record.pin))
    return Error{Error::Kind::usage,
                 fmt::format("kernel: {}: wanted a path of at most {} bytes; try a shorter one", pin, sizeof(record.pin) - 1)};
  interface.copy(static_cast<char*>(record.interface), sizeof(record.interface) - 1);
  pin.copy(static_cast<char*>(record.pin), sizeof(record.pin) - 1);
  record.process = static_cast<std::uint32_t>(::getpid());
  record.port = s.options.port;
  record.questions_per_second = s.options.questions_per_second;
  record.int16_units = s.options.int16_units;
  record.streams = s.options.streams;
  const auto link = [&](KernelMode wanted) -> Result<void> {
    record.place = wanted == KernelMode::native ? Place::native : Place::generic;
    if (const auto written = write_record(s.loaded.buckets, record); !written) return written.error();
    auto made = link_xdp(s.loaded.program, interface, wanted == KernelMode::native ? kNative : kGeneric);
    if (!made) return made.error();
    if (!pin.empty())
      if (const auto pinned = pin_link(*made, pin); !pinned) return pinned.error();
    s.link = std::move(*made);
    mode = wanted;
    return {};
  };
  const bool veth = driver_of(interface) == "veth";
  if (mode == KernelMode::native && veth)
    s.warning = fmt::format("kernel: {}: native on veth: answers are lost unless the other end has an XDP program or NAPI too",
                            interface);
  if (mode == KernelMode::automatic && !veth && link(KernelMode::native)) return mode;
  if (const auto linked = link(mode == KernelMode::native ? mode : KernelMode::generic); !linked) return linked.error();
  return mode;
}

std::string KernelProgram::warning() const { return state_->warning; }

bool KernelProgram::attached() const {
  if (!state_->link) return false;
  const auto facts = facts_of_link(*state_->link);
  return facts && facts->interface_index != 0;
}

Result<KernelSwap> KernelProgram::swap(const Model& model) {
  State& s = *state_;
  auto compiled = compile(model, s.options);
  if (!compiled) return compiled.error();
  if (s.link) {
    const auto at = facts_of_link(*s.link);
    if (!at) return at.error();
    const auto own = facts_of(s.loaded.program);
    if (!own) return own.error();
    if (at->program != own->id) {  // another process has swapped
      auto running = running_at(at->id);
      if (!running) return running.error();
      s.loaded = std::move(running->loaded);
    }
  }
  const auto swapped = replace(s.loaded, s.link ? &*s.link : nullptr, *compiled, s.options.port);
  if (!swapped) return swapped;
  s.compiled = std::move(*compiled);
  s.measured.reset();
  return swapped;
}

Result<KernelCounters> KernelProgram::counters() const {
  const auto words = read_counters(state_->loaded.counters);
  if (!words) return words.error();
  return counters_of(*words);
}

std::int64_t KernelProgram::products() const { return state_->compiled.program.products(); }
std::uint32_t KernelProgram::model_tag() const { return state_->compiled.tag; }

}  // namespace soma
