// an int8 model over features of packets → a program at an interface or before a socket, checked before anything passes it.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/random.h"
#include "inkernel/classifier_program.h"
#include "inkernel/compiled.h"
#include "inkernel/frame.h"
#include "inkernel/inputs.h"
#include "inkernel/running.h"
#include "integer/interpreter.h"
#include "model/check.h"
#include "soma/classify.h"

namespace soma {

using namespace bpf;

namespace {

constexpr int kChecks = 200;
constexpr int kAttachProgram = 50, kDetachFilter = 27;  // SO_ATTACH_BPF, SO_DETACH_FILTER

/// Some packet of a few flows.
std::vector<std::uint8_t> any_frame(std::uint64_t seed) {
  const auto draw = [&](std::uint64_t i) { return random_u32(seed, stream(Stream::test), i); };
  auto frame = make_frame(std::vector<std::uint8_t>(draw(0) % 1000), static_cast<std::uint16_t>(draw(1) % 4), draw(2) % 2 == 1);
  if (draw(3) % 3 == 0) frame[draw(2) % 2 == 1 ? 20 : 23] = 6;  // TCP, and any flags
  if (draw(4) % 8 == 0) frame[14] ^= 1;                         // other lengths of the header
  return frame;
}

}  // namespace

struct KernelClassifier::State {
  Compiled compiled;
  Loaded loaded;  ///< its program is the trial's
  std::optional<Descriptor> link;
  std::optional<Descriptor> socket;
  std::int64_t flows = 0;

