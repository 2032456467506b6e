// questions over UDP → answers: the kernel's for the model that fits there, this process's for everything else.
#include "serve/datagrams.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "inkernel/message.h"

namespace soma {
namespace {

constexpr std::size_t kLongest = 65536;

/// An address without its port.
std::string_view address_in(const sockaddr* address) {
  const auto bytes = [](const auto& part) { return std::string_view(reinterpret_cast<const char*>(&part), sizeof(part)); };
  if (address != nullptr && address->sa_family == AF_INET) return bytes(reinterpret_cast<const sockaddr_in*>(address)->sin_addr);
  if (address != nullptr && address->sa_family == AF_INET6)
    return bytes(reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  return {};
}

/// Address and port.
std::string client_of(const sockaddr_storage& peer) {
  const auto* address = reinterpret_cast<const sockaddr*>(&peer);
  return std::string(address_in(address)) + std::to_string(reinterpret_cast<const sockaddr_in*>(&peer)->sin_port);
}

/// The network interface that has an address; "" for the address of all.
std::string interface_of(const sockaddr* address) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return "";
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> all(first, &::freeifaddrs);
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next)
    if (!address_in(each->ifa_addr).empty() && address_in(each->ifa_addr) == address_in(address)) return each->ifa_name;
  return "";
}

/// The numbers that a question is about, in its order.
std::vector<float> numbers_of(const message::Question& question, double int16_units) {
  std::vector<float> numbers(static_cast<std::size_t>(question.count));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::int16_t whole = 0;
    if (question.type == ValueType::byte) numbers[i] = question.values[i];
    if (question.type == ValueType::float32) std::memcpy(&numbers[i], &question.values[4 * i], 4);
    if (question.type != ValueType::int16) continue;
    std::memcpy(&whole, &question.values[2 * i], 2);
    numbers[i] = static_cast<float>(whole / int16_units);
  }
  return numbers;
}

/// In the order of a picture → what Engine::fill takes as floats: channels first.
void spread(const std::vector<float>& numbers, std::size_t channels, std::vector<float>& x) {
  const std::size_t places = numbers.size() / channels;
  for (std::size_t i = 0; i < numbers.size(); ++i) x[i % channels * places + i / channels] = numbers[i];
}

/// The last numbers of each client that sends what is new alone; those that asked longest ago are forgotten.
class Windows {
 public:
  explicit Windows(std::int64_t most) : most_(static_cast<std::size_t>(most)) {}

  /// `fresh`, which begin at `position` of a stream → the last `count` of it; false where those before are not known.
  bool add(const std::string& client, std::uint32_t model, std::uint64_t position, std::vector<float>& fresh, std::size_t count) {
    if (most_ == 0) return false;
    const std::uint64_t next = position + fresh.size();
    const auto known = windows_.find(client);
    if (fresh.size() < count) {
      if (known == windows_.end() || known->second.model != model || known->second.numbers.size() != count) return false;
      Window& window = known->second;
      if (window.next == next)  // asked again
        fresh = window.numbers;
      else if (window.next == position)
        fresh.insert(fresh.begin(), window.numbers.begin() + static_cast<std::ptrdiff_t>(fresh.size()), window.numbers.end());
      else
        return false;
    }
    if (known == windows_.end() && windows_.size() == most_)
      windows_.erase(std::min_element(windows_.begin(), windows_.end(),
                                      [](const auto& a, const auto& b) { return a.second.turn < b.second.turn; }));
    windows_[client] = {next, ++turn_, model, fresh};
    return true;
  }

 private:
  struct Window {
    std::uint64_t next = 0, turn = 0;
    std::uint32_t model = 0;
    std::vector<float> numbers;
  };
  const std::size_t most_;
  std::uint64_t turn_ = 0;
  std::map<std::string, Window> windows_;
};

}  // namespace

/// The models as the listening thread has them.
struct Datagrams::Voices {
  struct Voice {
    std::shared_ptr<ServedVersion> version;
    std::unique_ptr<Engine> engine;
    std::uint32_t tag = 0;  ///< 0: it has none
    std::vector<float> x;

