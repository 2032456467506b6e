// a Layout → the XDP program that answers questions about it: from the frame as it came to the frame that goes back.
#include "inkernel/packet.h"

#include <algorithm>
#include <array>

namespace soma::bpf {
namespace {

constexpr std::int64_t kContext = -8, kKey = -16, kMessageAt = -24, kLength = -32, kFrameLength = -40,
                       kSource = -48;                                                   // on the stack
constexpr std::array kTypes = {ValueType::byte, ValueType::int16, ValueType::float32};  // by size
constexpr std::int64_t kFewBytes = 64;           // of values; more are better left to a helper
constexpr std::int64_t kData = 0, kDataEnd = 4;  // of struct xdp_md
constexpr std::int64_t kHead =
    kEthernet + kIpv4 + kUdp + message::kHeader;  // the shortest question; enough to parse both families
constexpr std::int64_t kIp = kFrame + kEthernet;
constexpr std::uint16_t kFragment = 0x3fff, kUdpProtocol = 17;

constexpr std::int32_t network_order(std::uint16_t value) { return (value & 0xff) << 8 | value >> 8; }

class XdpWriter {
 public:
  XdpWriter(const Layout& layout, std::uint16_t port, Ending ending, Rate rate)
      : layout_(layout), port_(port), ending_(ending), rate_(rate), network_(code_, layout, refused_) {}

  Code write() {
    code_.store(Size::dword, r10, kContext, r1);
    code_.store(Size::dword, r10, kKey, 0);
    lookup(Map::scratch);
    code_.mov(r6, r0);
    reach(kHead, pass_);
    copy(0, kFrame, kEthernet + kIpv6 + kUdp);
    const auto v6 = code_.label(), message = code_.label();
    code_.load(Size::half, r1, r6, kFrame + 12);
    code_.jump(Jump::eq, r1, network_order(0x86dd), v6);
    code_.jump(Jump::ne, r1, network_order(0x0800), pass_);
    parse_ipv4();
    code_.go(message);
    code_.place(v6);
    parse_ipv6();
    code_.place(message);
    read_message();
    network_.network();
    write_answer();
    code_.place(refused_);
    count(kPassed);
    code_.place(pass_);
    code_.mov(r0, kXdpPass);
    code_.exit();
    return code_.finish();
  }

 private:
  void count(std::int64_t counter) {
    lookup(Map::counters);
    code_.load(Size::dword, r1, r0, counter);
    code_.add(r1, 1);
    code_.store(Size::dword, r0, counter, r1);
  }

  /// r0 = the value of the map's only key.
  void lookup(Map map) {
    code_.map(r1, map);
    lookup_in_r1();
  }
  void lookup_in_r1() {
    code_.mov(r2, r10);
    code_.add(r2, kKey);
    code_.call(Helper::map_lookup);
    code_.jump(Jump::eq, r0, 0, pass_);
  }

  /// r2 = the frame, which has so many bytes.
  void reach(std::int64_t bytes, Assembler::Label otherwise) {
    code_.load(Size::dword, r1, r10, kContext);
    code_.load(Size::word, r2, r1, kData);
    code_.load(Size::word, r3, r1, kDataEnd);
    code_.mov(r1, r2);
    code_.add(r1, static_cast<std::int32_t>(bytes));
    code_.jump(Jump::gt, r1, r3, otherwise);
  }
  /// Bytes of what r2 points to into the scratch.
  void copy(std::int64_t from, std::int64_t to, std::int64_t bytes) {
    for (std::int64_t at = 0; at < bytes;) {
      const std::int64_t left = bytes - at;
      const auto [size, step] = left >= 8   ? std::pair(Size::dword, 8)
                                : left >= 4 ? std::pair(Size::word, 4)
                                            : std::pair(Size::half, 2);
      code_.load(size, r1, r2, from + at);
      code_.store(size, r6, to + at, r1);
      at += step;
    }
  }

