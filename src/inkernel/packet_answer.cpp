// outputs in the scratch → the frame that goes back.
#include "inkernel/packet_writer.h"

namespace soma::bpf {

void XdpWriter::put_kind() {
  code_.store(Size::half, r6, kMessage + message::kVersion, message::kFormat | message::kAnswer << 8);
  code_.store(Size::half, r6, kMessage + message::kType, static_cast<std::int32_t>(ValueType::float32));
  code_.load(Size::word, r1, r7, kTag);
  code_.store(Size::word, r6, kMessage + message::kModel, r1);
  code_.store(Size::dword, r6, kMessage + message::kPosition, 0);
  count(kAnswered);
}

void XdpWriter::write_answer() {
  put_kind();
  code_.store(Size::half, r6, kMessage + message::kCount, static_cast<std::int32_t>(layout_.outputs));
  code_.load(Size::dword, r1, r6, layout_.best);
  code_.alu(Alu::bit_xor, r1, -1);  // 65 535 − what is in the lower half
  code_.store(Size::half, r6, kMessage + message::kClass, r1);
  const auto v6 = code_.label();
  code_.load(Size::half, r1, r6, kFrame + 12);
  code_.jump(Jump::eq, r1, network_order(0x86dd), v6);
  write_frame(kIpv4, layout_.outputs);
  code_.place(v6);
  write_frame(kIpv6, layout_.outputs);
  if (!form_.streams) return;
  const auto gap_v6 = code_.label();
  code_.place(gap_);
  code_.store(Size::half, r6, kMessage + message::kCount, 0);
  code_.store(Size::half, r6, kMessage + message::kClass, 0xffff);
  put_kind();
  code_.load(Size::half, r1, r6, kFrame + 12);
  code_.jump(Jump::eq, r1, network_order(0x86dd), gap_v6);
  write_frame(kIpv4, 0);
  code_.place(gap_v6);
  write_frame(kIpv6, 0);
}

void XdpWriter::swap(Size size, std::int64_t a, std::int64_t b) {
  code_.load(size, r1, r6, a);
  code_.load(size, r2, r6, b);
  code_.store(size, r6, a, r2);
  code_.store(size, r6, b, r1);
}

void XdpWriter::write_frame(std::int64_t ip, std::int64_t outputs) {
  const std::int64_t udp = kIp + ip, to = udp + kUdp;
  const auto payload = static_cast<std::uint16_t>(message::kHeader + 4 * outputs);
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
  for (std::int64_t i = 0; i < outputs; ++i) copy(layout_.sums + 8 * i, message::kHeader + 4 * i);
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

}  // namespace soma::bpf
