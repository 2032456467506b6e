// an int8 model → bytecode and image → maps and a program in the kernel, held against the interpreter.
#include "inkernel/compiled.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "core/random.h"
#include "inkernel/frame.h"
#include "inkernel/inputs.h"
#include "integer/interpreter.h"
#include "model/check.h"

namespace soma::bpf {
namespace {

constexpr int kChecks = 100;

/// Fowler, Noll and Vo's hash 1a.
template <class T, class Bytes>
T fnv(T hash, T prime, const Bytes& bytes) {
  for (const auto byte : bytes) hash = (hash ^ static_cast<T>(byte)) * prime;
  return hash;
}

std::uint64_t random_seed() {
  std::random_device device;
  return static_cast<std::uint64_t>(device()) << 32 | device();
}

}  // namespace

Result<Compiled> prepare_model(const Model& model, const KernelOptions& options, std::int64_t raw) {
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
  constexpr std::int64_t kMostStreams = 65536;
  if (options.streams < 0 || options.streams > kMostStreams)
    return Error{Error::Kind::usage,
                 fmt::format("kernel: wanted 0 to {} streams, got {}; try 1024", kMostStreams, options.streams)};
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
  auto prepared = prepare(made.program, made.tables, 0, raw);
  if (!prepared) return prepared.error();
  made.prepared = std::move(*prepared);
  return made;
}

Form form_of(const KernelOptions& options) {
  const bool old = options.loops == KernelLoops::automatic && kernel_version() < std::pair(6, 9);
  Form form;
  if (old || options.loops == KernelLoops::bounded) form.loops = Loops::bounded;
  form.streams = options.streams > 0 && form.loops == Loops::may_goto;
  return form;
}

void seal(Compiled& made, Code code) {
  made.code = std::move(code);
  std::vector<std::uint8_t>& image = made.prepared.image;
  const std::uint32_t sum = fnv<std::uint32_t>(2166136261, 16777619, image);
  made.tag = sum == 0 ? 1 : sum;
  const auto hash = fnv<std::uint64_t>(14695981039346656037U, 1099511628211, std::as_bytes(std::span(made.code.instructions)));
  const std::int64_t products = made.program.products();
  std::memcpy(image.data() + kTag, &made.tag, sizeof(made.tag));
  std::memcpy(image.data() + kCodeHash, &hash, sizeof(hash));
  std::memcpy(image.data() + kProducts, &products, sizeof(products));
  std::copy_n(made.name.begin(), std::min<std::size_t>(made.name.size(), kNameBytes - 1), image.begin() + kName);
}

Result<Compiled> compile(const Model& model, const KernelOptions& options, bool image_beside) {
  auto compiled = prepare_model(model, options, kValues);
  if (!compiled) return compiled;
  Form form = form_of(options);
  form.image_beside = image_beside;
  seal(*compiled,
       xdp_program(compiled->prepared.layout, options.port, Ending::answer, rate_of(options.questions_per_second), form));
  compiled->streams = form.streams ? options.streams : 0;
  return compiled;
}

Result<Loaded> load_into_kernel(const Compiled& compiled, const Code& code) {
  auto buckets = create_buckets_map(random_seed());
  if (!buckets) return buckets.error();
  auto counters = create_counters_map();
  if (!counters) return counters.error();
  return load_into_kernel(compiled, code, std::move(*buckets), std::move(*counters));
}

Result<Loaded> load_into_kernel(const Compiled& compiled, const Code& code, Descriptor buckets, Descriptor counters) {
  Loaded loaded;
  loaded.buckets = std::move(buckets);
  loaded.counters = std::move(counters);
  const auto take = [](Descriptor& to, Result<Descriptor> made) -> Result<void> {
    if (!made) return made.error();
    to = std::move(*made);
    return {};
  };
  if (auto made = take(loaded.inner, create_image_map(compiled.prepared.image)); !made) return made.error();
  if (auto made = take(loaded.outer, create_outer_map(loaded.inner)); !made) return made.error();
  if (auto made = take(loaded.scratch, create_scratch_map(compiled.prepared.layout.scratch)); !made) return made.error();
  if (compiled.streams > 0)
    if (auto made = take(loaded.streams, create_streams_map(compiled.streams, stream_bytes(compiled.prepared.layout.inputs)));
        !made)
      return made.error();
  const int maps[] = {loaded.outer.get(), loaded.scratch.get(), loaded.buckets.get(), loaded.counters.get(),
                      loaded.streams.get()};
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

}  // namespace soma::bpf
