// a Layout over kFlowFeatures → the program that classifies packets and says what becomes of them.
#include "inkernel/classifier_program.h"

#include "soma/classify.h"

namespace soma::bpf {
namespace {

constexpr std::int64_t kContext = -8, kKey = -16;  // on the stack
constexpr std::int32_t kFromNetworkHeader = 1, kTcp = 6, kUdp = 17, kIpv6Bytes = 40, kLaterFragment = 0xff1f;
constexpr std::int32_t kIpv4Type = 0x0008, kIpv6Type = 0xdd86;  // in network order
constexpr std::int32_t kKeepAll = -1;

enum Feature {
  length,
  protocol,
  source_port,
  destination_port,
  tcp_flags,
  hop_limit,
  packets_before,
  bytes_before,
  since_last,
  since_first
};

class Writer {
 public:
  Writer(const Layout& layout, Sight sight) : layout_(layout), sight_(sight), network_(code_, layout, pass_) {}

  Code write() {
    code_.store(Size::dword, r10, kContext, r1);
    code_.store(Size::dword, r10, kKey, 0);
    code_.load(Size::word, r8, r1, kProtocol);
    lookup(Map::scratch);
    code_.mov(r6, r0);
    lookup(Map::model);
    code_.mov(r1, r0);
    lookup_in_r1();
    code_.mov(r7, r0);
    for (std::int64_t i = 0; i < kFlowKeyBytes; i += 8) code_.store(Size::dword, r6, kFlowKey + i, 0);
    for (const Feature each : {source_port, destination_port, tcp_flags}) code_.store(Size::dword, r6, place(each), 0);
    const auto v6 = code_.label(), ports = code_.label(), flow = code_.label();
    code_.jump(Jump::eq, r8, kIpv6Type, v6);
    code_.jump(Jump::ne, r8, kIpv4Type, pass_);
    ipv4(flow);
    code_.go(ports);
    code_.place(v6);
    ipv6();
    code_.place(ports);
    read_ports(flow);
    code_.place(flow);
    read_flow();
    features();
    network_.network();
    code_.load(Size::dword, r8, r6, layout_.best);
    code_.alu(Alu::bit_xor, r8, -1);
    code_.alu(Alu::bit_and, r8, 0xffff);
    verdict();
    code_.place(pass_);
    code_.mov(r0, sight_ == Sight::interface ? kNextProgram : kKeepAll);
    code_.exit();
    return code_.finish();
  }

 private:
  static std::int64_t place(Feature which) { return kFeatures + 8 * which; }

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
  /// So many bytes from r2 of the IP header on, to `to` of the scratch.
  void headers(std::int64_t to, std::int32_t bytes, Assembler::Label otherwise) {
    code_.load(Size::dword, r1, r10, kContext);
    code_.mov(r3, r6);
    code_.add(r3, static_cast<std::int32_t>(to));
    code_.mov(r4, bytes);
    code_.mov(r5, kFromNetworkHeader);
    code_.call(Helper::skb_load_bytes_relative);
    code_.jump(Jump::ne, r0, 0, otherwise);
  }
  void move(Size size, std::int64_t from, std::int64_t to) {
    code_.load(size, r1, r6, from);
    code_.store(Size::dword, r6, to, r1);
  }

  /// r9 = where the ports are.
  void ipv4(Assembler::Label without_ports) {
    constexpr std::int32_t kShortest = 20;
    code_.mov(r2, 0);
    headers(kHeaders, kShortest, pass_);
    code_.load(Size::half, r1, r6, kHeaders + 2);
    code_.swap16(r1);
    code_.store(Size::dword, r6, place(length), r1);
    move(Size::byte, kHeaders + 9, place(protocol));
    move(Size::byte, kHeaders + 8, place(hop_limit));
    move(Size::word, kHeaders + 12, kFlowKey);
    move(Size::word, kHeaders + 16, kFlowKey + 16);
    code_.load(Size::byte, r9, r6, kHeaders);
    code_.alu(Alu::bit_and, r9, 15);
    code_.alu(Alu::lsh, r9, 2);
    code_.load(Size::half, r1, r6, kHeaders + 6);
    code_.alu(Alu::bit_and, r1, kLaterFragment);
    code_.jump(Jump::ne, r1, 0, without_ports);
  }
  void ipv6() {
    code_.mov(r2, 0);
    headers(kHeaders, kIpv6Bytes, pass_);
    code_.load(Size::half, r1, r6, kHeaders + 4);
    code_.swap16(r1);
    code_.add(r1, kIpv6Bytes);
    code_.store(Size::dword, r6, place(length), r1);
    move(Size::byte, kHeaders + 6, place(protocol));
    move(Size::byte, kHeaders + 7, place(hop_limit));
    for (std::int64_t i = 0; i < 32; i += 8) move(Size::dword, kHeaders + 8 + i, kFlowKey + i);
    code_.mov(r9, kIpv6Bytes);
  }
  void read_ports(Assembler::Label done) {
    const auto there = code_.label();
    code_.load(Size::dword, r1, r6, place(protocol));
    code_.jump(Jump::eq, r1, kTcp, there);
    code_.jump(Jump::ne, r1, kUdp, done);
    code_.place(there);
    code_.mov(r2, r9);
    headers(kHeaders, 4, done);
    for (const auto& [from, to] : {std::pair(0, source_port), std::pair(2, destination_port)}) {
      code_.load(Size::half, r1, r6, kHeaders + from);
      code_.swap16(r1);
      code_.store(Size::dword, r6, place(to), r1);
    }
    code_.load(Size::dword, r1, r6, place(protocol));
    code_.jump(Jump::ne, r1, kTcp, done);
    code_.mov(r2, r9);
    code_.add(r2, 13);
    headers(kHeaders, 1, done);
    move(Size::byte, kHeaders, place(tcp_flags));
  }

