// commands and attributes, as linux/bpf.h numbers and lays them out → bpf(2), and what its refusals mean.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "soma/error.h"

namespace soma::bpf {

// Written here: headers of an older system lack some of them.
enum Command {
  kMapCreate = 0,
  kMapLookup = 1,
  kMapUpdate = 2,
  kProgLoad = 5,
  kPin = 6,
  kTestRun = 10,
  kProgById = 13,
  kMapById = 14,
  kInfo = 15,
  kLinkCreate = 28,
  kLinkUpdate = 29,
  kLinkById = 30,
  kLinkNextId = 31,
  kEnableStats = 32,
  kLinkDetach = 34,
};
enum MapType { kArray = 2, kPerCpuArray = 6, kLruHash = 9, kArrayOfMaps = 12 };
inline constexpr std::uint32_t kAttachXdp = 37, kLinkXdp = 6, kAttachIngress = 46, kAttachEgress = 47, kLinkTc = 11;

struct MapAttributes {
  std::uint32_t type = 0, key_size = 4, value_size = 0, max_entries = 1, flags = 0, inner_map = 0, node = 0;
  char name[16] = {};
};
struct ElementAttributes {
  std::uint32_t map = 0, pad = 0;
  std::uint64_t key = 0, value = 0, flags = 0;
};
struct LoadAttributes {
  std::uint32_t type = 0, count = 0;
  std::uint64_t instructions = 0, license = 0;
  std::uint32_t log_level = 0, log_size = 0;
  std::uint64_t log = 0;
  std::uint32_t kernel_version = 0, flags = 0;
  char name[16] = {};
};
struct TestAttributes {
  std::uint32_t program = 0, result = 0, size_in = 0, size_out = 0;
  std::uint64_t in = 0, out = 0;
  std::uint32_t repeat = 0, nanoseconds = 0;
  std::uint32_t context_size_in = 0, context_size_out = 0;
  std::uint64_t context_in = 0, context_out = 0;
};
struct InfoAttributes {
  std::uint32_t fd = 0, size = 0;
  std::uint64_t info = 0;
};
struct LinkAttributes {
  std::uint32_t program = 0, target = 0, attach = kAttachXdp, flags = 0;
};
struct UpdateAttributes {
  std::uint32_t link = 0, program = 0, flags = 0, old_program = 0;
};
struct PinAttributes {
  std::uint64_t path = 0;
  std::uint32_t fd = 0, flags = 0;
};
struct IdAttributes {
  std::uint32_t id = 0, next = 0, flags = 0;
};
struct OneAttribute {  // what statistics, or which link
  std::uint32_t value = 0;
};

template <class Attributes>
int call(Command command, Attributes& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof(attributes)));
}

inline std::uint64_t pointer(const void* p) { return std::bit_cast<std::uint64_t>(p); }

/// The kernel's word is a number; what it means depends on what was asked. `log` is the verifier's last word, if it had one.
Error refused(std::string_view what, int error, const std::string& log = "");

}  // namespace soma::bpf
