// frames cut short, changed and strange → passed on as they came, unless they are still a whole question.
#include "inkernel/packet.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "core/random.h"
#include "inkernel/frame.h"
#include "inkernel/inputs.h"
#include "inkernel/random_program.h"
#include "inkernel/system.h"
#include "inkernel/vm.h"

namespace soma::test {
namespace {

using namespace bpf;

constexpr std::uint16_t kPort = 9000;

/// A program in the machine of the tests, and in the kernel where that is allowed.
class Subject {
 public:
  Subject() {
    const IntegerProgram program = random_program(1);
    inputs_ = program.inputs();
    outputs_ = program.outputs();
    InputTables tables = input_tables({}, {inputs_}, program, 1).value();
    const Prepared prepared = prepare(program, tables, 5).value();
    const Code code = xdp_program(prepared.layout, kPort, Ending::answer);
    machine_.emplace(code, prepared.image, prepared.layout.scratch);
    auto scratch = create_scratch_map(prepared.layout.scratch);
    if (!scratch) {
      std::fprintf(stderr, "SKIPPED in the kernel, run in the machine only: %s\n", scratch.error().message.c_str());
      return;
    }
    scratch_ = std::move(*scratch);
    inner_ = create_image_map(prepared.image).value();
    outer_ = create_outer_map(inner_).value();
    buckets_ = create_buckets_map(1).value();
    counters_ = create_counters_map().value();
    const int maps[] = {outer_.get(), scratch_.get(), buckets_.get(), counters_.get()};
    kernel_.emplace(load_program(code, maps, "soma_packets").value());
  }

  std::vector<std::uint8_t> question(bool ipv6, std::uint16_t port = kPort) const {
    const std::vector<std::uint8_t> values = random_bytes(9, inputs_);
    return make_frame(make_question(ValueType::byte, values, 3, outputs_), port, ipv6);
  }

  enum class Fate { answered, passed, broken };
  /// Machine and kernel agree, a frame that is passed on is what came, and one that is answered is whole.
  Fate fate_of(const std::vector<std::uint8_t>& frame) {
    std::vector<std::uint8_t> in_machine = frame;
    const Ran ran = machine_->run(in_machine);
    if (!ran.problem.empty()) return Fate::broken;
    const Fate fate = judge(ran.result, in_machine, frame);
    if (!kernel_ || frame.size() < 14) return fate;
    std::vector<std::uint8_t> in_kernel = frame;
    const auto result = test_run(*kernel_, in_kernel, 1);
    if (!result || result->result != ran.result || in_kernel != in_machine) return Fate::broken;
    return fate;
  }

 private:
  static Fate judge(std::uint64_t result, const std::vector<std::uint8_t>& after, const std::vector<std::uint8_t>& before) {
    if (result == kXdpPass) return after == before ? Fate::passed : Fate::broken;
    const auto payload = payload_of(after);
    return result == kXdpTransmit && after.size() <= before.size() && payload && read_answer(*payload) ? Fate::answered
                                                                                                       : Fate::broken;
  }

