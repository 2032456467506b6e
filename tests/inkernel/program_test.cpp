// random networks and inputs → the interpreter, the executor, the bytecode in the machine of the tests and in the kernel say the
// same.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "core/random.h"
#include "inkernel/callable.h"
#include "inkernel/frame.h"
#include "inkernel/packet.h"
#include "inkernel/random_program.h"
#include "inkernel/system.h"
#include "inkernel/vm.h"
#include "integer/executor.h"
#include "integer/interpreter.h"

namespace soma::test {
namespace {

using namespace bpf;

constexpr std::uint16_t kPort = 9000;
constexpr std::uint32_t kTag = 77;

struct Expected {
  std::vector<float> outputs;
  std::int32_t label = 0;
};

Expected expected_of(const IntegerProgram& program, const std::vector<std::uint8_t>& x) {
  Expected all;
  const auto sums = interpret(program, x).sums;
  for (std::size_t o = 0; o < sums.size(); ++o) all.outputs.push_back(static_cast<float>(sums[o]) * program.output_scales[o]);
  all.label = static_cast<std::int32_t>(std::max_element(all.outputs.begin(), all.outputs.end()) - all.outputs.begin());
  return all;
}

void expect_answer(const std::vector<std::uint8_t>& frame, const Expected& expected, std::uint64_t seed) {
  const auto payload = payload_of(frame);
  ASSERT_TRUE(payload.ok()) << payload.error().message << ", seed " << seed;
  const auto answer = read_answer(*payload);
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->outputs, expected.outputs) << "seed " << seed;
  EXPECT_EQ(answer->label, expected.label) << "seed " << seed;
  EXPECT_EQ(answer->model, kTag);
  EXPECT_EQ(answer->id, seed);
}

std::vector<std::uint8_t> question_frame(const IntegerProgram& program, ValueType type, const std::vector<std::uint8_t>& x,
                                         std::uint64_t seed) {
  return make_frame(make_question(type, values_of(type, x), seed, program.outputs()), kPort, seed % 2 == 1);
}

/// Empty where bpf(2) may be used.
std::string why_no_kernel() {
  const auto map = create_scratch_map(8);
  return map ? "" : map.error().message;
}

class RandomNetworks : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomNetworks, AreTheSameBitsEverywhere) {
  const std::string missing = why_no_kernel();
  if (!missing.empty() && GetParam() == 0)
    std::fprintf(stderr, "SKIPPED in the kernel, run in the machine only: %s\n", missing.c_str());
  for (std::uint64_t seed = GetParam() * 125; seed < (GetParam() + 1) * 125; ++seed) {
    const IntegerProgram program = random_program(seed);
    const auto prepared = prepare(program, plain_tables(), kTag);
    ASSERT_TRUE(prepared.ok()) << prepared.error().message << ", seed " << seed;
    const Code code = xdp_program(prepared->layout, kPort, Ending::answer);
    Machine machine(code, prepared->image, prepared->layout.scratch);
    std::vector<std::vector<std::uint8_t>> samples;
    for (std::uint64_t i = 0; i < 3; ++i) samples.push_back(random_bytes(seed * 3 + i, program.inputs()));

    auto executor = IntegerExecutor::create(program, {.max_batch = 1, .threads = 1}).value();
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const Expected expected = expected_of(program, samples[i]);
      std::vector<float> x(samples[i].size()), y(expected.outputs.size());
      for (std::size_t k = 0; k < x.size(); ++k) x[k] = static_cast<float>(samples[i][k] - program.values[0].zero);
      executor.forward(x.data(), y.data(), 1);
      EXPECT_EQ(y, expected.outputs) << "executor, seed " << seed;
      auto frame = question_frame(program, static_cast<ValueType>(i), samples[i], seed);
      const Ran ran = machine.run(frame);
      ASSERT_EQ(ran.problem, "") << "seed " << seed;
      ASSERT_EQ(ran.result, kXdpTransmit) << "seed " << seed;
      expect_answer(frame, expected, seed);
    }
    if (!missing.empty()) continue;
    const auto inner = create_image_map(prepared->image).value();
    const auto outer = create_outer_map(inner).value(), scratch = create_scratch_map(prepared->layout.scratch).value();
    const auto buckets = create_buckets_map(1).value(), counters = create_counters_map().value();
    const int maps[] = {outer.get(), scratch.get(), buckets.get(), counters.get()};
    const auto loaded = load_program(code, maps, "soma_test");
    ASSERT_TRUE(loaded.ok()) << loaded.error().message << ", seed " << seed;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      auto frame = question_frame(program, static_cast<ValueType>(i), samples[i], seed);
      ASSERT_EQ(test_run(*loaded, frame, 1).value().result, kXdpTransmit) << "seed " << seed;
      expect_answer(frame, expected_of(program, samples[i]), seed);
    }
  }
}