  /// The message from byte `at` of the frame on into the scratch: its header, and its values where they are few.
  void load_message(std::int64_t at) {
    code_.store(Size::dword, r10, kMessageAt, static_cast<std::int32_t>(at));
    reach(at + message::kHeader, refused_);
    copy(at, kMessage, message::kHeader);
    const auto all = code_.label();
    std::int64_t done = 0;
    for (const ValueType type : kTypes) {
      const std::int64_t bytes = message::value_bytes(type, layout_.inputs);
      if (bytes > kFewBytes) break;
      reach(at + message::kHeader + bytes, all);
      copy(at + message::kHeader + done, kValues + done, bytes - done);
      done = bytes;
    }
    code_.place(all);
  }
  /// Values of the message into the scratch, where they are not yet.
  void load_values(std::int64_t bytes) {
    if (bytes <= kFewBytes) return;
    code_.load(Size::dword, r1, r10, kContext);
    code_.load(Size::dword, r2, r10, kMessageAt);
    code_.add(r2, static_cast<std::int32_t>(message::kHeader));
    code_.mov(r3, r6);
    code_.add(r3, static_cast<std::int32_t>(kValues));
    code_.mov(r4, static_cast<std::int32_t>(bytes));
    code_.call(Helper::xdp_load_bytes);
    code_.jump(Jump::ne, r0, 0, refused_);
  }

  /// to = the sum of 16-bit words, folded.
  void fold16(Register sum, Register other) {
    for (int i = 0; i < 3; ++i) {
      code_.mov(other, sum);
      code_.alu(Alu::rsh, other, 16);
      code_.alu(Alu::bit_and, sum, 0xffff);
      code_.add(sum, other);
    }
  }
  void fold32(Register sum, Register other) {
    for (int i = 0; i < 2; ++i) {
      code_.mov(other, sum);
      code_.alu(Alu::rsh, other, 32);
      code_.alu(Alu::lsh, sum, 32);
      code_.alu(Alu::rsh, sum, 32);
      code_.add(sum, other);
    }
  }
  void ip_header_sum() {
    code_.mov(r1, 0);
    for (std::int64_t i = 0; i < kIpv4; i += 2) {
      code_.load(Size::half, r2, r6, kIp + i);
      code_.add(r1, r2);
    }
    fold16(r1, r2);
  }

  void parse_ipv4() {
    const std::int64_t udp = kIp + kIpv4;
    code_.load(Size::half, r1, r6, udp + 2);
    code_.jump(Jump::ne, r1, network_order(port_), pass_);
    code_.load(Size::byte, r1, r6, kIp);
    code_.jump(Jump::ne, r1, 0x45, pass_);
    code_.load(Size::byte, r1, r6, kIp + 9);
    code_.jump(Jump::ne, r1, kUdpProtocol, pass_);
    code_.load(Size::half, r1, r6, kIp + 6);
    code_.alu(Alu::bit_and, r1, network_order(kFragment));
    code_.jump(Jump::ne, r1, 0, pass_);
    ip_header_sum();
    code_.jump(Jump::ne, r1, 0xffff, refused_);
    code_.load(Size::word, r1, r6, kIp + 12);
    code_.store(Size::dword, r10, kSource, r1);
    code_.load(Size::half, r3, r6, kIp + 2);
    code_.swap16(r3);
    code_.alu(Alu::sub, r3, kIpv4);
    lengths(udp, kEthernet + kIpv4);
  }

  void parse_ipv6() {
    const std::int64_t udp = kIp + kIpv6;
    code_.load(Size::half, r1, r6, udp + 2);
    code_.jump(Jump::ne, r1, network_order(port_), pass_);
    code_.load(Size::byte, r1, r6, kIp);
    code_.alu(Alu::rsh, r1, 4);
    code_.jump(Jump::ne, r1, 6, pass_);
    code_.load(Size::byte, r1, r6, kIp + 6);
    code_.jump(Jump::ne, r1, kUdpProtocol, pass_);
    code_.load(Size::dword, r1, r6, kIp + 8);
    code_.store(Size::dword, r10, kSource, r1);
    code_.load(Size::half, r3, r6, kIp + 4);
    code_.swap16(r3);
    lengths(udp, kEthernet + kIpv6);
  }

