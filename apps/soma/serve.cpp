// soma serve: a model or a repository → an HTTP server, until a signal ends it.
#include "soma/serve.h"

#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction is POSIX, not C++
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>

#include "command.h"
#include "soma/device.h"

namespace soma::app {
namespace {

constexpr int kMapped = 1 << 17;  // bytes: from here on freed memory goes back to the system, however often it is asked for

struct Options {
  ServeOptions serve;
  std::string source, token_file, kernel, access_log = "off";
  std::int64_t delay_us = 0, timeout_ms = 30000, idle_ms = 75000, drain_ms = 30000, drain_delay_ms = 0;
};

/// Blocked here and so in every thread that starts later; the main thread asks for them one by one.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, each);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return signals;
}

Result<std::string> token(const Options& options) {
  if (options.token_file.empty()) {
    const char* word = std::getenv("SOMA_TOKEN");
    return std::string(word == nullptr ? "" : word);
  }
  std::ifstream file(options.token_file);
  std::string word;
  if (!(file >> word))
    return Error{Error::Kind::io,
                 fmt::format("serve: wanted a token in {}, found none; try a file of one line", options.token_file)};
  return word;
}

/// Answers signals until the server has drained: the first SIGTERM or Ctrl-C drains, the second ends at once.
int wait_for_the_end(InferenceServer& server, const Options& options, const sigset_t& signals) {
  const timespec pause = {0, 50'000'000};
  bool draining = false;
  while (!server.finished()) {
    const int signal = ::sigtimedwait(&signals, nullptr, &pause);
    if (signal == SIGHUP) {
      server.reload();
      if (const auto word = token(options); word)
        server.use_token(*word);
      else
        (void)complain(word.error());  // its status is that of a program about to end; this one serves on with the old token
    }
    if (signal != SIGTERM && signal != SIGINT) continue;
    if (draining) ::_exit(128 + signal);
    draining = true;
    server.drain();
  }
  return done;
}

int serve(Options options) {
  if (const auto usable = target(); !usable) return complain({Error::Kind::usage, usable.error().message});
  ServeOptions& serve = options.serve;
  serve.source = options.source;
  serve.max_delay = std::chrono::microseconds(options.delay_us);
  serve.timeout = std::chrono::milliseconds(options.timeout_ms);
  serve.idle_timeout = std::chrono::milliseconds(options.idle_ms);
  serve.drain = std::chrono::milliseconds(options.drain_ms);
  serve.drain_delay = std::chrono::milliseconds(options.drain_delay_ms);
  serve.kernel = options.kernel.empty()        ? ServeKernel::no_port
                 : options.kernel == "off"     ? ServeKernel::off
                 : options.kernel == "require" ? ServeKernel::require
                                               : ServeKernel::automatic;
  const auto word = token(options);
  if (!word) return complain(word.error());
  serve.token = *word;
  serve.access_log = options.access_log == "all"       ? AccessLog::all
                     : options.access_log == "sampled" ? AccessLog::sampled
                                                       : AccessLog::off;
  // A log that cannot be written stops no answer.
  serve.log = [](std::string_view lines) { (void)!::write(STDERR_FILENO, lines.data(), lines.size()); };
  ::mallopt(M_MMAP_THRESHOLD, kMapped);
  const sigset_t signals = block_signals();
  auto server = InferenceServer::start(serve);
  if (!server) return complain(server.error());
  for (const std::string& line : server->warnings()) fmt::print(stderr, "soma: {}\n", line);
  for (const std::string& line : server->models()) fmt::print("{}\n", line);
  if (const std::string who = server->datagrams(); !who.empty()) fmt::print("{}\n", who);
  fmt::print("listening on {}\n", server->url());
  std::fflush(stdout);
  return wait_for_the_end(*server, options, signals);
}

}  // namespace

void add_serve(CLI::App& program, Action& action) {
  auto options = std::make_shared<Options>();
  ServeOptions& serving = options->serve;
  CLI::App* command = program.add_subcommand("serve", "Answer over HTTP: POST / with an image, or the Open Inference Protocol");
  command->add_option("MODEL", options->source, "A model.onnx, or a directory of NAME/VERSION/model.onnx")->required();
  command->add_option("--listen", serving.listen, "HOST:PORT; port 0 takes a free one")->capture_default_str();
  command->add_flag("--share-port", serving.share_port, "Join a server on the same port, to take over from it");
  command->add_option("--threads", serving.threads, "Threads; 0 = all cores")->check(CLI::Range(0, kMostThreads));
  command->add_option("--max-batch", serving.max_batch, "Rows that go through a model together")->capture_default_str();
  command->add_option("--max-delay-us", options->delay_us, "How long a request may wait for company")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000000));
  command->add_option("--max-queue", serving.max_queue, "Requests that may wait; beyond, 503")->capture_default_str();
  command->add_option("--timeout-ms", options->timeout_ms, "A request that waited longer gets 504")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400000));
  command->add_option("--max-body", serving.max_body, "Bytes of a body, before and after decompression")->capture_default_str();
  command
      ->add_option(
          "--max-memory", serving.max_memory,
          "Bytes that requests and answers may take together; beyond, 503. 0 = half of what the container or machine has")
      ->capture_default_str();
  command->add_option("--max-connections", serving.max_connections, "Open connections; beyond, 503")->capture_default_str();
  command->add_option("--idle-timeout-ms", options->idle_ms, "An idle connection is closed after this")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400000));
  command
      ->add_option("--drain-delay-ms", options->drain_delay_ms,
                   "After SIGTERM, how long to answer as before while /v2/health/ready says no")
      ->capture_default_str()
      ->check(CLI::Range(0, 86400000));
  command->add_option("--drain-timeout-ms", options->drain_ms, "After SIGTERM, how long requests in flight may take")
      ->capture_default_str()
      ->check(CLI::Range(0, 86400000));
  command->add_option("--default-model", serving.default_model, "The model of POST /; the first by name unless set");
  command->add_flag("--control", serving.control, "Let clients load and unload models");
  command->add_option("--host", serving.hosts, "A name that clients may call this server by; may be given again")
      ->allow_extra_args(false);
  command->add_option("--require-models", serving.require_models, "Ready only while these are served: A,B")->delimiter(',');
  command->add_option("--token-file", options->token_file, "Clients must send this token; or set SOMA_TOKEN");
  command->add_option("--access-log", options->access_log, "On stderr: off, sampled (failures and one in a hundred) or all")
      ->capture_default_str()
      ->check(CLI::IsMember({"off", "sampled", "all"}));
  command
      ->add_option("--kernel", options->kernel,
                   "Answer over UDP too: auto (inside the kernel what can be, the rest here), require (or do not start), off "
                   "(all of it here)")
      ->check(CLI::IsMember({"auto", "require", "off"}));
  command
      ->add_option("--kernel-dev", serving.kernel_interface,
                   "Where the kernel answers; by default what has the address of --listen")
      ->type_name("IFACE");
  command->add_option("--kernel-port", serving.udp.port, "The UDP port; 0 takes a free one")
      ->type_name("PORT")
      ->capture_default_str();
  add_kernel_numbers(*command, serving.udp);
  command->add_option("--tls-certificate", serving.certificate, "PEM file with the certificate chain");
  command->add_option("--tls-key", serving.key, "PEM file with its key");
  add_reading(*command, serving.reading);
  add_trust(*command, serving.changed);
  command->callback([options, &action] { action = [options] { return serve(*options); }; });
}

}  // namespace soma::app