    /// What the engine was filled with.
    void say(KernelAnswer& answer) {
      const float* y = engine->run(1);
      const std::int64_t outputs = engine->output_size();
      answer.label = static_cast<std::int32_t>(std::max_element(y, y + outputs) - y);
      answer.outputs.assign(y, y + outputs);
    }
  };
  explicit Voices(std::int64_t streams) : windows(streams) {}
  std::vector<Voice> all;
  Voice* any = nullptr;
  Windows windows;

  [[nodiscard]] Voice* find(std::uint32_t tag) {
    if (tag == 0) return any;
    const auto named = std::find_if(all.begin(), all.end(), [&](const Voice& each) { return each.tag == tag; });
    return named == all.end() ? nullptr : &*named;
  }
};

Datagrams::Datagrams(int socket, KernelOptions options, std::string interface, ServeKernel wanted, Tell tell)
    : socket_(socket),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      options_(options),
      interface_(std::move(interface)),
      wanted_(wanted),
      tell_(std::move(tell)) {}

Datagrams::~Datagrams() {
  if (thread_.joinable()) {
    ::eventfd_write(stop_, 1);
    thread_.join();
  }
  ::close(stop_);
  ::close(socket_);
}

Result<std::unique_ptr<Datagrams>> Datagrams::bind(const std::string& host, const ServeOptions& options, Tell tell) {
  KernelOptions kernel = options.udp;
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(kernel.port);
  const auto failed = [&](std::string_view what) {
    return Error{Error::Kind::io,
                 fmt::format("serve: wanted UDP port {} at {}, got '{}'; try another --kernel-port", port, host, what)};
  };
  if (const int status = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); status != 0)
    return failed(::gai_strerror(status));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, &::freeaddrinfo);
  const int socket = ::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  const auto set = [&](int level, int name) { return ::setsockopt(socket, level, name, &yes, sizeof(yes)) == 0; };
  // Answers leave from the address that was asked, which on a machine with several is not the system's choice.
  const bool ready =
      socket >= 0 && (found->ai_family == AF_INET6 ? set(IPPROTO_IPV6, IPV6_RECVPKTINFO) : set(IPPROTO_IP, IP_PKTINFO)) &&
      (!options.share_port || set(SOL_SOCKET, SO_REUSEPORT)) && ::bind(socket, found->ai_addr, found->ai_addrlen) == 0;
  sockaddr_storage bound{};
  socklen_t length = sizeof(bound);
  if (!ready || ::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &length) != 0) {
    const auto error = failed(std::strerror(errno));
    if (socket >= 0) ::close(socket);
    return error;
  }
  kernel.port = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port
                                                  : reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  std::string interface = options.kernel_interface;
  if (interface.empty()) interface = interface_of(reinterpret_cast<const sockaddr*>(&bound));
  return std::unique_ptr<Datagrams>(new Datagrams(socket, kernel, std::move(interface), options.kernel, std::move(tell)));
}

Result<void> Datagrams::into_kernel(const ServedVersion& version) {
  if (interface_.empty())
    return Error{Error::Kind::usage, "kernel: wanted a network interface, got the address of all of them; try --kernel-dev eth0"};
  if (kernel_ && kernel_->attached()) {
    const auto swapped = kernel_->swap(version.model);
    if (!swapped) return swapped.error();
    return {};
  }
  auto program = KernelProgram::load(version.model, options_);
  if (!program) return program.error();
  const auto mode = program->attach(interface_);
  if (!mode) return mode.error();
  mode_ = *mode == KernelMode::native ? "native" : "generic";
  kernel_ = std::move(*program);
  return {};
}