  void read_flow() {
    const auto first = code_.label(), done = code_.label();
    for (const auto& [from, to] : {std::pair(source_port, 32), std::pair(destination_port, 34), std::pair(protocol, 36)}) {
      code_.load(Size::dword, r1, r6, place(from));
      code_.store(Size::half, r6, kFlowKey + to, r1);
    }
    if (sight_ == Sight::trial) {
      code_.load(Size::dword, r1, r10, kContext);
      code_.load(Size::dword, r8, r1, kTime);
    } else {
      code_.call(Helper::ktime_get_ns);
      code_.mov(r8, r0);
    }
    code_.map(r1, Map::streams);
    flow_key();
    code_.call(Helper::map_lookup);
    code_.jump(Jump::eq, r0, 0, first);
    code_.mov(r9, r0);
    for (const auto& [from, to] : {std::pair(kFlowPackets, packets_before), std::pair(kFlowSize, bytes_before)}) {
      code_.load(Size::dword, r1, r9, from);
      code_.store(Size::dword, r6, place(to), r1);
    }
    for (const auto& [from, to] : {std::pair(kFlowLast, since_last), std::pair(kFlowFirst, since_first)}) {
      code_.mov(r1, r8);
      code_.load(Size::dword, r2, r9, from);
      code_.alu(Alu::sub, r1, r2);
      code_.alu(Alu::div, r1, 1000);
      code_.store(Size::dword, r6, place(to), r1);
    }
    code_.store(Size::dword, r9, kFlowLast, r8);
    code_.load(Size::dword, r1, r9, kFlowPackets);
    code_.add(r1, 1);
    code_.store(Size::dword, r9, kFlowPackets, r1);
    code_.load(Size::dword, r1, r9, kFlowSize);
    code_.load(Size::dword, r2, r6, place(length));
    code_.add(r1, r2);
    code_.store(Size::dword, r9, kFlowSize, r1);
    code_.go(done);
    code_.place(first);
    for (const Feature each : {packets_before, bytes_before, since_last, since_first})
      code_.store(Size::dword, r6, place(each), 0);
    code_.store(Size::dword, r6, kFlow + kFlowFirst, r8);
    code_.store(Size::dword, r6, kFlow + kFlowLast, r8);
    code_.store(Size::dword, r6, kFlow + kFlowPackets, 1);
    move(Size::dword, place(length), kFlow + kFlowSize);
    code_.map(r1, Map::streams);
    flow_key();
    code_.mov(r3, r6);
    code_.add(r3, kFlow);
    code_.mov(r4, 0);
    code_.call(Helper::map_update);  // without room it is the first packet once more
    code_.place(done);
  }
  void flow_key() {
    code_.mov(r2, r6);
    code_.add(r2, kFlowKey);
  }

  /// Each feature → its byte, by thresholds over whole numbers.
  void features() {
    code_.mov(r9, r6);
    code_.add(r9, static_cast<std::int32_t>(layout_.values[0].inside()));
    for (std::int64_t i = 0; i < std::ssize(kFlowFeatures); ++i) {
      const auto low = code_.label();
      code_.load(Size::dword, r1, r6, kFeatures + 8 * i);
      code_.jump(Jump::le, r1, static_cast<std::int32_t>(kMostFeature), low);
      code_.mov(r1, static_cast<std::int32_t>(kMostFeature));
      code_.place(low);
      code_.mov(r5, r7);
      code_.add(r5, static_cast<std::int32_t>(layout_.short_tables + i % layout_.tables * 1024));
      network_.from_key(i);
    }
  }

  void count(std::int64_t counter) {
    lookup(Map::counters);
    code_.load(Size::dword, r1, r0, counter);
    code_.add(r1, 1);
    code_.store(Size::dword, r0, counter, r1);
  }

  /// r8 is the class.
  void verdict() {
    if (sight_ == Sight::trial) {
      code_.mov(r0, r8);
      return code_.exit();
    }
    const auto dropped = code_.label(), marked = code_.label();
    code_.jump(Jump::gt, r8, 255, pass_);
    code_.alu(Alu::lsh, r8, 3);
    lookup(Map::buckets);
    code_.add(r0, r8);
    code_.checkpoint();
    code_.load(Size::word, r8, r0, kVerdicts);
    code_.load(Size::word, r9, r0, kVerdicts + 4);
    code_.jump(Jump::eq, r8, static_cast<std::int32_t>(Verdict::Kind::drop), dropped);
    if (sight_ == Sight::interface) code_.jump(Jump::eq, r8, static_cast<std::int32_t>(Verdict::Kind::mark), marked);
    count(kPassedPackets);
    code_.go(pass_);
    code_.place(dropped);
    count(kDroppedPackets);
    code_.mov(r0, sight_ == Sight::interface ? kShot : 0);
    code_.exit();
    if (sight_ != Sight::interface) return;
    code_.place(marked);
    count(kMarkedPackets);
    code_.load(Size::dword, r1, r10, kContext);
    code_.store(Size::word, r1, kMark, r9);
  }

  const Layout& layout_;
  const Sight sight_;
  Assembler code_;
  Assembler::Label pass_ = code_.label();
  Emitter network_;
};

}  // namespace

Code classifier_program(const Layout& layout, Sight sight) { return Writer(layout, sight).write(); }

}  // namespace soma::bpf
