// a Layout → the XDP program that answers questions about it: from the frame as it came to the frame that goes back.
#pragma once

#include "inkernel/emitter.h"

namespace soma::bpf {

enum class Ending {
  answer,   ///< the frame goes back
  measure,  ///< all but that: the frame stays as it is, for timing the same one again and again
};

/// How often one source is answered: one question each `interval` nanoseconds, and up to `burst` nanoseconds' worth at once. More
/// are dropped. A source is an IPv4 address, or the first half of an IPv6 one, which is a whole network to its owner.
struct Rate {
  std::int32_t interval = 0, burst = 0x7fffffff;
};

/// The map of sources: a random odd number, the Record of who loaded the program (running.h), and buckets that sources fall into
/// by their product with the number (multiply-shift of Dietzfelbinger and others, 1997: nobody who does not know it finds two
/// that meet). Those that do share a bucket.
inline constexpr int kBucketBits = 14;
inline constexpr std::int64_t kSeed = 0, kRecord = 8, kBuckets = 256, kBucketBytes = kBuckets + (std::int64_t{8} << kBucketBits);

/// The map of what was done so far on each processor: answered, passed on though they came to the port, too many from one source.
inline constexpr std::int64_t kAnswered = 0, kPassed = 8, kLimited = 16, kCounterBytes = 24;
Rate rate_of(std::int64_t questions_per_second);

/// What a program is made for besides the network.
struct Form {
  Loops loops = Loops::may_goto;
  bool streams = false;       ///< has a map of them
  bool image_beside = false;  ///< its image is its own and no other's turn comes; nobody writes a number for the sources
};

/// Everything that is no well-formed question to `port` is passed on untouched: other protocols, VLANs, fragments, options, wrong
/// lengths, headers or messages with a wrong checksum. r1 is the context at entry.
Code xdp_program(const Layout& layout, std::uint16_t port, Ending ending, Rate rate = {}, Form form = {});

inline constexpr int kXdpDrop = 1, kXdpPass = 2, kXdpTransmit = 3;
inline constexpr std::int64_t kEthernet = 14, kIpv4 = 20, kIpv6 = 40, kUdp = 8;

/// Questions longer than this are of no use to anybody: no frame of a common size holds them.
inline constexpr std::int64_t kMostPayload = 8952;

}  // namespace soma::bpf