  [[nodiscard]] Result<Descriptor> program(Sight sight, std::uint32_t type) const {
    const int maps[] = {loaded.outer.get(), loaded.scratch.get(), loaded.buckets.get(), loaded.counters.get(),
                        loaded.streams.get()};
    return load_program(classifier_program(compiled.prepared.layout, sight), maps, "soma_" + compiled.name, type);
  }
};

KernelClassifier::KernelClassifier(std::unique_ptr<State> state) : state_(std::move(state)) {}
KernelClassifier::KernelClassifier(KernelClassifier&&) noexcept = default;
KernelClassifier& KernelClassifier::operator=(KernelClassifier&&) noexcept = default;
KernelClassifier::~KernelClassifier() {
  if (state_ == nullptr || !state_->socket) return;
  const int nothing = 0;
  (void)::setsockopt(state_->socket->get(), SOL_SOCKET, kDetachFilter, &nothing, sizeof(nothing));  // the socket may be gone
}

Result<KernelClassifier> KernelClassifier::load(const Model& model, const ClassifierOptions& options) {
  if (model.input != Shape{std::ssize(kFlowFeatures)})
    return Error{Error::Kind::usage,
                 fmt::format("kernel: wanted a model of {} features of packets, got one of {} inputs; try soma kernel features",
                             kFlowFeatures.size(), elements(model.input))};
  if (options.flows < 1 || options.flows > (1 << 20))
    return Error{Error::Kind::usage, fmt::format("kernel: wanted 1 to {} flows, got {}; try 16384", 1 << 20, options.flows)};
  auto state = std::make_unique<State>();
  state->flows = options.flows;
  auto compiled = prepare_model(model, {.max_products = options.max_products}, kClassifierRaw);
  if (!compiled) return compiled.error();
  state->compiled = std::move(*compiled);
  Compiled& made = state->compiled;
  auto tables = whole_number_tables(model.preprocess, model.input, made.program, 0, kMostFeature, 1);
  if (!tables) return tables.error();
  made.tables = std::move(*tables);
  auto prepared = prepare(made.program, made.tables, 0, kClassifierRaw);
  if (!prepared) return prepared.error();
  made.prepared = std::move(*prepared);
  seal(made, classifier_program(made.prepared.layout, Sight::interface));
  if (std::ssize(options.verdicts) > made.prepared.layout.outputs)
    return Error{Error::Kind::usage, fmt::format("kernel: wanted verdicts for {} classes, got {}; try fewer",
                                                 made.prepared.layout.outputs, options.verdicts.size())};

  const auto take = [](Descriptor& to, Result<Descriptor> got) -> Result<void> {
    if (!got) return got.error();
    to = std::move(*got);
    return {};
  };
  Loaded& loaded = state->loaded;
  std::vector<std::uint8_t> verdicts(static_cast<std::size_t>(kVerdictBytes));
  for (std::size_t i = 0; i < options.verdicts.size(); ++i)
    std::memcpy(verdicts.data() + kVerdicts + 8 * i, &options.verdicts[i], 8);
  if (auto got = take(loaded.inner, create_image_map(made.prepared.image)); !got) return got.error();
  if (auto got = take(loaded.outer, create_outer_map(loaded.inner)); !got) return got.error();
  if (auto got = take(loaded.scratch, create_scratch_map(made.prepared.layout.scratch)); !got) return got.error();
  if (auto got = take(loaded.buckets, create_verdicts_map(verdicts)); !got) return got.error();
  if (auto got = take(loaded.counters, create_counters_map()); !got) return got.error();
  if (auto got = take(loaded.streams, create_hash_map(options.flows, kFlowKeyBytes, kFlowBytes)); !got) return got.error();
  if (auto got = take(loaded.program, state->program(Sight::trial, kClassify)); !got) return got.error();

  KernelClassifier classifier(std::move(state));
  FlowTable flows;
  std::uint64_t now = 1'000'000;
  for (std::uint64_t trial = 0; trial < kChecks; ++trial) {
    const auto frame = any_frame(trial);
    now += random_u32(trial, stream(Stream::test), 9) % 3'000'000;
    const auto said = classifier.label(frame, now);
    if (!said) return said.error();
    const auto features = flows.add(frame, now);
    std::int64_t wanted = -1;
    if (features) {
      std::vector<std::uint8_t> x;
      for (std::size_t i = 0; i < features->size(); ++i)
        x.push_back(byte_of(made.tables, static_cast<std::int64_t>(i), static_cast<std::uint32_t>((*features)[i])));
      const auto sums = interpret(made.program, x).sums;
      std::vector<float> outputs;
      for (std::size_t o = 0; o < sums.size(); ++o)
        outputs.push_back(static_cast<float>(sums[o]) * made.program.output_scales[o]);
      wanted = std::max_element(outputs.begin(), outputs.end()) - outputs.begin();
    }
    if (*said != wanted)
      return Error{Error::Kind::data,
                   fmt::format("kernel: packet {} of a test wanted class {}, got {}; tell us", trial, wanted, *said)};
  }
  // The flows of the test are none of those to come.
  State& s = *classifier.state_;
  if (auto got = take(s.loaded.streams, create_hash_map(options.flows, kFlowKeyBytes, kFlowBytes)); !got) return got.error();
  if (auto got = take(s.loaded.program, s.program(Sight::trial, kClassify)); !got) return got.error();
  return classifier;
}

Result<std::int32_t> KernelClassifier::label(std::span<const std::uint8_t> frame, std::uint64_t nanoseconds) {
  const auto said = test_run_at(state_->loaded.program, frame, nanoseconds);
  if (!said) return said.error();
  return *said == kNoClass ? -1 : static_cast<std::int32_t>(*said);
}

Result<void> KernelClassifier::attach(const std::string& interface, bool egress) {
  State& s = *state_;
  Record record;
  interface.copy(static_cast<char*>(record.interface), sizeof(record.interface) - 1);
  record.process = static_cast<std::uint32_t>(::getpid());
  record.place = egress ? Place::egress : Place::ingress;
  if (const auto written = write_record(s.loaded.buckets, record); !written) return written.error();
  const auto program = s.program(Sight::interface, kClassify);
  if (!program) return program.error();
  auto link = link_tc(*program, interface, egress);
  if (!link) return link.error();
  s.link = std::move(*link);
  return {};
}

Result<void> KernelClassifier::gate(int socket) {
  const auto program = state_->program(Sight::socket, kSocketFilter);
  if (!program) return program.error();
  const int fd = program->get();
  if (::setsockopt(socket, SOL_SOCKET, kAttachProgram, &fd, sizeof(fd)) == 0) return {};
  return Error{Error::Kind::unavailable,
               fmt::format("kernel: wanted a socket to guard, got '{}'; try one for UDP", std::strerror(errno))};
}

Result<void> KernelClassifier::gate(std::int64_t process, std::uint16_t port) {
  const Descriptor there(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  if (there.get() < 0)
    return Error{Error::Kind::usage,
                 fmt::format("kernel: wanted a process, got {}: {}; try another --process", process, std::strerror(errno))};
  std::error_code error;
  for (std::filesystem::directory_iterator it(fmt::format("/proc/{}/fd", process), error), end; !error && it != end;
       it.increment(error)) {
    const std::string number = it->path().filename().string();
    Descriptor socket(static_cast<int>(::syscall(SYS_pidfd_getfd, there.get(), std::atoi(number.c_str()), 0)));
    if (socket.get() < 0 && errno == EPERM)
      return Error{Error::Kind::unavailable,
                   fmt::format("kernel: wanted a socket of process {}, got '{}': CAP_SYS_PTRACE is missing; try root", process,
                               std::strerror(EPERM))};
    int type = 0;
    socklen_t size = sizeof(type);
    sockaddr_storage address{};
    socklen_t length = sizeof(address);
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_DGRAM ||
        ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
        (address.ss_family != AF_INET && address.ss_family != AF_INET6) ||
        ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port) != port)
      continue;
    if (const auto attached = gate(socket.get()); !attached) return attached;
    state_->socket = std::move(socket);
    return {};
  }
  return Error{Error::Kind::usage,
               fmt::format("kernel: wanted a UDP socket of process {} at port {}, got none; try ss -lup", process, port)};
}

Result<KernelClassifier::Counters> KernelClassifier::counters() const {
  const auto words = read_counters(state_->loaded.counters);
  if (!words) return words.error();
  return Counters{(*words)[kPassedPackets / 8], (*words)[kDroppedPackets / 8], (*words)[kMarkedPackets / 8]};
}

bool KernelClassifier::attached() const {
  if (!state_->link) return state_->socket.has_value();
  const auto facts = facts_of_link(*state_->link);
  return facts && facts->interface_index != 0;
}

}  // namespace soma
