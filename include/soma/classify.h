// packets of a network interface or a socket → features of them and of their flows → a class, and what becomes of the packet.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "soma/error.h"
#include "soma/kernel.h"
#include "soma/model.h"

namespace soma {

/// What a model for packets has as its inputs, in this order: whole numbers, each at most kMostFeature. A flow is all packets of
/// the same protocol, addresses and ports in one direction.
inline constexpr std::array<const char*, 10> kFlowFeatures = {
    "length",            // of the IP packet, in bytes
    "protocol",          // 6 TCP, 17 UDP
    "source_port",       // 0 where there is none, and in later fragments
    "destination_port",  // the same
    "tcp_flags",         // FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32
    "hop_limit",         // or time to live
    "packets_before",    // of the flow
    "bytes_before",      // of the flow
    "us_since_last",     // microseconds since its packet before this one; 0 for the first
    "us_since_first",
};
inline constexpr std::int64_t kMostFeature = (std::int64_t{1} << 24) - 1;
using FlowFeatures = std::array<float, kFlowFeatures.size()>;

/// The features in user space: what a model is trained on.
class FlowTable {
 public:
  /// Of an Ethernet frame that came at `nanoseconds` of some clock; none of what is no IP.
  std::optional<FlowFeatures> add(std::span<const std::uint8_t> frame, std::uint64_t nanoseconds);

 private:
  struct Flow {
    std::uint64_t first = 0, last = 0, packets = 0, bytes = 0;
  };
  std::map<std::array<std::uint8_t, 40>, Flow> flows_;
};

struct Verdict {
  enum class Kind : std::uint32_t { pass = 0, drop = 1, mark = 2 } kind = Kind::pass;
  std::uint32_t mark = 0;  ///< the packet's from then on, for routes, queues and firewalls
};

struct ClassifierOptions {
  std::vector<Verdict> verdicts;        ///< by class; what has none passes
  std::int64_t flows = 16384;           ///< the last so many are remembered
  std::int64_t max_products = 100'000;  ///< multiply-adds a packet
};

/// A model in the kernel that looks at packets and answers nobody. One thread may call it at a time; everything is undone by the
/// destructor, or by the end of the process (a gate: by that of the socket).
class KernelClassifier {
 public:
  /// `model` takes kFlowFeatures. Fails in one line as KernelProgram::load does.
  [[nodiscard]] static Result<KernelClassifier> load(const Model& model, const ClassifierOptions& options);
  KernelClassifier(KernelClassifier&&) noexcept;
  KernelClassifier& operator=(KernelClassifier&&) noexcept;
  ~KernelClassifier();

  /// The class of a frame by BPF_PROG_TEST_RUN, as if it came at `nanoseconds`; −1 of what is no IP. Flows are those of all
  /// calls.
  [[nodiscard]] Result<std::int32_t> label(std::span<const std::uint8_t> frame, std::uint64_t nanoseconds);

  /// Every packet that an interface receives, or with `egress` sends. Linux 6.6 or newer.
  [[nodiscard]] Result<void> attach(const std::string& interface, bool egress = false);
  /// Every packet to a datagram socket of this process, before it gets there: it passes or is dropped, marks change nothing.
  [[nodiscard]] Result<void> gate(int socket);
  /// The same for the UDP socket of another process that is bound to a port. Takes root.
  [[nodiscard]] Result<void> gate(std::int64_t process, std::uint16_t port);

  struct Counters {
    std::uint64_t passed = 0, dropped = 0, marked = 0;
  };
  [[nodiscard]] Result<Counters> counters() const;
  /// False once somebody has unloaded it.
  [[nodiscard]] bool attached() const;

 private:
  struct State;
  explicit KernelClassifier(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace soma
