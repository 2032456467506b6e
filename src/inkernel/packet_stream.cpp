// a client's newest values + its last ones out of a map → a whole sample, and the same window for the next time.
#include "inkernel/packet_writer.h"

namespace soma::bpf {

void XdpWriter::read_stream() {
  const std::int64_t state = layout_.stream + 8;
  const auto inputs = static_cast<std::int32_t>(layout_.inputs);
  const auto whole = code_.label(), fresh = code_.label(), kept = code_.label();
  load_stream_values();
  check_stream();
  stream_key();
  code_.load(Size::half, r1, r6, kMessage + message::kCount);
  code_.jump(Jump::eq, r1, inputs, whole);
  code_.map(r1, Map::streams);
  code_.mov(r2, r10);
  code_.add(r2, kStreamKey);
  code_.call(Helper::map_lookup);
  code_.jump(Jump::eq, r0, 0, gap_);
  code_.store(Size::dword, r10, kState, r0);
  code_.load(Size::dword, r1, r0, kStreamTag);
  code_.load(Size::word, r2, r7, kTag);
  code_.jump(Jump::ne, r1, r2, gap_);
  // As many as there were: these go on. As many as there were before the last: this question has been asked before.
  code_.load(Size::dword, r1, r0, kStreamNext);
  code_.load(Size::dword, r2, r6, kMessage + message::kPosition);
  code_.load(Size::half, r3, r6, kMessage + message::kCount);
  code_.store(Size::dword, r6, layout_.stream, r3);
  code_.jump(Jump::eq, r1, r2, fresh);
  code_.add(r2, r3);
  code_.jump(Jump::ne, r1, r2, gap_);
  code_.store(Size::dword, r6, layout_.stream, 0);
  old_values();
  code_.go(kept);
  code_.place(fresh);
  old_values();
  code_.place(whole);
  new_values();
  code_.place(kept);
  code_.load(Size::dword, r1, r6, kMessage + message::kPosition);
  code_.load(Size::half, r2, r6, kMessage + message::kCount);
  code_.add(r1, r2);
  code_.store(Size::dword, r6, state + kStreamNext, r1);
  code_.load(Size::word, r1, r7, kTag);
  code_.store(Size::dword, r6, state + kStreamTag, r1);
  code_.map(r1, Map::streams);
  code_.mov(r2, r10);
  code_.add(r2, kStreamKey);
  code_.mov(r3, r6);
  code_.add(r3, static_cast<std::int32_t>(state));
  code_.mov(r4, 0);
  code_.call(Helper::map_update);
  code_.jump(Jump::ne, r0, 0, refused_);
  network_.bytes(state + kStreamWindow);
  code_.go(ready_);
}

/// Whose stream it is: address and port.
void XdpWriter::stream_key() {
  const auto v6 = code_.label(), done = code_.label();
  code_.load(Size::half, r1, r6, kFrame + 12);
  code_.jump(Jump::eq, r1, network_order(0x86dd), v6);
  code_.load(Size::word, r1, r6, kIp + 12);
  code_.mov(r2, 0);
  code_.load(Size::half, r3, r6, kIp + kIpv4);
  code_.go(done);
  code_.place(v6);
  code_.load(Size::dword, r1, r6, kIp + 8);
  code_.load(Size::dword, r2, r6, kIp + 16);
  code_.load(Size::half, r3, r6, kIp + kIpv6);
  code_.place(done);
  code_.store(Size::dword, r10, kStreamKey, r1);
  code_.store(Size::dword, r10, kStreamKey + 8, r2);
  code_.store(Size::dword, r10, kStreamKey + 16, r3);
}

/// So many as the message says, into the scratch; how many words they are to layout.stream.
void XdpWriter::load_stream_values() {
  code_.load(Size::half, r4, r6, kMessage + message::kCount);
  code_.jump(Jump::lt, r4, 1, refused_);
  code_.jump(Jump::gt, r4, static_cast<std::int32_t>(layout_.inputs), refused_);
  code_.mov(r5, r4);
  if (layout_.tables > 1) {
    code_.alu(Alu::mod, r5, static_cast<std::int32_t>(layout_.tables));
    code_.jump(Jump::ne, r5, 0, refused_);
  }
  code_.load(Size::byte, r1, r6, kMessage + message::kType);
  code_.jump(Jump::gt, r1, static_cast<std::int32_t>(ValueType::float32), refused_);
  code_.alu(Alu::lsh, r4, r1);  // bytes, int16 and float32 are 0, 1 and 2
  code_.add(r4, 3);
  code_.alu(Alu::rsh, r4, 2);
  code_.jump(Jump::gt, r4, static_cast<std::int32_t>(layout_.inputs), refused_);
  code_.jump(Jump::lt, r4, 1, refused_);
  code_.store(Size::dword, r6, layout_.stream, r4);
  code_.alu(Alu::lsh, r4, 2);
  code_.load(Size::dword, r1, r10, kLength);
  code_.jump(Jump::lt, r1, static_cast<std::int32_t>(message::kHeader + 4 * layout_.outputs), refused_);
  code_.alu(Alu::sub, r1, message::kHeader);
  code_.jump(Jump::lt, r1, r4, refused_);
  code_.load(Size::dword, r1, r10, kContext);
  code_.load(Size::dword, r2, r10, kMessageAt);
  code_.add(r2, static_cast<std::int32_t>(message::kHeader));
  code_.mov(r3, r6);
  code_.add(r3, static_cast<std::int32_t>(kValues));
  code_.call(Helper::xdp_load_bytes);
  code_.jump(Jump::ne, r0, 0, refused_);
}

void XdpWriter::check_stream() {
  header_sums();
  code_.store(Size::dword, r6, kMessageSums, r3);
  code_.store(Size::dword, r6, kMessageSums + 8, r4);
  network_.loop_to(layout_.stream, layout_.inputs, [&](const Emitter::Loop& word) {
    code_.load(Size::dword, r3, r6, kMessageSums);
    code_.load(Size::dword, r4, r6, kMessageSums + 8);
    network_.index(r0, word);
    code_.alu(Alu::lsh, r0, 2);
    code_.mov(r8, r6);
    code_.add(r8, r0);
    code_.checkpoint();
    add_word(r8, kValues);
    code_.store(Size::dword, r6, kMessageSums, r3);
    code_.store(Size::dword, r6, kMessageSums + 8, r4);
  });
  code_.load(Size::dword, r3, r6, kMessageSums);
  code_.load(Size::dword, r4, r6, kMessageSums + 8);
  compare_sums();
}

/// The kept window without its first bytes, as many as layout.stream says, to the beginning of the new one.
void XdpWriter::old_values() {
  network_.loop((layout_.inputs + 7) / 8, [&](const Emitter::Loop& part) {
    const auto beyond = code_.label();
    network_.index(r1, part);
    code_.alu(Alu::lsh, r1, 3);
    code_.mov(r8, r6);
    code_.add(r8, r1);
    code_.checkpoint();
    code_.load(Size::dword, r2, r6, layout_.stream);
    code_.add(r1, r2);
    code_.jump(Jump::ge, r1, static_cast<std::int32_t>(layout_.inputs), beyond);
    code_.load(Size::dword, r9, r10, kState);
    code_.add(r9, r1);
    code_.checkpoint();
    code_.load(Size::dword, r1, r9, kStreamWindow);
    code_.store(Size::dword, r8, layout_.stream + 8 + kStreamWindow, r1);
    code_.place(beyond);
  });
}

/// The message's values to the end of the window.
void XdpWriter::new_values() {
  const std::int64_t window = layout_.stream + 8 + kStreamWindow;
  const auto done = code_.label();
  code_.load(Size::half, r1, r6, kMessage + message::kCount);
  code_.store(Size::dword, r6, layout_.stream, r1);
  for (const ValueType type : kTypes) {
    if (message::kHeader + message::value_bytes(type, layout_.inputs) > kMostPayload) continue;
    const auto other = code_.label();
    code_.load(Size::byte, r1, r6, kMessage + message::kType);
    code_.jump(Jump::ne, r1, static_cast<std::int32_t>(type), other);
    network_.loop_to(layout_.stream, layout_.inputs, [&](const Emitter::Loop& each) {
      network_.index(r0, each);
      code_.mov(r2, r0);
      code_.alu(Alu::mul, r2, static_cast<std::int32_t>(message::bytes_of(type)));
      code_.mov(r8, r6);
      code_.add(r8, r2);
      code_.checkpoint();
      code_.add(r8, static_cast<std::int32_t>(kValues));
      code_.load(Size::dword, r1, r6, layout_.stream);
      code_.mov(r2, static_cast<std::int32_t>(layout_.inputs));
      code_.alu(Alu::sub, r2, r1);
      code_.add(r2, r0);
      code_.jump(Jump::ge, r2, static_cast<std::int32_t>(layout_.inputs), refused_);
      code_.mov(r9, r6);
      code_.add(r9, r2);
      code_.checkpoint();
      code_.add(r9, static_cast<std::int32_t>(window));
      const bool bytes = type == ValueType::byte;
      code_.mov(r5, r7);
      if (layout_.tables > 1) {
        code_.alu(Alu::mod, r0, static_cast<std::int32_t>(layout_.tables));
        code_.jump(Jump::ge, r0, static_cast<std::int32_t>(layout_.tables), refused_);
        code_.alu(Alu::mul, r0, bytes ? 256 : 1024);
        code_.add(r5, r0);
        code_.checkpoint();
      }
      code_.add(r5, static_cast<std::int32_t>(bytes                      ? layout_.byte_tables
                                              : type == ValueType::int16 ? layout_.short_tables
                                                                         : layout_.float_tables));
      network_.element(type, 0);
    });
    code_.go(done);
    code_.place(other);
  }
  code_.go(refused_);
  code_.place(done);
}

}  // namespace soma::bpf
