// a piece of work → how many system calls this process makes in it, every second.
#pragma once

#include <functional>

#include "soma/error.h"

namespace soma {

/// strace -c -f is attached to every thread of this process while `work` runs again and again for about `seconds`; what the
/// same measurement counts around no work at all is taken off. Tracing makes each system call slower, so a count above some
/// ten thousand a second is a lower bound. Without strace, or without leave to trace: unavailable, and why.
[[nodiscard]] Result<double> system_calls_per_second(const std::function<void()>& work, double seconds);

}  // namespace soma
