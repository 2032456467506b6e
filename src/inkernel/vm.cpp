// bytecode + maps + a frame → what the program does with it, in user space: tests without privileges run what the kernel would.
#include "inkernel/vm.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "inkernel/classifier_program.h"
#include "inkernel/packet.h"

namespace soma::bpf {
namespace {

constexpr std::int64_t kStack = 512, kMostSteps = 400'000'000;
constexpr std::uint64_t kFailed = ~std::uint64_t{0};

std::uint64_t address_of(const void* p) { return std::bit_cast<std::uint64_t>(p); }

std::int64_t bytes_of(std::uint8_t code) {
  switch (static_cast<Size>(code & 0x18)) {
    case Size::word:
      return 4;
    case Size::half:
      return 2;
    case Size::byte:
      return 1;
    default:
      return 8;
  }
}

std::uint64_t compute(Alu op, std::uint64_t a, std::uint64_t b) {
  switch (op) {
    case Alu::add:
      return a + b;
    case Alu::sub:
      return a - b;
    case Alu::mul:
      return a * b;
    case Alu::div:
      return b == 0 ? 0 : a / b;
    case Alu::mod:
      return b == 0 ? a : a % b;
    case Alu::bit_or:
      return a | b;
    case Alu::bit_and:
      return a & b;
    case Alu::bit_xor:
      return a ^ b;
    case Alu::lsh:
      return a << (b & 63);
    case Alu::rsh:
      return a >> (b & 63);
    case Alu::arsh:
      return static_cast<std::uint64_t>(static_cast<std::int64_t>(a) >> (b & 63));
    case Alu::mov:
      return b;
  }
  return kFailed;
}

bool holds(Jump condition, std::uint64_t a, std::uint64_t b) {
  switch (condition) {
    case Jump::always:
      return true;
    case Jump::eq:
      return a == b;
    case Jump::ne:
      return a != b;
    case Jump::gt:
      return a > b;
    case Jump::ge:
      return a >= b;
    case Jump::lt:
      return a < b;
    case Jump::le:
      return a <= b;
  }
  return false;
}

}  // namespace

Machine::Machine(Code code, std::vector<std::uint8_t> image, std::int64_t scratch, StreamSizes streams)
    : code_(std::move(code)),
      stream_(streams),
      image_(std::move(image)),
      scratch_(static_cast<std::size_t>(scratch)),
      buckets_(static_cast<std::size_t>(kBucketBytes)),
      counters_(static_cast<std::size_t>(kCounterBytes)),
      stack_(kStack) {
  constexpr std::uint64_t kAnyOdd = 0x9e3779b97f4a7c15;
  std::memcpy(buckets_.data() + kSeed, &kAnyOdd, sizeof(kAnyOdd));
}

bool Machine::inside(std::uint64_t at, std::int64_t bytes) const {
  const auto memories = {&image_, &scratch_, &buckets_, &counters_, &stack_};
  const auto holds = [&](const std::vector<std::uint8_t>& memory) {
    const std::uint64_t begin = address_of(memory.data());
    return at >= begin && at + static_cast<std::uint64_t>(bytes) <= begin + memory.size();
  };
  const std::uint64_t context = address_of(context_.data());
  if (at >= context && at + static_cast<std::uint64_t>(bytes) <= context + context_.size()) return true;
  return std::any_of(memories.begin(), memories.end(), [&](const auto* memory) { return holds(*memory); }) ||
         std::any_of(streams_.begin(), streams_.end(), [&](const auto& each) { return holds(each.second); });
}

std::uint64_t Machine::help(Helper helper, std::uint64_t* r, std::vector<std::uint8_t>& frame, std::string& problem) {
  const auto bytes = [&](std::uint64_t at, std::uint64_t count) {
    if (!inside(at, static_cast<std::int64_t>(count))) problem = "a helper reaches memory that is not the program's";
    return std::bit_cast<std::uint8_t*>(at);
  };
  const bool of_packets = helper == Helper::xdp_get_buff_len || helper == Helper::xdp_load_bytes ||
                          helper == Helper::xdp_store_bytes || helper == Helper::xdp_adjust_tail ||
                          helper == Helper::skb_load_bytes_relative;
  if (of_packets && r[1] != address_of(context_.data())) problem = "a helper wants the context";
  const auto copy_of = [&](std::uint64_t at, std::int64_t size) {
    const std::uint8_t* from = bytes(at, static_cast<std::uint64_t>(size));
    return problem.empty() ? std::vector<std::uint8_t>(from, from + size) : std::vector<std::uint8_t>();
  };
  const bool streams = r[1] == static_cast<std::uint64_t>(Map::streams);
  switch (helper) {
    case Helper::ktime_get_coarse_ns:
      return now += 1000;
    case Helper::prandom:
      return static_cast<std::uint32_t>(now += 0x9e3779b9);
    case Helper::map_update: {
      if (!streams || r[4] != 0) problem = "no such map to write to";
      auto key = copy_of(r[2], stream_.key), value = copy_of(r[3], stream_.value);
      if (problem.empty()) streams_[std::move(key)] = std::move(value);
      return 0;
    }
    case Helper::map_lookup: {
      if (streams) {
        const auto found = streams_.find(copy_of(r[2], stream_.key));
        return found == streams_.end() ? 0 : address_of(found->second.data());
      }
      const auto key = bytes(r[2], 4);
      std::uint32_t value = 1;
      if (problem.empty()) std::memcpy(&value, key, sizeof(value));
      // The outer map of models holds one map, which is what its number stands for here.
      const bool outer = r[1] == static_cast<std::uint64_t>(Map::model);
      if (value != 0) return 0;
      if (outer) return address_of(&image_);
      if (r[1] == address_of(&image_)) return address_of(image_.data());
      if (r[1] == static_cast<std::uint64_t>(Map::scratch)) return address_of(scratch_.data());
      if (r[1] == static_cast<std::uint64_t>(Map::buckets)) return address_of(buckets_.data());
      if (r[1] == static_cast<std::uint64_t>(Map::counters)) return address_of(counters_.data());
      problem = "no such map";
      return 0;
    }
    case Helper::ktime_get_ns:
      return now += 1000;
    case Helper::skb_load_bytes_relative: {  // from the network header, which is behind Ethernet's
      std::uint8_t* memory = bytes(r[3], r[4]);
      if (r[5] != 1) problem = "another header than the network's";
      if (!problem.empty() || r[2] + r[4] + kEthernet > frame.size()) return kFailed;
      std::memcpy(memory, frame.data() + kEthernet + r[2], r[4]);
      return 0;
    }
    case Helper::xdp_get_buff_len:
      return frame.size();
    case Helper::xdp_load_bytes:
    case Helper::xdp_store_bytes: {
      std::uint8_t* memory = bytes(r[3], r[4]);
      if (!problem.empty() || r[2] + r[4] > frame.size()) return kFailed;
      std::uint8_t* packet = frame.data() + r[2];
      std::memcpy(helper == Helper::xdp_load_bytes ? memory : packet, helper == Helper::xdp_load_bytes ? packet : memory, r[4]);
      return 0;
    }
    case Helper::xdp_adjust_tail: {
      const auto size = std::ssize(frame) + static_cast<std::int32_t>(r[2]);
      if (size < 14 || size > std::ssize(frame)) return kFailed;
      frame.resize(static_cast<std::size_t>(size));
      return 0;
    }
    default:
      problem = "an unknown helper";
      return 0;
  }
}

Ran Machine::run(std::vector<std::uint8_t>& frame) { return go(address_of(context_.data()), frame); }

Ran Machine::classify(const std::vector<std::uint8_t>& frame, std::uint64_t nanoseconds) {
  std::memcpy(context_.data() + kProtocol, frame.data() + 12, 2);
  std::memcpy(context_.data() + kTime, &nanoseconds, sizeof(nanoseconds));
  std::vector<std::uint8_t> copy = frame;
  return go(address_of(context_.data()), copy);
}

Ran Machine::call(std::uint64_t arguments) {
  std::vector<std::uint8_t> no_frame;
  return go(arguments, no_frame);
}

Ran Machine::go(std::uint64_t first, std::vector<std::uint8_t>& frame) {
  std::uint64_t r[11] = {};
  r[r1] = first;
  r[r10] = address_of(stack_.data() + kStack);
  Ran ran;
  const auto count = std::ssize(code_.instructions);
  std::int64_t steps = 0;
  for (std::int64_t at = 0;; ++at) {
    const auto stop = [&](std::string_view what) {
      ran.problem = fmt::format("instruction {}: {}", at, what);
      return ran;
    };
    if (at < 0 || at >= count) return stop("outside the program");
    if (++steps > kMostSteps) return stop("a turn too many");
    const Instruction& in = code_.instructions[static_cast<std::size_t>(at)];
    std::uint64_t& to = r[in.to() > 10 ? 0 : in.to()];
    const auto immediate = static_cast<std::uint64_t>(std::int64_t{in.immediate});
    const std::uint64_t operand = (in.code & kFromRegister) != 0 ? r[in.from()] : immediate;
    if (in.code == kExit) {
      ran.result = r[r0];
      return ran;
    }
    if (in.code == kMayGoto) continue;
    if (in.code == kCall) {
      std::string problem;
      r[r0] = help(static_cast<Helper>(in.immediate), r, frame, problem);
      if (!problem.empty()) return stop(problem);
      for (int i = 1; i <= 5; ++i) r[i] = 0xdeaddeaddeaddead;  // a call keeps r6 to r9 only
    } else if (in.code == kLoadWide) {
      const auto high =
          static_cast<std::uint64_t>(static_cast<std::uint32_t>(code_.instructions[static_cast<std::size_t>(++at)].immediate));
      to = static_cast<std::uint32_t>(in.immediate) | high << 32;
      if (in.from() == kMapSource && to == static_cast<std::uint64_t>(Map::image)) to = address_of(image_.data());
    } else if (in.code == kAluEnd) {
      to = (to & 0xff) << 8 | (to >> 8 & 0xff);
    } else if ((in.code & 7) == kAlu64) {
      to = compute(static_cast<Alu>(in.code >> 4), to, operand);
    } else if ((in.code & 7) == kJump) {
      if (holds(static_cast<Jump>(in.code >> 4), to, operand)) at += in.offset;
    } else {
      const bool load = (in.code & 7) == (kLoad & 7);
      const std::uint64_t base = load ? r[in.from()] : to;
      const std::uint64_t where = base + static_cast<std::uint64_t>(std::int64_t{in.offset});
      const std::int64_t bytes = bytes_of(in.code);
      if ((in.code & 0xe0) != 0x60 || (in.code & 4) != 0) return stop("unknown");
      if (load && base == address_of(context_.data()) && bytes == 4 && (in.offset == 0 || in.offset == 4)) {  // data, data_end
        to = address_of(frame.data()) + (in.offset == 0 ? 0 : frame.size());
        continue;
      }
      const std::uint64_t packet = address_of(frame.data());
      const bool in_packet = where >= packet && where + static_cast<std::uint64_t>(bytes) <= packet + frame.size();
      if (!in_packet && !inside(where, bytes)) return stop("memory that is not the program's");
      auto* memory = std::bit_cast<std::uint8_t*>(where);
      if (load) {
        to = 0;
        std::memcpy(&to, memory, static_cast<std::size_t>(bytes));
      } else {
        const std::uint64_t value = (in.code & 7) == (kStore & 7) ? r[in.from()] : immediate;
        std::memcpy(memory, &value, static_cast<std::size_t>(bytes));
      }
    }
  }
}

}  // namespace soma::bpf