  std::int64_t inputs_ = 0, outputs_ = 0;
  std::optional<Machine> machine_;
  Descriptor scratch_, inner_, outer_, buckets_, counters_;
  std::optional<Descriptor> kernel_;
};

TEST(Packets, WholeQuestionsAreAnswered) {
  Subject subject;
  for (const bool ipv6 : {false, true}) {
    EXPECT_EQ(subject.fate_of(subject.question(ipv6)), Subject::Fate::answered);
    auto padded = subject.question(ipv6);  // Ethernet fills up short frames
    padded.resize(padded.size() + 7);
    EXPECT_EQ(subject.fate_of(padded), Subject::Fate::answered);
    EXPECT_EQ(subject.fate_of(subject.question(ipv6, 9001)), Subject::Fate::passed);
  }
}

TEST(Packets, TruncatedOnesArePassedOnUntouched) {
  Subject subject;
  for (const bool ipv6 : {false, true}) {
    const auto whole = subject.question(ipv6);
    for (std::size_t size = 14; size < whole.size(); ++size) {
      const std::vector<std::uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      ASSERT_EQ(subject.fate_of(cut), Subject::Fate::passed) << size;
    }
    // As long as any frame may be, with lengths that say so.
    for (std::size_t size = whole.size(); size <= 1514; size += 50) {
      auto longer = whole;
      longer.resize(size);
      ASSERT_EQ(subject.fate_of(longer), Subject::Fate::answered) << size;
    }
  }
}

TEST(Packets, VlansFragmentsAndOptionsArePassedOn) {
  Subject subject;
  auto vlan = subject.question(false);
  const std::uint8_t tag[] = {0x81, 0x00, 0x00, 0x07};
  vlan.insert(vlan.begin() + 12, std::begin(tag), std::end(tag));
  EXPECT_EQ(subject.fate_of(vlan), Subject::Fate::passed);
  auto fragment = subject.question(false);
  fragment[20] = 0x20;  // more fragments, and the checksum that goes with it
  fragment[24] = static_cast<std::uint8_t>(fragment[24] - 0x20);
  EXPECT_EQ(subject.fate_of(fragment), Subject::Fate::passed);
}

TEST(Packets, MutationsAreAnsweredOnlyWhereNothingIsWrong) {
  Subject subject;
  int answered = 0;
  for (std::uint64_t trial = 0; trial < 20'000; ++trial) {
    const bool ipv6 = trial % 2 == 1;
    auto frame = subject.question(ipv6);
    const auto draw = [&](std::uint64_t i) { return random_u32(trial, stream(Stream::test), i); };
    const std::size_t headers = ipv6 ? 62 : 42, at = draw(0) % (headers + 40);
    for (std::uint64_t i = 0; i <= draw(1) % 3; ++i)
      frame[i == 0 ? at : draw(2 + i) % frame.size()] ^= static_cast<std::uint8_t>(1 + draw(5 + i) % 255);
    const auto fate = subject.fate_of(frame);
    ASSERT_NE(fate, Subject::Fate::broken) << trial;
    if (fate != Subject::Fate::answered) continue;
    ++answered;
    // Addresses, the source port, the UDP checksum (a local one is partial), traffic class, hop limit: nothing that a message
    // means. The rest of an IPv4 header is under its checksum.
    const std::vector<std::uint8_t> whole = subject.question(ipv6);
    for (std::size_t i = 0; i < frame.size(); ++i) {
      if (frame[i] == whole[i]) continue;
      const std::size_t ip = i - 14, udp = i - (ipv6 ? 54 : 34);
      const bool free = i < 12 || (ipv6 && i >= 14 && (ip < 4 || ip == 7 || (ip >= 8 && ip < 40))) || (udp < 2 && i >= 34) ||
                        (udp >= 6 && udp < 8 && i >= 34) || (i >= headers + 40);
      EXPECT_TRUE(free) << "byte " << i << ", trial " << trial;
    }
  }
  EXPECT_GT(answered, 100);  // else nothing was shown
}

TEST(Packets, OneSourceIsAnsweredSoOftenAndNoMore) {
  const IntegerProgram program = random_program(1);
  const Prepared prepared = prepare(program, input_tables({}, {program.inputs()}, program, 1).value(), 5).value();
  Machine machine(xdp_program(prepared.layout, kPort, Ending::answer, rate_of(1000)), prepared.image, prepared.layout.scratch);
  const auto question = make_question(ValueType::byte, random_bytes(9, program.inputs()), 3, program.outputs());
  const auto answered = [&](std::uint8_t last, int count) {
    int all = 0;
    for (int i = 0; i < count; ++i) {
      auto frame = make_frame(question, kPort, true);
      frame[29] = last;  // of the network of the source
      const Ran ran = machine.run(frame);
      EXPECT_TRUE(ran.result == kXdpTransmit || ran.result == kXdpDrop);
      all += ran.result == kXdpTransmit ? 1 : 0;
    }
    return all;
  };
  EXPECT_EQ(answered(1, 100), 11);  // 10 ms at once, with both ends
  EXPECT_EQ(answered(2, 5), 5);     // another source
  machine.now += 3'000'000;
  EXPECT_EQ(answered(1, 100), 3);
}

}  // namespace
}  // namespace soma::test
