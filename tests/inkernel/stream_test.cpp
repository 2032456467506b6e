// a stream in pieces, each sent once → the answers that whole windows would get, in the machine of the tests and in the kernel.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "core/random.h"
#include "inkernel/frame.h"
#include "inkernel/packet.h"
#include "inkernel/random_program.h"
#include "inkernel/system.h"
#include "inkernel/vm.h"
#include "integer/interpreter.h"

namespace soma::test {
namespace {

using namespace bpf;

constexpr std::uint16_t kPort = 9000;
constexpr std::uint32_t kTag = 77;

/// Each table its own bytes; numbers as they are.
InputTables tables_of(std::int64_t count) {
  InputTables all, plain = plain_tables();
  all.tables = count;
  for (std::int64_t t = 0; t < count; ++t) {
    for (std::int64_t i = 0; i < 256; ++i) all.bytes.push_back(static_cast<std::uint8_t>(i + 10 * t));
    all.shorts.insert(all.shorts.end(), plain.shorts.begin(), plain.shorts.end());
    all.floats.insert(all.floats.end(), plain.floats.begin(), plain.floats.end());
  }
  return all;
}

/// A program with a map of streams, in both.
class Subject {
 public:
  Subject(const IntegerProgram& program, const InputTables& tables)
      : prepared_(prepare(program, tables, kTag).value()),
        code_(xdp_program(prepared_.layout, kPort, Ending::answer, {}, {.streams = true})),
        machine_(code_, prepared_.image, prepared_.layout.scratch, {kStreamKeyBytes, stream_bytes(program.inputs())}) {
    auto scratch = create_scratch_map(prepared_.layout.scratch);
    if (!scratch) {
      missing = scratch.error().message;
      return;
    }
    maps_.push_back(create_image_map(prepared_.image).value());
    maps_.push_back(create_outer_map(maps_[0]).value());
    maps_.push_back(std::move(*scratch));
    maps_.push_back(create_buckets_map(1).value());
    maps_.push_back(create_counters_map().value());
    maps_.push_back(create_streams_map(64, stream_bytes(program.inputs())).value());
    std::vector<int> maps;
    for (std::size_t i = 1; i < maps_.size(); ++i) maps.push_back(maps_[i].get());
    auto loaded = load_program(code_, maps, "soma_streams");
    EXPECT_TRUE(loaded.ok()) << loaded.error().message;
    if (loaded) kernel_ = std::move(*loaded);
  }

  /// The answer that both give; none when both pass it on.
  std::optional<KernelAnswer> ask(const std::vector<std::uint8_t>& question, bool ipv6, std::uint8_t port) {
    auto frame = make_frame(question, kPort, ipv6);
    frame[ipv6 ? 55 : 35] = port;
    auto in_kernel = frame;
    const Ran ran = machine_.run(frame);
    EXPECT_EQ(ran.problem, "");
    if (kernel_) {
      EXPECT_EQ(test_run(*kernel_, in_kernel, 1).value().result, ran.result);
      EXPECT_EQ(in_kernel, frame);
    }
    if (ran.result != kXdpTransmit) return {};
    return read_answer(payload_of(frame).value()).value();
  }
  std::string missing;

 private:
  Prepared prepared_;
  Code code_;
  Machine machine_;
  std::vector<Descriptor> maps_;
  std::optional<Descriptor> kernel_;
};

TEST(Streams, EqualWholeWindows) {
  int gaps = 0, repeats = 0, steps = 0;
  std::string missing;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const IntegerProgram program = random_program(seed);
    const std::int64_t inputs = program.inputs(), tables = seed % 2 == 0 ? 1 : program.values[0].c;
    Subject subject(program, tables_of(tables));
    missing = subject.missing;
    auto draw = [&, i = std::uint64_t{0}](std::int64_t below) mutable {
      return static_cast<std::int64_t>(random_u32(seed, stream(Stream::test), i++)) % below;
    };
    std::vector<std::uint8_t> all[2];  // of two clients
    bool begun[2] = {};
    for (int turn = 0; turn < 24; ++turn, ++steps) {
      const auto who = static_cast<std::size_t>(draw(2));
      const bool ipv6 = seed % 3 == 0;
      std::vector<std::uint8_t>& sent = all[who];
      const std::int64_t fresh = begun[who] ? std::max<std::int64_t>(1, draw(inputs / tables + 1)) * tables : inputs;
      const auto type = tables == 1 ? static_cast<ValueType>(draw(3)) : ValueType::byte;
      const bool lost = begun[who] && draw(6) == 0;  // a piece that never arrives
      for (std::uint8_t value : random_bytes(seed * 1000 + static_cast<std::uint64_t>(turn), lost ? fresh + tables : fresh))
        sent.push_back(value);
      begun[who] = true;
      const std::vector<std::uint8_t> window(sent.end() - inputs, sent.end());
      std::vector<std::uint8_t> x = window;
      for (std::int64_t i = 0; i < inputs; ++i) x[static_cast<std::size_t>(i)] += static_cast<std::uint8_t>(10 * (i % tables));
      if (type != ValueType::byte) x = window;
      const auto question = [&](std::int64_t values) {
        const std::vector<std::uint8_t> last(window.end() - values, window.end());
        return make_question(type, values_of(type, last), static_cast<std::uint64_t>(turn), program.outputs(),
                             sent.size() - static_cast<std::size_t>(values));
      };
      const auto port = static_cast<std::uint8_t>(who);
      auto answer = subject.ask(question(fresh), ipv6, port);
      ASSERT_TRUE(answer) << "seed " << seed << ", turn " << turn;
      if (lost && fresh < inputs) {
        ++gaps;
        ASSERT_TRUE(answer->outputs.empty()) << "seed " << seed;
        EXPECT_EQ(answer->label, -1);
        answer = subject.ask(question(inputs), ipv6, port);
      }
      const auto sums = interpret(program, x).sums;
      std::vector<float> expected;
      for (std::size_t o = 0; o < sums.size(); ++o) expected.push_back(static_cast<float>(sums[o]) * program.output_scales[o]);
      ASSERT_EQ(answer->outputs, expected) << "seed " << seed << ", turn " << turn << ", fresh " << fresh << " of " << inputs;
      if (draw(4) == 0 && fresh < inputs && !lost) {  // its answer was lost: asked again
        ++repeats;
        ASSERT_EQ(subject.ask(question(fresh), ipv6, port)->outputs, expected);
      }
    }
  }
  if (!missing.empty()) std::fprintf(stderr, "SKIPPED in the kernel, run in the machine only: %s\n", missing.c_str());
  EXPECT_GT(gaps, 20);
  EXPECT_GT(repeats, 20);
}

TEST(Streams, PiecesThatAreNoneArePassedOn) {
  const IntegerProgram program = random_program(1);
  Subject subject(program, tables_of(1));
  const auto inputs = program.inputs();
  for (const std::int64_t count : {std::int64_t{0}, inputs + 1})
    EXPECT_FALSE(subject.ask(make_question(ValueType::byte, random_bytes(1, count), 1, 300, 0), false, 1)) << count;
  const auto fewer = make_question(ValueType::byte, random_bytes(1, inputs - 1), 1, 300);  // and no stream
  EXPECT_FALSE(subject.ask(fewer, false, 1));
  auto changed = make_question(ValueType::byte, random_bytes(1, inputs), 1, 300, 0);
  changed.back() ^= 1;  // behind the values: not covered
  EXPECT_TRUE(subject.ask(changed, false, 1));
  changed[40] ^= 1;
  EXPECT_FALSE(subject.ask(changed, false, 1));
}

}  // namespace
}  // namespace soma::test
