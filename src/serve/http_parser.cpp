// bytes → the head of a request, and the body out of its chunks. Trusts nothing. Boost.Beast does the work.
#include "serve/http_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/optional.hpp>
#include <new>

namespace soma::http {
namespace {

namespace beast = boost::beast;
using beast::http::field;
using beast::http::verb;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

bool same_word(std::string_view a, std::string_view b) { return beast::iequals({a.data(), a.size()}, {b.data(), b.size()}); }

}  // namespace

/// Keeps views of the few fields that are wanted, so nothing is copied and nothing allocated.
class Parser::Fields : public beast::http::basic_parser<true> {
 public:
  explicit Fields(const Limits& limits) : limits_(limits) {
    header_limit(static_cast<std::uint32_t>(limits.header_bytes));
    body_limit(limits.body_bytes);
    eager(false);
  }

  Head* head = nullptr;
  void (*sink)(void*, std::string_view) = nullptr;
  void* context = nullptr;
  Refusal refusal;

 private:
  void refuse(int status, std::string_view message, beast::error_code& error) {
    refusal = {status, message};
    error = beast::http::error::bad_value;
  }

  void on_request_impl(verb method, beast::string_view text, beast::string_view target, int version,
                       beast::error_code& error) override {
    old_ = version < 11;
    head->method_text = view(text);
    head->target = view(target);
    switch (method) {
      case verb::get:
        head->method = Method::get;
        break;
      case verb::head:
        head->method = Method::head;
        break;
      case verb::post:
        head->method = Method::post;
        break;
      case verb::options:
        head->method = Method::options;
        break;
      default:
        head->method = Method::other;
    }
    if (head->target.empty() || (head->target[0] != '/' && head->target != "*"))
      refuse(400, "http: wanted a path that begins with /, got another kind of target; try /v2", error);
  }

  void on_field_impl(field name, beast::string_view name_text, beast::string_view value, beast::error_code& error) override {
    if (++fields_ > limits_.fields) return refuse(431, "http: too many header fields; try fewer", error);
    const std::string_view text = view(value);
    switch (name) {
      case field::accept:
        head->accept = text;
        break;
      case field::accept_encoding:
        head->accept_encoding = text;
        break;
      case field::authorization:
        head->authorization = text;
        break;
      case field::content_encoding:
        head->content_encoding = text;
        break;
      case field::content_type:
        head->content_type = text;
        break;
      case field::expect:
        if (!same_word(text, "100-continue"))
          return refuse(417, "http: wanted Expect: 100-continue, got another expectation", error);
        head->expects_continue = true;
        break;
      case field::transfer_encoding:
        // Anything that is not exactly this leaves open where the body ends: the door of request smuggling (RFC 9112, 6.1).
        if (!same_word(text, "chunked"))
          return refuse(501, "http: wanted Transfer-Encoding: chunked, got another coding; try Content-Encoding", error);
        break;
      case field::unknown:
        if (same_word(view(name_text), "inference-header-content-length")) head->inference_header_length = text;
        break;
      default:
        break;
    }
  }

  void on_header_impl(beast::error_code&) override {
    head->keep_alive = keep_alive() && !old_;
    head->chunked = chunked();
    if (const auto length = content_length()) head->length = *length;
  }

  void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code& error) override {
    if (++chunks_ > limits_.chunks) refuse(413, "http: too many chunks; try larger ones", error);
  }

  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, beast::error_code&) override {
    sink(context, view(body));
    return body.size();
  }

  void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}
  std::size_t on_body_impl(beast::string_view body, beast::error_code&) override { return body.size(); }
  void on_finish_impl(beast::error_code&) override {}

  const Limits& limits_;
  std::size_t fields_ = 0, chunks_ = 0;
  bool old_ = false;  // HTTP/1.0: its keep-alive would need a word in the answer
};

namespace {

Refusal explain(const beast::error_code& failure) {
  namespace http = beast::http;
  if (failure == http::error::header_limit)
    return {431, "http: the head of the request is too large; try fewer or shorter fields"};
  if (failure == http::error::body_limit) return {413, "http: the body is larger than this server takes; try a smaller batch"};
  if (failure == http::error::bad_version) return {505, "http: wanted HTTP/1.0 or HTTP/1.1, got another version"};
  if (failure == http::error::bad_content_length || failure == http::error::multiple_content_length ||
      failure == http::error::bad_transfer_encoding)
    return {400, "http: Content-Length and Transfer-Encoding contradict each other or are malformed"};
  return {400, "http: malformed request; try an HTTP/1.1 client"};
}

}  // namespace

Parser::Parser(const Limits& limits) : limits_(limits) {
  static_assert(sizeof(Fields) <= sizeof(memory_));
  fields_ = new (memory_.data()) Fields(limits_);
}

Parser::~Parser() { fields_->~Fields(); }

void Parser::reset() {
  fields_->~Fields();
  fields_ = new (memory_.data()) Fields(limits_);
}

Refusal Parser::refusal() const { return fields_->refusal; }

Parser::State Parser::head(std::string_view bytes, Head& head, std::size_t& consumed) {
  Fields& parser = *fields_;
  parser.head = &head;
  beast::error_code error;
  consumed = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error == beast::http::error::need_more) error = {};
  if (error) {
    if (parser.refusal.status == 0) parser.refusal = explain(error);
    return State::refused;
  }
  return parser.is_header_done() ? State::done : State::more;
}

Parser::State Parser::chunks(std::string_view bytes, std::size_t& consumed, void (*sink)(void*, std::string_view),
                             void* context) {
  Fields& parser = *fields_;
  Head trailer;  // fields behind the last chunk say nothing that is wanted here
  parser.head = &trailer;
  parser.sink = sink;
  parser.context = context;
  consumed = 0;
  beast::error_code error;
  while (!parser.is_done()) {
    const std::size_t used = parser.put(boost::asio::const_buffer(bytes.data() + consumed, bytes.size() - consumed), error);
    consumed += used;
    if (error == beast::http::error::need_more) return State::more;
    if (error) {
      if (parser.refusal.status == 0) parser.refusal = explain(error);
      return State::refused;
    }
    if (used == 0 && !parser.is_done()) return State::more;
  }
  return State::done;
}

}  // namespace soma::http
