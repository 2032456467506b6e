// Ctrl-C, or a terminal that closes → a flag that asks a run to stop; a second Ctrl-C → the end of the process.
#include "interrupt.h"

#include <unistd.h>

#include <csignal>

#include "command.h"

namespace soma::app {
namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch nothing else");

extern "C" void on_interrupt(int) {
  if (stop_requested.exchange(true)) ::_exit(interrupted);
}

}  // namespace

const std::atomic<bool>* catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    // Ignored at the start means that somebody wanted it so: nohup, or a shell's background job.
    if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
  return &stop_requested;
}

}  // namespace soma::app
