// a connected socket, plain or TLS → bytes read and written without ever waiting.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "soma/error.h"

struct ssl_st;
struct ssl_ctx_st;

namespace soma::http {

/// Without the virtual calls of any_io_executor.
using TcpSocket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

struct TlsContextFree {
  void operator()(ssl_ctx_st* context) const;
};
using TlsContext = std::unique_ptr<ssl_ctx_st, TlsContextFree>;

/// TLS 1.2 or later with this certificate chain and its key.
[[nodiscard]] Result<TlsContext> tls_context(const std::string& certificate, const std::string& key);

/// Owns its descriptor. Plain without a context.
class Socket {
 public:
  enum class Outcome { ok, wait_read, wait_write, closed };
  struct Moved {
    Outcome outcome = Outcome::closed;
    std::size_t bytes = 0;
    bool drained = false;  ///< read: the next byte has yet to arrive
  };

  Socket(TcpSocket socket, ssl_ctx_st* context);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  Moved read(std::byte* to, std::size_t room);
  Moved write(std::string_view bytes);
  /// Says goodbye: no more will be written.
  void finish();
  void close();
  /// The client gets a reset instead of what was not yet sent: nothing lingers in the kernel.
  void abort();
  [[nodiscard]] TcpSocket& tcp() { return socket_; }
  [[nodiscard]] const TcpSocket& tcp() const { return socket_; }

 private:
  Moved tls_outcome(int result);
  TcpSocket socket_;
  ssl_st* tls_ = nullptr;
};

}  // namespace soma::http
