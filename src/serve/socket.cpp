// a connected socket, plain or TLS → bytes read and written without ever waiting.
#include "serve/socket.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace soma::http {
namespace {

Error tls_error(std::string_view wanted, const std::string& file) {
  char text[256] = "unknown reason";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return {Error::Kind::io,
          fmt::format("serve: wanted {} in {}, got {}; try PEM files, the key without a password", wanted, file, text)};
}

}  // namespace

void TlsContextFree::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Result<TlsContext> tls_context(const std::string& certificate, const std::string& key) {
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  if (!context) return tls_error("a TLS context", "OpenSSL");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // An encrypted key is an error; nobody is asked for its password on a terminal.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return -1; });
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1)
    return tls_error("a certificate chain", certificate);
  if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) return tls_error("a private key", key);
  if (SSL_CTX_check_private_key(context.get()) != 1) return tls_error("the key of " + certificate, key);
  return context;
}

Socket::Socket(TcpSocket socket, ssl_ctx_st* context) : socket_(std::move(socket)) {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  const int on = 1;
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (context == nullptr) return;
  tls_ = SSL_new(context);
  if (tls_ == nullptr || SSL_set_fd(tls_, socket_.native_handle()) != 1) throw std::bad_alloc();
  SSL_set_accept_state(tls_);
}

Socket::~Socket() {
  if (tls_ != nullptr) SSL_free(tls_);
}

Socket::Moved Socket::tls_outcome(int result) {
  const int reason = SSL_get_error(tls_, result);
  ERR_clear_error();
  if (reason == SSL_ERROR_WANT_READ) return {Outcome::wait_read};
  if (reason == SSL_ERROR_WANT_WRITE) return {Outcome::wait_write};
  return {Outcome::closed};
}

Socket::Moved Socket::read(std::byte* to, std::size_t room) {
  if (tls_ != nullptr) {
    const int got = SSL_read(tls_, to, static_cast<int>(std::min<std::size_t>(room, INT_MAX)));
    return got > 0 ? Moved{Outcome::ok, static_cast<std::size_t>(got)} : tls_outcome(got);
  }
  const ssize_t got = ::recv(socket_.native_handle(), to, room, 0);
  if (got > 0) return {Outcome::ok, static_cast<std::size_t>(got), static_cast<std::size_t>(got) < room};
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return {Outcome::wait_read};
  return {Outcome::closed};
}

Socket::Moved Socket::write(std::string_view bytes) {
  if (tls_ != nullptr) {
    const int sent = SSL_write(tls_, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX)));
    return sent > 0 ? Moved{Outcome::ok, static_cast<std::size_t>(sent)} : tls_outcome(sent);
  }
  const ssize_t sent = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) return {Outcome::ok, static_cast<std::size_t>(sent)};
  if (errno == EAGAIN || errno == EINTR) return {Outcome::wait_write};
  return {Outcome::closed};
}

void Socket::finish() {
  if (tls_ != nullptr) {
    SSL_shutdown(tls_);
    ERR_clear_error();
  }
  ::shutdown(socket_.native_handle(), SHUT_WR);
}

void Socket::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Socket::abort() {
  const linger now = {1, 0};
  ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

}  // namespace soma::http
