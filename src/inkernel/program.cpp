// an int8 model → a program in the kernel that answers for it, checked against the interpreter before anybody may ask.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "core/random.h"
#include "inkernel/frame.h"
#include "inkernel/inputs.h"
#include "inkernel/packet.h"
#include "inkernel/system.h"
#include "integer/executor.h"
#include "integer/interpreter.h"
#include "model/check.h"
#include "soma/kernel.h"

namespace soma {

using namespace bpf;

namespace {

constexpr int kChecks = 100, kRounds = 20;

std::uint32_t tag_of(std::span<const std::uint8_t> image) {
  std::uint32_t hash = 2166136261;  // FNV-1a
  for (const std::uint8_t byte : image) hash = (hash ^ byte) * 16777619;
  return hash == 0 ? 1 : hash;
}

struct Compiled {
  IntegerProgram program;
  InputTables tables;
  Prepared prepared;
  Code code;
  std::uint32_t tag = 0;
  std::string name;
};

Result<Compiled> compile(const Model& model, const KernelOptions& options) {
  if (!model.quantization)
    return Error{Error::Kind::usage,
                 "kernel: wanted a model in 8 bits, got one in real numbers; try soma export --to onnx --int8"};
  if (!model.loss.codes.empty())
    return Error{Error::Kind::usage, "kernel: wanted an output for each class, got one for codes; try soma serve"};
  if (!(options.int16_units > 0) || !std::isfinite(options.int16_units))
    return Error{Error::Kind::usage, fmt::format("kernel: wanted int16 units above 0, got {}; try 10", options.int16_units)};
  if (options.questions_per_second < 1 || options.questions_per_second > 1'000'000'000)
    return Error{Error::Kind::usage,
                 fmt::format("kernel: wanted 1 to 10^9 questions a second, got {}; try 1000000", options.questions_per_second)};
  Compiled made;
  auto program = integer_program(model);
  if (!program) return program.error();
  made.program = std::move(*program);
  made.name = model.name;
  const std::int64_t most = std::min(options.max_products, kMostKernelProducts);
  if (made.program.products() > most)
    return Error{Error::Kind::usage,
                 fmt::format("kernel: wanted at most {} multiply-adds an answer, got {}; try {}", most, made.program.products(),
                             made.program.products() <= kMostKernelProducts ? "--max-macs" : "soma serve")};
  auto tables = input_tables(model.preprocess, model.input, made.program, options.int16_units);
  if (!tables) return tables.error();
  made.tables = std::move(*tables);
  auto prepared = prepare(made.program, made.tables, 0);
  if (!prepared) return prepared.error();
  made.prepared = std::move(*prepared);
  made.tag = tag_of(made.prepared.image);
  std::memcpy(made.prepared.image.data() + made.prepared.layout.tag, &made.tag, sizeof(made.tag));
  made.code = xdp_program(made.prepared.layout, options.port, Ending::answer, rate_of(options.questions_per_second));
  return made;
}

bool same(const Code& a, const Code& b) {
  const auto bytes = [](const Code& code) { return std::as_bytes(std::span(code.instructions)); };
  return std::ranges::equal(bytes(a), bytes(b));
}

/// What the kernel holds of one model.
struct Loaded {
  Descriptor inner, outer, scratch, buckets, program;
};

std::uint64_t random_seed() {
  std::random_device device;
  return static_cast<std::uint64_t>(device()) << 32 | device();
}

Result<Loaded> load_into_kernel(const Compiled& compiled, const Code& code) {
  Loaded loaded;
  const auto take = [](Descriptor& to, Result<Descriptor> made) -> Result<void> {
    if (!made) return made.error();
    to = std::move(*made);
    return {};
  };
  if (auto made = take(loaded.inner, create_image_map(compiled.prepared.image)); !made) return made.error();
  if (auto made = take(loaded.outer, create_outer_map(loaded.inner)); !made) return made.error();
  if (auto made = take(loaded.scratch, create_scratch_map(compiled.prepared.layout.scratch)); !made) return made.error();
  if (auto made = take(loaded.buckets, create_buckets_map(random_seed())); !made) return made.error();
  const int maps[] = {loaded.outer.get(), loaded.scratch.get(), loaded.buckets.get()};
  if (auto made = take(loaded.program, load_program(code, maps, "soma_" + compiled.name)); !made) return made.error();
  return loaded;
}

Result<KernelAnswer> ask_program(const Descriptor& program, std::uint16_t port, const Layout& layout, ValueType type,
                                 std::span<const std::uint8_t> values) {
  if (std::ssize(values) != message::bytes_of(type) * layout.inputs)
    return Error{Error::Kind::usage, fmt::format("kernel: wanted {} values, got {} bytes; try a sample of the model's shape",
                                                 layout.inputs, values.size())};
  auto frame = make_frame(make_question(type, values, 1, layout.outputs), port);
  const auto ran = test_run(program, frame, 1);
  if (!ran) return ran.error();
  if (ran->result != kXdpTransmit)
    return Error{Error::Kind::data, "kernel: wanted an answer, but the program passed the question on; try fewer values"};
  const auto payload = payload_of(frame);
  if (!payload) return payload.error();
  return read_answer(*payload);
}

/// Random bytes through the kernel and through the interpreter.
Result<void> check(const Compiled& compiled, const Descriptor& program, std::uint16_t port) {
  const IntegerProgram& integers = compiled.program;
  const std::int64_t channels = compiled.tables.tables;
  std::vector<std::uint8_t> raw(static_cast<std::size_t>(integers.inputs())), x(raw.size());
  for (std::uint64_t trial = 0; trial < kChecks; ++trial) {
    for (std::size_t i = 0; i < raw.size(); ++i) {
      raw[i] = static_cast<std::uint8_t>(random_u32(trial, stream(Stream::test), i));
      x[i] = compiled.tables.bytes[static_cast<std::size_t>(static_cast<std::int64_t>(i) % channels * 256 + raw[i])];
    }
    const auto answer = ask_program(program, port, compiled.prepared.layout, ValueType::byte, raw);
    if (!answer) return answer.error();
    const auto sums = interpret(integers, x).sums;
    for (std::size_t o = 0; o < sums.size(); ++o)
      if (answer->outputs[o] != static_cast<float>(sums[o]) * integers.output_scales[o])
        return Error{Error::Kind::data,
                     fmt::format("kernel: output {} of a test wanted {}, got {}; try soma serve, and tell us", o,
                                 static_cast<float>(sums[o]) * integers.output_scales[o], answer->outputs[o])};
  }
  return {};
}

}  // namespace

Result<std::uint32_t> kernel_model_tag(const Model& model) {
  const auto compiled = compile(model, {.max_products = kMostKernelProducts});
  if (!compiled) return compiled.error();
  return compiled->tag;
}

struct KernelProgram::State {
  KernelOptions options;
  Compiled compiled;
  Loaded loaded;
  std::optional<Loaded> measured;  // the program that leaves its frame as it is
  std::optional<Descriptor> link;
  KernelCounters before;  // of programs that were swapped out
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
    auto loaded = load_into_kernel(compiled, xdp_program(compiled.prepared.layout, state_->options.port, Ending::measure));
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

Result<KernelMode> KernelProgram::attach(const std::string& interface, KernelMode mode) {
  const bool veth = driver_of(interface) == "veth";
  if (mode == KernelMode::automatic) {
    // On veth answers of a native program are lost unless the other end has one too.
    if (!veth) {
      auto native = link_xdp(state_->loaded.program, interface, kNative);
      if (native) {
        state_->link = std::move(*native);
        return KernelMode::native;
      }
    }
    mode = KernelMode::generic;
  }
  auto link = link_xdp(state_->loaded.program, interface, mode == KernelMode::native ? kNative : kGeneric);
  if (!link) return link.error();
  state_->link = std::move(*link);
  return mode;
}

Result<void> KernelProgram::swap(const Model& model) {
  State& s = *state_;
  auto compiled = compile(model, s.options);
  if (!compiled) return compiled.error();
  auto loaded = load_into_kernel(*compiled, compiled->code);
  if (!loaded) return loaded.error();
  if (const auto checked = check(*compiled, loaded->program, s.options.port); !checked) return checked.error();
  const bool same_code =
      same(compiled->code, s.compiled.code) && compiled->prepared.image.size() == s.compiled.prepared.image.size();
  if (same_code) {
    if (const auto set = set_inner(s.loaded.outer, loaded->inner); !set) return set.error();
    s.loaded.inner = std::move(loaded->inner);
  } else {
    if (s.link)
      if (const auto updated = update_link(*s.link, loaded->program); !updated) return updated.error();
    if (const auto counted = counters()) s.before = *counted;
    s.loaded = std::move(*loaded);
  }
  s.compiled = std::move(*compiled);
  s.measured.reset();
  return {};
}

Result<KernelCounters> KernelProgram::counters() const {
  const auto parts = read_scratch(state_->loaded.scratch, state_->compiled.prepared.layout.scratch);
  if (!parts) return parts.error();
  KernelCounters all = state_->before;
  for (const auto& part : *parts) {
    const auto word = [&](std::int64_t at) {
      std::uint64_t value = 0;
      std::memcpy(&value, part.data() + at, sizeof(value));
      return value;
    };
    all.answered += word(kAnswered);
    all.passed += word(kPassed);
    all.limited += word(kLimited);
  }
  return all;
}

std::int64_t KernelProgram::products() const { return state_->compiled.program.products(); }
std::uint32_t KernelProgram::model_tag() const { return state_->compiled.tag; }

}  // namespace soma
