// work → the same on a thread that kept only some capabilities.
#pragma once

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <initializer_list>
#include <thread>

namespace soma::test {

inline constexpr int kNetAdmin = 12, kBpf = 39;

/// Keeps these on the calling thread, and on those that it starts, and no others.
inline bool keep(std::initializer_list<int> capabilities) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (const int each : capabilities) {
    data[each / 32].effective |= 1U << (each % 32);
    data[each / 32].permitted |= 1U << (each % 32);
  }
  return ::syscall(SYS_capset, &header, data) == 0;
}

/// work(), on a thread that kept only these; false where they could not be had.
template <class Work>
bool with_only(std::initializer_list<int> capabilities, const Work& work) {
  bool kept = false;
  std::thread([&] {
    kept = keep(capabilities);
    if (kept) work();
  }).join();
  return kept;
}

}  // namespace soma::test
