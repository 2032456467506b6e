// an address → threads that accept connections on it, each with an io_context of its own, until they are told to drain.
#include <fmt/format.h>
#include <linux/filter.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>
#include <thread>
#include <vector>

#include "serve/http.h"
#include "serve/http_connection.h"

namespace soma::http {
namespace {

using Tcp = boost::asio::ip::tcp;
using Acceptor = boost::asio::basic_socket_acceptor<Tcp, boost::asio::io_context::executor_type>;
constexpr std::chrono::milliseconds kTick{500}, kDrainTick{50}, kLastArrivals{300}, kRetry{100};
constexpr unsigned kSettle = 4;  // ticks
constexpr int kBacklog = 4096;

/// Connections that arrive from now on go to other members of the port's group than its first `own`: to the server that takes
/// over, or to nobody else when there is none (an index beyond the group falls back to all of it).
void send_newcomers_on(int listener, std::uint32_t own) {
  // NOLINTBEGIN(misc-redundant-expression): several of these names are zero
  sock_filter program[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_RANDOM)},
                           {BPF_ALU | BPF_MOD | BPF_K, 0, 0, own},
                           {BPF_ALU | BPF_ADD | BPF_K, 0, 0, own},
                           {BPF_RET | BPF_A, 0, 0, 0}};
  // NOLINTEND(misc-redundant-expression)
  const sock_fprog filter = {4, program};
  ::setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter);
}

class Worker final : public Loop {
 public:
  Worker(const ServerOptions& options, ssl_ctx_st* tls, std::atomic<std::size_t>& total) : tls_(tls), thread_(options.budget) {
    thread_.limits = options.limits;
    thread_.total = &total;
    thread_.aside = options.aside;
    thread_.loop = this;
    renew_date();
  }
  ~Worker() override {
    while (thread_.connections != nullptr) delete thread_.connections;
  }

  boost::system::error_code listen(const Tcp::endpoint& endpoint, bool share) {
    boost::system::error_code error;
    const auto step = [&](auto&& what) {
      if (!error) what();
    };
    const int on = 1;
    protocol_ = endpoint.protocol();
    acceptor_.open(protocol_, error);
    step([&] { acceptor_.set_option(Acceptor::reuse_address(true), error); });
    step([&] {
      if (share && ::setsockopt(acceptor_.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        error = {errno, boost::system::system_category()};
    });
    step([&] { acceptor_.bind(endpoint, error); });
    step([&] { acceptor_.listen(kBacklog, error); });
    step([&] { acceptor_.non_blocking(true, error); });
    if (error) unlisten();
    return error;
  }
  void unlisten() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
  }
  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  void run(std::unique_ptr<Application> application) {
    application_ = std::move(application);
    thread_.application = application_.get();
    for (bool goes_on = true; goes_on;) {
      try {
        if (!accepting_) accept();
        if (!ticking_) tick();
        context_.run();
        goes_on = false;
      } catch (const std::bad_alloc&) {  // of what asio itself wanted: nothing is lost but the one thing that was going on
        thread_.slabs.trim();
      }
    }
    abort_all();
    context_.restart();
    context_.poll();  // the handlers of what was just aborted; they live in the connections' own memory
  }

  void drain(std::chrono::milliseconds limit, std::uint32_t own) {
    post([this, limit, own] {
      if (thread_.draining) return;
      thread_.draining = true;
      end_ = Clock::now() + limit;
      last_arrivals_ = Clock::now() + std::min(kLastArrivals, limit);
      send_newcomers_on(acceptor_.native_handle(), own);
      timer_.cancel();
    });
  }

  void use(ssl_ctx_st* tls) {
    post([this, tls] { tls_ = tls; });
  }
  void post(std::function<void()> action) override { boost::asio::post(context_, std::move(action)); }
  void defer(void (*action)(void*), void* context) override {
    boost::asio::post(context_, [action, context] { action(context); });
  }
  void after(std::chrono::microseconds delay, void (*action)(void*), void* context) override {
    auto timer = std::make_shared<boost::asio::steady_timer>(context_, delay);
    timer->async_wait([timer, action, context](const boost::system::error_code&) { action(context); });
  }

 private:
  void accept() {
    accepting_ = true;
    acceptor_.async_wait(Acceptor::wait_read, [this](const boost::system::error_code& error) {
      accepting_ = false;
      if (error || !acceptor_.is_open()) return void(accepting_ = true);  // for good
      if (take_arrivals()) return accept();
      accepting_ = true;
      retry_.expires_after(kRetry);
      retry_.async_wait([this](const boost::system::error_code&) { accept(); });
    });
  }

  /// False when the process has no descriptors or memory left.
  bool take_arrivals() {
    for (;;) {
      const int descriptor = ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor < 0) {
        if (errno == ECONNABORTED || errno == EINTR) continue;
        return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
      }
      TcpSocket socket(context_);
      boost::system::error_code error;
      socket.assign(protocol_, descriptor, error);
      if (error) {
        ::close(descriptor);
        continue;
      }
      Connection* connection = nullptr;
      try {
        connection = new Connection(thread_, std::move(socket), tls_);  // deletes itself
      } catch (const std::bad_alloc&) {
        return false;
      }
      if (thread_.total->load(std::memory_order_relaxed) > thread_.limits.connections)
        connection->turn_away();
      else
        connection->start();
    }
  }