  /// r3 is what the IP header says is behind it: the UDP header must say the same, and the frame must hold it.
  void lengths(std::int64_t udp, std::int64_t udp_at) {
    code_.load(Size::half, r1, r6, udp + 4);
    code_.swap16(r1);
    code_.jump(Jump::ne, r1, r3, refused_);
    code_.jump(Jump::lt, r1, static_cast<std::int32_t>(kUdp + message::kHeader), refused_);
    code_.mov(r2, r1);
    code_.alu(Alu::sub, r2, kUdp);
    code_.store(Size::dword, r10, kLength, r2);
    code_.add(r1, static_cast<std::int32_t>(udp_at));
    code_.mov(r8, r1);
    code_.load(Size::dword, r1, r10, kContext);
    code_.call(Helper::xdp_get_buff_len);
    code_.store(Size::dword, r10, kFrameLength, r0);
    code_.jump(Jump::lt, r0, r8, refused_);
    load_message(udp_at + kUdp);
  }

  void read_message() {
    code_.load(Size::word, r1, r6, kMessage + message::kMagic);
    code_.jump(Jump::ne, r1, static_cast<std::int32_t>(message::kMagicWord), refused_);
    code_.load(Size::half, r1, r6, kMessage + message::kVersion);
    code_.jump(Jump::ne, r1, message::kFormat | message::kQuestion << 8, refused_);
    code_.load(Size::byte, r1, r6, kMessage + message::kFlags);
    code_.jump(Jump::ne, r1, 0, refused_);
    code_.load(Size::half, r1, r6, kMessage + message::kCount);
    code_.jump(Jump::ne, r1, static_cast<std::int32_t>(layout_.inputs), refused_);
    limit();
    lookup(Map::model);
    code_.mov(r1, r0);
    lookup_in_r1();
    code_.mov(r7, r0);
    const auto ready = code_.label(), any = code_.label();
    code_.load(Size::word, r1, r6, kMessage + message::kModel);
    code_.jump(Jump::eq, r1, 0, any);
    code_.load(Size::word, r2, r7, kTag);
    code_.jump(Jump::ne, r1, r2, refused_);
    code_.place(any);
    for (const ValueType type : kTypes) {
      const std::int64_t bytes = message::value_bytes(type, layout_.inputs);
      if (message::kHeader + bytes > kMostPayload) continue;
      const auto other = code_.label();
      code_.load(Size::byte, r1, r6, kMessage + message::kType);
      code_.jump(Jump::ne, r1, static_cast<std::int32_t>(type), other);
      code_.load(Size::dword, r1, r10, kLength);
      code_.jump(Jump::lt, r1, static_cast<std::int32_t>(message::kHeader + std::max(bytes, 4 * layout_.outputs)), refused_);
      load_values(bytes);
      check(bytes);
      network_.inputs(type);
      code_.go(ready);
      code_.place(other);
    }
    code_.go(refused_);
    code_.place(ready);
  }

  /// A bucket has a time until which its questions are paid for; it may be ahead of now by no more than the burst. Two processors
  /// that change it at once may lose one payment.
  void limit() {
    const auto ahead = code_.label(), limited = code_.label(), ready = code_.label();
    lookup(Map::buckets);
    code_.mov(r8, r0);
    code_.load(Size::dword, r1, r10, kSource);
    code_.load(Size::dword, r2, r8, kSeed);
    code_.alu(Alu::mul, r1, r2);
    code_.alu(Alu::rsh, r1, 64 - kBucketBits);
    code_.alu(Alu::lsh, r1, 3);
    code_.add(r8, r1);
    code_.checkpoint();
    code_.call(Helper::ktime_get_coarse_ns);
    code_.load(Size::dword, r1, r8, kBuckets);
    code_.jump(Jump::gt, r1, r0, ahead);
    code_.mov(r1, r0);
    code_.place(ahead);
    code_.mov(r2, r1);
    code_.alu(Alu::sub, r2, r0);
    code_.jump(Jump::gt, r2, rate_.burst, limited);
    code_.add(r1, rate_.interval);
    code_.store(Size::dword, r8, kBuckets, r1);
    code_.go(ready);
    code_.place(limited);
    count(kLimited);
    code_.mov(r0, kXdpDrop);
    code_.exit();
    code_.place(ready);
  }

