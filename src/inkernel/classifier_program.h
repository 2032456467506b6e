// a Layout over kFlowFeatures → the program that classifies packets and says what becomes of them.
#pragma once

#include "inkernel/emitter.h"

namespace soma::bpf {

enum class Sight {
  trial,      ///< of BPF_PROG_TEST_RUN: the time is the packet's, and what is returned is the class, or kNoClass
  interface,  ///< at a network interface
  socket,     ///< in front of one
};
inline constexpr std::uint32_t kNoClass = 0xffffffff;

/// In the scratch, before the network's own: the features, what was read of the headers, a flow's key and its numbers.
inline constexpr std::int64_t kFeatures = 48, kHeaders = 128, kFlowKey = 176, kFlow = 216, kClassifierRaw = 256;
inline constexpr std::int64_t kFlowKeyBytes = 40, kFlowBytes = 32;
inline constexpr std::int64_t kFlowFirst = 0, kFlowLast = 8, kFlowPackets = 16, kFlowSize = 24;  // in its numbers

/// The map of verdicts is called like that of sources, and begins like it: who has loaded the program; then 8 bytes for each
/// class, a Verdict. That of flows is Map::streams.
inline constexpr std::int64_t kVerdicts = 256, kVerdictBytes = kVerdicts + 8 * 256;
/// Of the map of counters.
inline constexpr std::int64_t kMarkedPackets = 0, kPassedPackets = 8, kDroppedPackets = 16;

/// r1 is the context at entry, a struct __sk_buff.
Code classifier_program(const Layout& layout, Sight sight);

inline constexpr int kNextProgram = -1, kShot = 2;                     // what a program at an interface returns
inline constexpr std::int64_t kMark = 8, kProtocol = 16, kTime = 152;  // in struct __sk_buff

}  // namespace soma::bpf