  void tick() {
    ticking_ = false;
    const Clock::time_point now = Clock::now();
    renew_date();
    most_ = std::max(most_, thread_.count);
    if (Connection* connection = thread_.connections; connection != nullptr) {
      for (std::size_t left = thread_.count; left > 0; --left) {
        Connection* next = connection->next;
        connection->tick(now);
        connection = next;
      }
    }
    if (most_ > 1000 && thread_.count < most_ / 4) {  // a crowd has left: its memory leaves too
      most_ = thread_.count;
      thread_.slabs.trim();
      ::malloc_trim(0);
    }
    if (++ticks_ % kSettle == 0) thread_.slabs.settle();
    application_->on_tick();
    if (thread_.draining && is_over(now)) return context_.stop();
    timer_.expires_after(thread_.draining ? kDrainTick : kTick);
    timer_.async_wait([this](const boost::system::error_code&) { tick(); });
    ticking_ = true;
  }

  /// While draining: true when there is nothing left to wait for.
  bool is_over(Clock::time_point now) {
    if (acceptor_.is_open() && now >= last_arrivals_) {
      take_arrivals();
      unlisten();
    }
    return (!acceptor_.is_open() && thread_.count == 0) || now >= end_;
  }

  void abort_all() {
    unlisten();
    Connection* connection = thread_.connections;
    for (std::size_t left = thread_.count; left > 0; --left) {
      Connection* next = connection->next;
      connection->abort();
      connection = next;
    }
  }

  void renew_date() {
    char text[64];
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    thread_.date.assign(text, std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc));
  }

  ssl_ctx_st* tls_;
  Thread thread_;
  std::unique_ptr<Application> application_;
  boost::asio::io_context context_{1};
  Acceptor acceptor_{context_};
  Tcp protocol_ = Tcp::v4();
  boost::asio::steady_timer timer_{context_}, retry_{context_};
  bool accepting_ = false, ticking_ = false;
  unsigned ticks_ = 0;
  Clock::time_point end_, last_arrivals_;
  std::size_t most_ = 0;
};

class ThreadedServer final : public Server {
 public:
  explicit ThreadedServer(TlsContext tls) { tls_.push_back(std::move(tls)); }
  ~ThreadedServer() override {
    drain(std::chrono::milliseconds(0));
    for (std::thread& thread : threads_) thread.join();
  }

  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] Loop& loop(int thread) override { return *workers_[static_cast<std::size_t>(thread)]; }
  [[nodiscard]] bool finished() const override { return running_.load() == 0; }
  [[nodiscard]] std::size_t connections() const override { return total_.load(std::memory_order_relaxed); }

  Result<void> listen(const ServerOptions& options, const Tcp::endpoint& wanted) {
    // Without SO_REUSEPORT first: a port where somebody listens already is an error, unless sharing was asked for.
    Tcp::endpoint endpoint = wanted;
    boost::system::error_code error;
    if (!options.share_port) {
      error = workers_[0]->listen(endpoint, false);
      if (!error) endpoint.port(workers_[0]->port());
      workers_[0]->unlisten();
    }
    for (const auto& worker : workers_) {
      if (!error) error = worker->listen(endpoint, true);
      if (!error) endpoint.port(worker->port());
    }
    if (error)
      return Error{Error::Kind::io, fmt::format("serve: wanted to listen on {}:{}, got '{}'; try another --listen HOST:PORT{}",
                                                options.host, endpoint.port(), error.message(),
                                                error == boost::system::errc::address_in_use ? " or --share-port" : "")};
    port_ = endpoint.port();
    return {};
  }

  void start(const std::function<std::unique_ptr<Application>(int thread)>& application) override {
    running_ = static_cast<int>(workers_.size());
    for (std::size_t i = 0; i < workers_.size(); ++i)
      threads_.emplace_back([this, i, mine = application(static_cast<int>(i))]() mutable {
        workers_[i]->run(std::move(mine));
        --running_;
      });
  }

  void drain(std::chrono::milliseconds limit) override {
    for (const auto& worker : workers_) worker->drain(limit, static_cast<std::uint32_t>(workers_.size()));
  }

  Result<void> use_certificate(const std::string& certificate, const std::string& key) override {
    auto context = tls_context(certificate, key);
    if (!context) return context.error();
    tls_.push_back(std::move(*context));
    for (const auto& worker : workers_) worker->use(tls_.back().get());
    return {};
  }

  std::atomic<std::size_t>& total() { return total_; }
  void add(std::unique_ptr<Worker> worker) { workers_.push_back(std::move(worker)); }

 private:
  std::vector<TlsContext> tls_;  // the last one is in use; those before may be until their connections end
  std::atomic<std::size_t> total_{0};
  std::atomic<int> running_{0};
  std::uint16_t port_ = 0;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

Result<Tcp::endpoint> endpoint_of(const ServerOptions& options) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(options.host == "localhost" ? "127.0.0.1" : options.host, error);
  if (error)
    return Error{
        Error::Kind::usage,
        fmt::format("serve: wanted an IP address to listen on, got '{}'; try 127.0.0.1, 0.0.0.0 or [::1]", options.host)};
  return Tcp::endpoint(address, options.port);
}

/// As many descriptors as the system allows: each connection is one.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Result<std::unique_ptr<Server>> Server::create(const ServerOptions& options) {
  const auto endpoint = endpoint_of(options);
  if (!endpoint) return endpoint.error();
  TlsContext tls;
  if (!options.certificate.empty() || !options.key.empty()) {
    auto context = tls_context(options.certificate, options.key);
    if (!context) return context.error();
    tls = std::move(*context);
  }
  raise_descriptor_limit();
  ssl_ctx_st* context = tls.get();
  auto server = std::make_unique<ThreadedServer>(std::move(tls));
  for (int i = 0; i < options.threads; ++i) server->add(std::make_unique<Worker>(options, context, server->total()));
  if (const auto listening = server->listen(options, *endpoint); !listening) return listening.error();
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace soma::http