  /// Fletcher's sums over the message: r3 and r4.
  void add_word(Register base, std::int64_t at) {
    code_.load(Size::word, r1, base, at);
    code_.add(r3, r1);
    code_.add(r4, r3);
  }
  void header_sums() {
    code_.mov(r3, 0);
    code_.mov(r4, 0);
    for (std::int64_t at = 0; at < message::kSums; at += 4) add_word(r6, kMessage + at);
  }
  void check(std::int64_t bytes) {
    constexpr std::int64_t kAtOnce = 32;
    header_sums();
    // From turn to turn the sums are in memory: as registers their bounds would grow on each, and no two states be alike.
    const auto save = [&] {
      code_.store(Size::dword, r6, kMessageSums, r3);
      code_.store(Size::dword, r6, kMessageSums + 8, r4);
    };
    const auto restore = [&] {
      code_.load(Size::dword, r3, r6, kMessageSums);
      code_.load(Size::dword, r4, r6, kMessageSums + 8);
    };
    if (bytes >= kAtOnce) {
      save();
      network_.loop(bytes / kAtOnce, [&](const Emitter::Loop& part) {
        restore();
        network_.index(r0, part);
        code_.alu(Alu::mul, r0, kAtOnce);
        code_.mov(r8, r6);
        code_.add(r8, r0);
        for (std::int64_t at = 0; at < kAtOnce; at += 4) add_word(r8, kValues + at);
        save();
      });
      restore();
    }
    for (std::int64_t at = bytes / kAtOnce * kAtOnce; at < bytes; at += 4) add_word(r6, kValues + at);
    fold32(r3, r1);
    fold32(r4, r1);
    code_.load(Size::word, r1, r6, kMessage + message::kSums);
    code_.jump(Jump::ne, r1, r3, refused_);
    code_.load(Size::word, r1, r6, kMessage + message::kSums + 4);
    code_.jump(Jump::ne, r1, r4, refused_);
  }

  void write_answer() {
    code_.store(Size::half, r6, kMessage + message::kVersion, message::kFormat | message::kAnswer << 8);
    code_.store(Size::half, r6, kMessage + message::kType, static_cast<std::int32_t>(ValueType::float32));
    code_.load(Size::word, r1, r7, kTag);
    code_.store(Size::word, r6, kMessage + message::kModel, r1);
    code_.store(Size::half, r6, kMessage + message::kCount, static_cast<std::int32_t>(layout_.outputs));
    code_.load(Size::dword, r1, r6, layout_.best);
    code_.alu(Alu::bit_xor, r1, -1);  // 65 535 − what is in the lower half
    code_.store(Size::half, r6, kMessage + message::kClass, r1);
    count(kAnswered);
    const auto v6 = code_.label();
    code_.load(Size::half, r1, r6, kFrame + 12);
    code_.jump(Jump::eq, r1, network_order(0x86dd), v6);
    write_frame(kIpv4);
    code_.place(v6);
    write_frame(kIpv6);
  }

  void swap(Size size, std::int64_t a, std::int64_t b) {
    code_.load(size, r1, r6, a);
    code_.load(size, r2, r6, b);
    code_.store(size, r6, a, r2);
    code_.store(size, r6, b, r1);
  }

