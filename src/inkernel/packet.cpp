// a Layout → the XDP program that answers questions about it: from the frame as it came to the frame that goes back.
#include "inkernel/packet.h"

#include <algorithm>

#include "inkernel/packet_writer.h"

namespace soma::bpf {

Code XdpWriter::write() {
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

void XdpWriter::count(std::int64_t counter) {
  lookup(Map::counters);
  code_.load(Size::dword, r1, r0, counter);
  code_.add(r1, 1);
  code_.store(Size::dword, r0, counter, r1);
}

void XdpWriter::lookup(Map map) {
  code_.map(r1, map);
  lookup_in_r1();
}

void XdpWriter::lookup_in_r1() {
  code_.mov(r2, r10);
  code_.add(r2, kKey);
  code_.call(Helper::map_lookup);
  code_.jump(Jump::eq, r0, 0, pass_);
}

void XdpWriter::reach(std::int64_t bytes, Assembler::Label otherwise) {
  code_.load(Size::dword, r1, r10, kContext);
  code_.load(Size::word, r2, r1, kData);
  code_.load(Size::word, r3, r1, kDataEnd);
  code_.mov(r1, r2);
  code_.add(r1, static_cast<std::int32_t>(bytes));
  code_.jump(Jump::gt, r1, r3, otherwise);
}

void XdpWriter::copy(std::int64_t from, std::int64_t to, std::int64_t bytes) {
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

void XdpWriter::load_message(std::int64_t at) {
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

void XdpWriter::load_values(std::int64_t bytes) {
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

void XdpWriter::fold16(Register sum, Register other) {
  for (int i = 0; i < 3; ++i) {
    code_.mov(other, sum);
    code_.alu(Alu::rsh, other, 16);
    code_.alu(Alu::bit_and, sum, 0xffff);
    code_.add(sum, other);
  }
}

void XdpWriter::fold32(Register sum, Register other) {
  for (int i = 0; i < 2; ++i) {
    code_.mov(other, sum);
    code_.alu(Alu::rsh, other, 32);
    code_.alu(Alu::lsh, sum, 32);
    code_.alu(Alu::rsh, sum, 32);
    code_.add(sum, other);
  }
}

void XdpWriter::ip_header_sum() {
  code_.mov(r1, 0);
  for (std::int64_t i = 0; i < kIpv4; i += 2) {
    code_.load(Size::half, r2, r6, kIp + i);
    code_.add(r1, r2);
  }
  fold16(r1, r2);
}

void XdpWriter::parse_ipv4() {
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

void XdpWriter::parse_ipv6() {
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

void XdpWriter::lengths(std::int64_t udp, std::int64_t udp_at) {
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

void XdpWriter::read_message() {
  code_.load(Size::word, r1, r6, kMessage + message::kMagic);
  code_.jump(Jump::ne, r1, static_cast<std::int32_t>(message::kMagicWord), refused_);
  code_.load(Size::half, r1, r6, kMessage + message::kVersion);
  code_.jump(Jump::ne, r1, message::kFormat | message::kQuestion << 8, refused_);
  code_.load(Size::byte, r1, r6, kMessage + message::kFlags);
  code_.jump(Jump::gt, r1, form_.streams ? message::kStream : 0, refused_);
  code_.load(Size::half, r1, r6, kMessage + message::kCount);
  const auto known = code_.label();
  code_.jump(Jump::eq, r1, static_cast<std::int32_t>(layout_.inputs), known);
  if (form_.streams) {
    code_.jump(Jump::gt, r1, static_cast<std::int32_t>(layout_.inputs), refused_);
    code_.load(Size::byte, r1, r6, kMessage + message::kFlags);
    code_.jump(Jump::ne, r1, 0, known);
  }
  code_.go(refused_);
  code_.place(known);
  limit();
  if (form_.image_beside) {
    code_.map(r7, Map::image);
  } else {
    lookup(Map::model);
    code_.mov(r1, r0);
    lookup_in_r1();
    code_.mov(r7, r0);
  }
  const auto any = code_.label(), whole = code_.label();
  code_.load(Size::word, r1, r6, kMessage + message::kModel);
  code_.jump(Jump::eq, r1, 0, any);
  code_.load(Size::word, r2, r7, kTag);
  code_.jump(Jump::ne, r1, r2, refused_);
  code_.place(any);
  if (form_.streams) {
    code_.load(Size::byte, r1, r6, kMessage + message::kFlags);
    code_.jump(Jump::eq, r1, 0, whole);
    read_stream();
    code_.place(whole);
  }
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
    code_.go(ready_);
    code_.place(other);
  }
  code_.go(refused_);
  code_.place(ready_);
}

void XdpWriter::limit() {
  const auto ahead = code_.label(), limited = code_.label(), ready = code_.label();
  lookup(Map::buckets);
  code_.mov(r8, r0);
  if (form_.image_beside) {  // the first question draws the number
    const auto drawn = code_.label();
    code_.load(Size::dword, r1, r8, kSeed);
    code_.jump(Jump::ne, r1, 0, drawn);
    code_.call(Helper::prandom);
    code_.mov(r9, r0);
    code_.alu(Alu::lsh, r9, 32);
    code_.call(Helper::prandom);
    code_.alu(Alu::bit_or, r9, r0);
    code_.alu(Alu::bit_or, r9, 1);
    code_.store(Size::dword, r8, kSeed, r9);
    code_.place(drawn);
  }
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

void XdpWriter::add_word(Register base, std::int64_t at) {
  code_.load(Size::word, r1, base, at);
  code_.add(r3, r1);
  code_.add(r4, r3);
}

void XdpWriter::header_sums() {
  code_.mov(r3, 0);
  code_.mov(r4, 0);
  for (std::int64_t at = 0; at < message::kSums; at += 4) add_word(r6, kMessage + at);
}

void XdpWriter::check(std::int64_t bytes) {
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
  compare_sums();
}

void XdpWriter::compare_sums() {
  fold32(r3, r1);
  fold32(r4, r1);
  code_.load(Size::word, r1, r6, kMessage + message::kSums);
  code_.jump(Jump::ne, r1, r3, refused_);
  code_.load(Size::word, r1, r6, kMessage + message::kSums + 4);
  code_.jump(Jump::ne, r1, r4, refused_);
}

Code xdp_program(const Layout& layout, std::uint16_t port, Ending ending, Rate rate, Form form) {
  return XdpWriter(layout, port, ending, rate, form).write();
}

Rate rate_of(std::int64_t questions_per_second) {
  constexpr std::int64_t kSecond = 1'000'000'000, kBurst = kSecond / 100;
  return {static_cast<std::int32_t>(kSecond / questions_per_second), kBurst};
}

}  // namespace soma::bpf
