// sockets → requests, answers → sockets: HTTP/1.1 for whoever answers. Knows no neural network.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "serve/slab.h"
#include "soma/error.h"

namespace soma {
struct Route;
}

namespace soma::http {

using Clock = std::chrono::steady_clock;

enum class Method { get, head, post, options, other };

/// The head of a request. Views into the bytes it was read from; empty = the field was not sent.
struct Head {
  Method method = Method::other;
  std::string_view method_text, target;  ///< the target's path and query, or "*"
  std::string_view host, origin, accept, accept_encoding, authorization, content_encoding, content_type, inference_header_length;
  std::string_view traceparent, request_id;
  std::uint64_t length = 0;  ///< of the body, when it is not chunked
  bool chunked = false, keep_alive = false, expects_continue = false, has_host = false;
};

struct Limits {
  std::size_t header_bytes = std::size_t{16} << 10, fields = 100;
  std::size_t body_bytes = std::size_t{64} << 20;  ///< as sent, and again after decompression
  std::size_t chunks = 65536;
  std::size_t connections = 16384;
  std::chrono::milliseconds idle{75000};    ///< between two requests
  std::chrono::milliseconds header{10000};  ///< from the first byte of a request to the end of its head
  std::chrono::milliseconds body{10000};    ///< in each such stretch of time a body that is not whole brings …
  std::size_t body_rate = 4096;             ///< … so many bytes a second, whatever it brought before
  std::chrono::milliseconds write{30000};   ///< without the client taking a byte
};

/// What a request asks for, as the application has found out from its head. HTTP itself does not look at it.
struct Asked {
  const Route* route = nullptr;
  std::string_view name, version;  ///< views into the target, or into `path`
  std::string path;                ///< the target's path, where it had to be decoded
};

/// One request and the place for its answer. Lives until send() was called, on one thread.
class Exchange {
 public:
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Head head;
  Asked asked;
  std::size_t most_body = 0;        ///< on_head() may lower it
  std::string_view always;          ///< whole lines that any answer to this request has, refusals included
  std::span<const std::byte> body;  ///< decompressed
  Clock::time_point arrived;
  Buffer reply;  ///< empty at first: the body of the answer goes here

  /// The answer is complete. `fields` are whole lines, "Name: value\r\n" each. Afterwards this exchange belongs to its
  /// connection.
  virtual void send(int status, std::string_view content_type, std::string_view fields = {}) = 0;
  /// 503 that takes no memory, and the end of the connection.
  virtual void fail() noexcept = 0;
  /// "127.0.0.1:43210".
  [[nodiscard]] virtual std::string peer() const = 0;
  /// Of the answer's body as it was sent.
  [[nodiscard]] virtual std::size_t answer_bytes() const = 0;

 protected:
  Exchange() = default;
  ~Exchange() = default;
};

class Aside;

/// One thread's queue of things to do.
class Loop {
 public:
  virtual ~Loop() = default;
  /// From any thread.
  virtual void post(std::function<void()> action) = 0;
  /// On this thread, after all that is ready now. Allocates nothing once warm.
  virtual void defer(void (*action)(void*), void* context) = 0;
  virtual void after(std::chrono::microseconds delay, void (*action)(void*), void* context) = 0;
};

/// Who answers: one object per thread, called on that thread only. What on_head() or on_request() throw ends the one connection;
/// then nobody else has its exchange.
class Application {
 public:
  virtual ~Application() = default;
  /// The head is whole; of the body nothing was kept yet, and no 100 Continue was sent. True: this may be asked. Otherwise it was
  /// answered.
  virtual bool on_head(Exchange& exchange) = 0;
  /// Answers now, or later by exchange.send() on the same thread.
  virtual void on_request(Exchange& exchange) = 0;
  /// Each answer that went out, those of the HTTP layer itself included.
  virtual void on_answered(const Exchange& exchange, int status) = 0;
  /// Twice a second.
  virtual void on_tick() = 0;
};

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0 = any free one
  int threads = 1;
  bool share_port = false;  ///< join a server that listens there already (SO_REUSEPORT)
  Limits limits;
  std::string certificate, key;  ///< PEM files; both or neither
  Budget* budget = nullptr;      ///< what all connections may hold; outlives the server
  Aside* aside = nullptr;        ///< unpacks large bodies, if there is one; outlives the server, and is stopped before it
};

/// Threads that listen on one address, each with a queue and connections of its own.
class Server {
 public:
  /// Binds, so that failures show before anything starts.
  [[nodiscard]] static Result<std::unique_ptr<Server>> create(const ServerOptions& options);
  virtual ~Server() = default;

  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual Loop& loop(int thread) = 0;
  /// Starts the threads; application(thread) is who answers on each.
  virtual void start(const std::function<std::unique_ptr<Application>(int thread)>& application) = 0;
  /// Takes what has already arrived, ends every connection after its current request, then stops; at the latest after `limit`.
  virtual void drain(std::chrono::milliseconds limit) = 0;
  /// New connections use what is in these files now; when they cannot be read, what there was.
  [[nodiscard]] virtual Result<void> use_certificate(const std::string& certificate, const std::string& key) = 0;
  [[nodiscard]] virtual bool finished() const = 0;
  [[nodiscard]] virtual std::size_t connections() const = 0;
};

/// Equal but for the case of letters, as names in HTTP are.
bool same_word(std::string_view a, std::string_view b);

/// The parameters behind the first word of a field, `text/csv; charset="utf-8"` (RFC 9110, 5.6.6), by their names in lower case;
/// `\"` and `\\` in quotes stand for what is behind the stroke. Nothing when one is malformed or comes twice.
std::optional<std::map<std::string, std::string>> parameters(std::string_view field);

/// Whether the field Accept names this type, with a weight above 0; wildcards do not name it.
bool accepts(std::string_view field, std::string_view type);

/// What a token, as names are, may hold (5.6.2).
bool is_token(char c);

/// Without spaces and tabs at both ends.
std::string_view trimmed(std::string_view text);

/// "Not Found".
std::string_view reason(int status);

/// Appends {"error":"…"} with the message made valid JSON.
void append_error(Buffer& body, std::string_view message);

}  // namespace soma::http