  void write_frame(std::int64_t ip) {
    const std::int64_t udp = kIp + ip, to = udp + kUdp, words = layout_.outputs;
    const auto payload = static_cast<std::uint16_t>(message::kHeader + 4 * words);
    const auto length = static_cast<std::uint16_t>(kUdp + payload);
    for (std::int64_t i = 0; i < 6; i += 2) swap(Size::half, kFrame + i, kFrame + 6 + i);
    swap(Size::half, udp, udp + 2);
    const std::int64_t address = ip == kIpv4 ? 12 : 8, address_bytes = ip == kIpv4 ? 4 : 16;
    for (std::int64_t i = 0; i < address_bytes; i += 4) swap(Size::word, kIp + address + i, kIp + address + address_bytes + i);
    if (ip == kIpv4) {
      code_.store(Size::half, r6, kIp + 2, network_order(static_cast<std::uint16_t>(kIpv4 + length)));
      code_.store(Size::byte, r6, kIp + 8, 64);
      code_.store(Size::half, r6, kIp + 10, 0);
      ip_header_sum();
      code_.alu(Alu::bit_xor, r1, 0xffff);
      code_.store(Size::half, r6, kIp + 10, r1);
    } else {
      code_.store(Size::half, r6, kIp + 4, network_order(length));
      code_.store(Size::byte, r6, kIp + 7, 64);
    }
    code_.store(Size::half, r6, udp + 4, network_order(length));
    // The message, with its own sums in r3 and r4, and UDP's in r5: 32-bit words add up to the same as their halves.
    code_.mov(r3, 0);
    code_.mov(r4, 0);
    code_.mov(r5, 0);
    const auto copy = [&](std::int64_t from, std::int64_t at) {
      code_.load(Size::word, r1, r6, from);
      code_.store(Size::word, r6, to + at, r1);
      code_.add(r3, r1);
      code_.add(r4, r3);
      code_.add(r5, r1);
    };
    for (std::int64_t at = 0; at < message::kSums; at += 4) copy(kMessage + at, at);
    for (std::int64_t i = 0; i < words; ++i) copy(layout_.sums + 8 * i, message::kHeader + 4 * i);
    const auto put_sum = [&](Register sum, std::int64_t at) {
      fold32(sum, r1);
      code_.store(Size::word, r6, to + at, sum);
      code_.add(r5, sum);
    };
    put_sum(r3, message::kSums);
    put_sum(r4, message::kSums + 4);
    for (std::int64_t i = 0; i < 2 * address_bytes; i += 4) {
      code_.load(Size::word, r1, r6, kIp + address + i);
      code_.add(r5, r1);
    }
    code_.load(Size::word, r1, r6, udp);
    code_.add(r5, r1);
    code_.add(r5, network_order(kUdpProtocol) + 2 * network_order(length));  // in the pseudo header, and in the UDP header
    fold32(r5, r1);
    fold16(r5, r1);
    code_.alu(Alu::bit_xor, r5, 0xffff);
    const auto not_zero = code_.label();
    code_.jump(Jump::ne, r5, 0, not_zero);
    code_.mov(r5, 0xffff);
    code_.place(not_zero);
    code_.store(Size::half, r6, udp + 6, r5);
    const auto frame = static_cast<std::int32_t>(kEthernet + ip + length);
    if (ending_ == Ending::answer) {
      const auto sent = code_.label();
      code_.load(Size::dword, r1, r10, kContext);
      code_.mov(r2, frame);
      code_.load(Size::dword, r3, r10, kFrameLength);
      code_.alu(Alu::sub, r2, r3);
      code_.call(Helper::xdp_adjust_tail);
      code_.jump(Jump::ne, r0, 0, pass_);
      code_.load(Size::dword, r1, r10, kContext);
      code_.mov(r2, 0);
      code_.mov(r3, r6);
      code_.add(r3, static_cast<std::int32_t>(kFrame));
      code_.mov(r4, frame);
      code_.call(Helper::xdp_store_bytes);
      code_.jump(Jump::eq, r0, 0, sent);
      code_.mov(r0, kXdpDrop);
      code_.exit();
      code_.place(sent);
    }
    code_.mov(r0, kXdpTransmit);
    code_.exit();
  }

  const Layout& layout_;
  const std::uint16_t port_;
  const Ending ending_;
  const Rate rate_;
  Assembler code_;
  Assembler::Label refused_ = code_.label(), pass_ = code_.label();
  Emitter network_;
};

}  // namespace

Code xdp_program(const Layout& layout, std::uint16_t port, Ending ending, Rate rate) {
  return XdpWriter(layout, port, ending, rate).write();
}

Rate rate_of(std::int64_t questions_per_second) {
  constexpr std::int64_t kSecond = 1'000'000'000, kBurst = kSecond / 100;
  return {static_cast<std::int32_t>(kSecond / questions_per_second), kBurst};
}

}  // namespace soma::bpf
