// a Layout → the parts of the XDP program that answers about it: the question's, a stream's, the answer's.
#pragma once

#include <array>

#include "inkernel/packet.h"

namespace soma::bpf {

inline constexpr std::int64_t kContext = -8, kKey = -16, kMessageAt = -24, kLength = -32, kFrameLength = -40, kSource = -48,
                              kState = -56, kStreamKey = -80;                                  // on the stack
inline constexpr std::array kTypes = {ValueType::byte, ValueType::int16, ValueType::float32};  // by size
inline constexpr std::int64_t kFewBytes = 64;           // of values; more are better left to a helper
inline constexpr std::int64_t kData = 0, kDataEnd = 4;  // of struct xdp_md
inline constexpr std::int64_t kHead =
    kEthernet + kIpv4 + kUdp + message::kHeader;  // the shortest question; enough to parse both families
inline constexpr std::int64_t kIp = kFrame + kEthernet;
inline constexpr std::uint16_t kFragment = 0x3fff, kUdpProtocol = 17;

constexpr std::int32_t network_order(std::uint16_t value) { return (value & 0xff) << 8 | value >> 8; }

/// r6 points to the scratch, r7 to the image once a message has been read.
class XdpWriter {
 public:
  XdpWriter(const Layout& layout, std::uint16_t port, Ending ending, Rate rate, Form form)
      : layout_(layout), port_(port), ending_(ending), rate_(rate), form_(form), network_(code_, layout, refused_, form.loops) {}

  Code write();

 private:
  void count(std::int64_t counter);
  /// r0 = the value of the map's only key.
  void lookup(Map map);
  void lookup_in_r1();
  /// r2 = the frame, which has so many bytes.
  void reach(std::int64_t bytes, Assembler::Label otherwise);
  /// Bytes of what r2 points to into the scratch.
  void copy(std::int64_t from, std::int64_t to, std::int64_t bytes);
  /// The message from byte `at` of the frame on into the scratch: its header, and its values where they are few.
  void load_message(std::int64_t at);
  /// Values of the message into the scratch, where they are not yet.
  void load_values(std::int64_t bytes);
  /// to = the sum of 16-bit words, folded.
  void fold16(Register sum, Register other);
  void fold32(Register sum, Register other);
  void ip_header_sum();
  void parse_ipv4();
  void parse_ipv6();
  /// r3 is what the IP header says is behind it: the UDP header must say the same, and the frame must hold it.
  void lengths(std::int64_t udp, std::int64_t udp_at);
  void read_message();
  /// A bucket has a time until which its questions are paid for; it may be ahead of now by no more than the burst. Two processors
  /// that change it at once may lose one payment.
  void limit();
  /// Fletcher's sums over the message: r3 and r4.
  void add_word(Register base, std::int64_t at);
  void header_sums();
  void check(std::int64_t bytes);
  void compare_sums();
  void put_kind();
  void write_answer();
  void swap(Size size, std::int64_t a, std::int64_t b);
  void write_frame(std::int64_t ip, std::int64_t outputs);
  /// The newest values of a stream → the first value of the network, and the window kept for the next time.
  void read_stream();
  void stream_key();
  void load_stream_values();
  void check_stream();
  void old_values();
  void new_values();

  const Layout& layout_;
  const std::uint16_t port_;
  const Ending ending_;
  const Rate rate_;
  const Form form_;
  Assembler code_;
  /// Left to the rest of the system, counted or not; answered that the whole window is wanted; read.
  Assembler::Label refused_ = code_.label(), pass_ = code_.label(), gap_ = code_.label(), ready_ = code_.label();
  Emitter network_;
};

}  // namespace soma::bpf
