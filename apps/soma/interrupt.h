// Ctrl-C, or a terminal that closes → a flag that asks a run to stop; a second Ctrl-C → the end of the process.
#pragma once

#include <atomic>

namespace soma::app {

/// Catches SIGINT, SIGTERM and SIGHUP from now on, but for those that were ignored. The flag is set by the first; the second
/// exits with status 130 at once.
const std::atomic<bool>* catch_interrupts();

}  // namespace soma::app
