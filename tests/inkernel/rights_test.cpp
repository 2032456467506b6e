// a thread without some capabilities → the sentence that names them, or the same answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "inkernel/capabilities.h"
#include "inkernel/frame.h"
#include "inkernel/inputs.h"
#include "inkernel/packet.h"
#include "inkernel/random_program.h"
#include "inkernel/system.h"
#include "inkernel/vm.h"

namespace soma::test {
namespace {

using namespace bpf;

constexpr std::uint16_t kPort = 9000;

/// A whole model into the kernel and one question through it: the frame that comes back, or what was refused.
Result<std::vector<std::uint8_t>> asked_in_kernel(const Prepared& prepared, const Code& code, std::vector<std::uint8_t> frame) {
  const auto inner = create_image_map(prepared.image);
  if (!inner) return inner.error();
  const auto outer = create_outer_map(*inner);
  if (!outer) return outer.error();
  const auto scratch = create_scratch_map(prepared.layout.scratch);
  if (!scratch) return scratch.error();
  const auto buckets = create_buckets_map(1), counters = create_counters_map();
  if (!buckets || !counters) return buckets ? counters.error() : buckets.error();
  const auto streams = create_streams_map(4, stream_bytes(prepared.layout.inputs));
  if (!streams) return streams.error();
  const int maps[] = {outer->get(), scratch->get(), buckets->get(), counters->get(), streams->get()};
  const auto program = load_program(code, maps, "soma_rights");
  if (!program) return program.error();
  const auto ran = test_run(*program, frame, 1);
  if (!ran) return ran.error();
  return frame;
}

struct Subject {
  explicit Subject(std::uint64_t seed)
      : program(random_program(seed)),
        prepared(prepare(program, input_tables({}, {program.inputs()}, program, 1).value(), 5).value()),
        code(xdp_program(prepared.layout, kPort, Ending::answer, {}, {.streams = true})),
        question(make_frame(make_question(ValueType::byte, random_bytes(seed, program.inputs()), 3, program.outputs()), kPort)) {}
  IntegerProgram program;
  Prepared prepared;
  Code code;
  std::vector<std::uint8_t> question;
};

TEST(Rights, WhatIsMissingIsNamed) {
  const Subject subject(1);
  EXPECT_TRUE(with_only({}, [&] {
    const auto refused = asked_in_kernel(subject.prepared, subject.code, subject.question);
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(refused.error().message, testing::HasSubstr("CAP_BPF and CAP_NET_ADMIN are missing"));
  }));
}

// Without it the verifier also follows what a processor might guess: its work must not double with every step of that.
TEST(Rights, CapPerfmonIsNotNeeded) {
  const bool had = with_only({kBpf, kNetAdmin}, [&] {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const Subject subject(seed);
      auto expected = subject.question;
      ASSERT_EQ(Machine(subject.code, subject.prepared.image, subject.prepared.layout.scratch).run(expected).result,
                static_cast<std::uint64_t>(kXdpTransmit));
      const auto answered = asked_in_kernel(subject.prepared, subject.code, subject.question);
      ASSERT_TRUE(answered.ok()) << answered.error().message << ", seed " << seed;
      EXPECT_EQ(*answered, expected);
    }
  });
  if (!had)
    GTEST_SKIP() << "SKIPPED, nothing was loaded without CAP_PERFMON: this process has not CAP_BPF and CAP_NET_ADMIN itself";
}

}  // namespace
}  // namespace soma::test