Result<void> Datagrams::use(const ServedTable& table, const std::string& name) {
  auto voices = std::make_shared<Voices>(options_.streams);
  voices->all.reserve(table.size());  // they are pointed at
  for (const auto& [each, version] : table) {
    if (version->engines.empty()) continue;  // a graph, whose samples may be anything
    auto& voice = voices->all.emplace_back();
    voice.version = version;
    voice.engine = version->engines.front()->twin();
    voice.x.resize(static_cast<std::size_t>(voice.engine->sample_size()));
    if (const auto tag = kernel_model_tag(version->model, options_.int16_units)) voice.tag = *tag;
    if (each == name || (name.empty() && table.size() == 1)) voices->any = &voice;
  }
  const Voices::Voice* any = voices->any;
  std::string who = fmt::format("UDP port {}: ", options_.port);
  Result<void> refused;
  const bool first = !thread_.joinable();
  if (any == nullptr) {
    kernel_.reset();
    who += fmt::format("'{}' takes no samples that a question has room for, other models are answered here", name);
  } else if (wanted_ == ServeKernel::off) {
    who += "answered here";
  } else {
    const bool there = kernel_ && kernel_->attached() && kernel_->model_tag() == any->tag;
    if (!there) refused = into_kernel(*any->version);
    if (!refused) kernel_.reset();  // the one before must not answer in its place
    const auto& face = any->version->face;
    who += refused ? fmt::format("{} version {} answered inside the kernel ({} XDP on {}), all else here", face.name,
                                 face.version, mode_, interface_)
                   : fmt::format("answered here, not inside the kernel: {}", refused.error().message);
  }
  if (first && !refused && wanted_ == ServeKernel::require) return refused;
  const bool news = !first && who != who_;
  {
    const std::lock_guard lock(mutex_);
    voices_ = std::move(voices);
    who_ = who;
  }
  if (first) thread_ = std::thread([this] { listen(); });
  if (news) tell_("serve: " + who);
  return {};
}

std::string Datagrams::who() const {
  const std::lock_guard lock(mutex_);
  return who_;
}

void Datagrams::listen() {
  std::vector<std::uint8_t> buffer(kLongest);
  std::array<pollfd, 2> waiting = {pollfd{socket_, POLLIN, 0}, pollfd{stop_, POLLIN, 0}};
  while (::poll(waiting.data(), waiting.size(), -1) >= 0 || errno == EINTR) {
    if (waiting[1].revents != 0) return;
    answer(buffer);
  }
}

/// All that wait.
void Datagrams::answer(std::span<std::uint8_t> buffer) {
  std::shared_ptr<Voices> voices;
  {
    const std::lock_guard lock(mutex_);
    voices = voices_;
  }
  constexpr int kAtOnce = 64;  // then others look in
  for (int i = 0; i < kAtOnce; ++i) {
    sockaddr_storage peer{};
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<std::uint8_t, 64> control;
    msghdr head{&peer, sizeof(peer), &part, 1, control.data(), control.size(), 0};
    const ssize_t size = ::recvmsg(socket_, &head, 0);
    if (size < 0) return;
    const auto question = message::read_question(buffer.first(static_cast<std::size_t>(size)));
    if (!question) continue;
    Voices::Voice* voice = voices->find(question->model);
    if (voice == nullptr || question->count > voice->engine->sample_size() || question->count == 0) continue;
    const std::int64_t outputs = voice->engine->output_size(), count = voice->engine->sample_size();
    if (size < message::kHeader + 4 * outputs) continue;  // no answer is longer than its question
    KernelAnswer answer{question->id, voice->tag, -1, {}};
    if (!question->position && question->type == ValueType::byte && question->count == count) {
      voice->engine->fill(0, std::as_bytes(question->values).data(), 1, Layout::bytes);
      voice->say(answer);
    } else {
      std::vector<float> numbers = numbers_of(*question, options_.int16_units);
      if (!question->position && question->count < count) continue;
      if (!question->position ||
          voices->windows.add(client_of(peer), voice->tag, *question->position, numbers, static_cast<std::size_t>(count))) {
        const Shape& shape = voice->version->model.input;
        spread(numbers, static_cast<std::size_t>(shape.size() == 3 ? shape[0] : count), voice->x);
        voice->engine->fill(0, std::as_bytes(std::span(voice->x)).data(), 1, Layout::floats);
        voice->say(answer);
      }
    }
    auto bytes = message::make_answer(answer);
    part = {bytes.data(), bytes.size()};
    head.msg_flags = 0;
    (void)::sendmsg(socket_, &head, 0);  // who cannot be answered asks again
  }
}

}  // namespace soma