// What other people's BPF programs call has no packet around it, and the same bits.
TEST(Callable, IsTheSameBits) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const IntegerProgram program = random_program(seed);
    const auto type = static_cast<ValueType>(seed % 3);
    const Prepared prepared = prepare(program, plain_tables(), kTag, kCallableRaw).value();
    const Callable callable = make_callable(prepared, type);
    Machine machine(callable.code, callable.image, callable.size);
    const std::vector<std::uint8_t> x = random_bytes(seed, program.inputs()), values = values_of(type, x);
    std::copy(values.begin(), values.end(), machine.scratch().begin() + callable.values_at);
    const Ran ran = machine.call(std::bit_cast<std::uint64_t>(machine.scratch().data()));
    ASSERT_EQ(ran.problem, "") << "seed " << seed;
    const Expected expected = expected_of(program, x);
    EXPECT_EQ(static_cast<std::int32_t>(ran.result), expected.label) << "seed " << seed;
    EXPECT_EQ(std::memcmp(machine.scratch().data(), &expected.label, 4), 0) << "seed " << seed;
    EXPECT_EQ(std::memcmp(machine.scratch().data() + 4, expected.outputs.data(), 4 * expected.outputs.size()), 0)
        << "seed " << seed;
    EXPECT_EQ(static_cast<std::int32_t>(machine.call(0).result), -1);
  }
}

// What kernels before 6.9 get; this one has to verify it turn by turn.
TEST(Loops, BoundedOnesSayTheSame) {
  const std::string missing = why_no_kernel();
  if (!missing.empty()) std::fprintf(stderr, "SKIPPED in the kernel, run in the machine only: %s\n", missing.c_str());
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const IntegerProgram program = random_program(seed);
    const Prepared prepared = prepare(program, plain_tables(), kTag).value();
    const Code code = xdp_program(prepared.layout, kPort, Ending::answer, {}, {.loops = Loops::bounded});
    const auto has = [](const Code& each, std::uint8_t what) {
      return std::any_of(each.instructions.begin(), each.instructions.end(),
                         [&](const Instruction& in) { return in.code == what; });
    };
    ASSERT_FALSE(has(code, kMayGoto));
    const std::vector<std::uint8_t> x = random_bytes(seed, program.inputs());
    const auto type = static_cast<ValueType>(seed % 3);
    auto frame = question_frame(program, type, x, seed), in_kernel = frame;
    const Ran ran = Machine(code, prepared.image, prepared.layout.scratch).run(frame);
    ASSERT_EQ(ran.problem, "") << "seed " << seed;
    ASSERT_EQ(ran.result, kXdpTransmit) << "seed " << seed;
    expect_answer(frame, expected_of(program, x), seed);
    if (!missing.empty()) continue;
    const auto inner = create_image_map(prepared.image).value();
    const auto outer = create_outer_map(inner).value(), scratch = create_scratch_map(prepared.layout.scratch).value();
    const auto buckets = create_buckets_map(1).value(), counters = create_counters_map().value();
    const int maps[] = {outer.get(), scratch.get(), buckets.get(), counters.get()};
    const auto loaded = load_program(code, maps, "soma_bounded");
    ASSERT_TRUE(loaded.ok()) << loaded.error().message << ", seed " << seed;
    ASSERT_EQ(test_run(*loaded, in_kernel, 1).value().result, kXdpTransmit) << "seed " << seed;
    EXPECT_EQ(in_kernel, frame) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(A, RandomNetworks, testing::Range(std::uint64_t{0}, std::uint64_t{8}));

}  // namespace
}  // namespace soma::test
