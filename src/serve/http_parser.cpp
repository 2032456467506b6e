// bytes → the head of a request, and the body out of its chunks: RFC 9110 and 9112 as written, and nothing forgiven. Trusts
// nothing.
#include "serve/http_parser.h"

#include <algorithm>
#include <charconv>

namespace soma::http {
namespace {

constexpr std::string_view kMalformed = "http: malformed request; try an HTTP/1.1 client";
constexpr std::string_view kTooLarge = "http: the head of the request is too large; try fewer or shorter fields";
constexpr std::string_view kLengths = "http: Content-Length and Transfer-Encoding contradict each other or are malformed";
constexpr std::string_view kBodyTooLarge = "http: the body is larger than this server takes; try a smaller batch";
constexpr std::size_t kChunkLine = 1024;  // bytes of a chunk's size with its extensions

/// What a field's value may hold (5.5): no control character but the tab.
bool is_value(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || c == '\t';
}

/// What a host with its port may hold (RFC 3986, 3.2.2).
bool is_host(char c) {
  const char lower = static_cast<char>(c | 0x20);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~%!$&'()*+,;=:[]").find(c) != std::string_view::npos;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

Method method_of(std::string_view text) {
  if (text == "GET") return Method::get;
  if (text == "POST") return Method::post;
  if (text == "HEAD") return Method::head;
  if (text == "OPTIONS") return Method::options;
  return Method::other;
}

int hex(char c) {
  const char digit = lower(c);
  if (c >= '0' && c <= '9') return c - '0';
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

}  // namespace

/// The fields that somebody looks at. A second one of those that may come only once leaves open which of them counts.
struct HeadParser::Known {
  std::string_view name;
  std::string_view Head::*member = nullptr;
  bool once = true;
};

constexpr std::array<HeadParser::Known, 13> HeadParser::kKnown = {
    {{"host", &Head::host},
     {"content-length"},
     {"transfer-encoding"},
     {"authorization", &Head::authorization},
     {"content-type", &Head::content_type},
     {"content-encoding", &Head::content_encoding},
     {"inference-header-content-length", &Head::inference_header_length},
     {"origin", &Head::origin},
     {"accept", &Head::accept, false},
     {"accept-encoding", &Head::accept_encoding, false},
     {"traceparent", &Head::traceparent, false},
     {"x-request-id", &Head::request_id, false},
     {"expect"}}};

namespace {
constexpr std::size_t kLength = 1, kCoding = 2, kHost = 0, kExpect = 12;  // in kKnown
}

void HeadParser::reset() {
  refusal_ = {};
  line_ = searched_ = fields_ = 0;
  started_ = old_ = close_ = false;
  method_ = target_ = authority_ = {};
  values_ = {};
}

HeadParser::Piece HeadParser::piece(std::string_view part) const {
  return {static_cast<std::uint32_t>(part.data() - base_), static_cast<std::uint32_t>(part.size()), true};
}

ParseState HeadParser::parse(std::string_view bytes, Head& head, std::size_t& used) {
  base_ = bytes.data();
  const std::string_view within = bytes.substr(0, limits_.header_bytes);
  for (;;) {
    if (!started_ && line_ < within.size() && !is_token(within[line_]) && within[line_] != '\r')
      return refuse(400, kMalformed), ParseState::refused;  // whoever speaks something else need not wait for a timeout
    const std::size_t end = within.find('\n', std::max(line_, searched_));
    if (end == std::string_view::npos) {
      searched_ = within.size();
      if (within.size() < limits_.header_bytes) return ParseState::more;
      return refuse(431, kTooLarge), ParseState::refused;
    }
    std::string_view line = within.substr(line_, end - line_);
    line_ = end + 1;
    if (!line.ends_with('\r')) return refuse(400, kMalformed), ParseState::refused;
    line.remove_suffix(1);
    if (line.empty() && !started_) continue;  // empty lines before a request (RFC 9112, 2.2)
    if (line.empty()) {
      used = line_;
      return finish(bytes, head) ? ParseState::done : ParseState::refused;
    }
    const bool fine = started_ ? field(line) : request_line(line);
    if (!fine) return ParseState::refused;
    started_ = true;
  }
}

bool HeadParser::request_line(std::string_view line) {
  const std::size_t first = line.find(' '), second = line.find(' ', std::min(line.size(), first + 1));
  if (first == std::string_view::npos || second == std::string_view::npos) return refuse(400, kMalformed);
  const std::string_view method = line.substr(0, first), version = line.substr(second + 1);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!std::all_of(method.begin(), method.end(), is_token) || version.size() != 8 || !version.starts_with("HTTP/") ||
      !digit(version[5]) || version[6] != '.' || !digit(version[7]))
    return refuse(400, kMalformed);
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return refuse(505, "http: wanted HTTP/1.0 or HTTP/1.1, got another version");
  old_ = version == "HTTP/1.0";
  method_ = piece(method);
  return target(line.substr(first + 1, second - first - 1));
}

/// Origin form, absolute form or, for OPTIONS, the asterisk (RFC 9112, 3.2).
bool HeadParser::target(std::string_view text) {
  const auto visible = [](char c) { return c > 0x20 && c < 0x7f && c != '#'; };
  if (text.empty() || !std::all_of(text.begin(), text.end(), visible)) return refuse(400, kMalformed);
  const std::size_t mark = text.find("://");
  if (text[0] != '/' && mark != std::string_view::npos &&
      (same_word(text.substr(0, mark), "http") || same_word(text.substr(0, mark), "https"))) {
    const std::string_view rest = text.substr(mark + 3);
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
    if (authority.empty() || !std::all_of(authority.begin(), authority.end(), is_host)) return refuse(400, kMalformed);
    authority_ = piece(authority);
    text = rest.substr(authority.size());
    if (text.starts_with('?')) return refuse(400, kMalformed);
  } else if (text[0] != '/' && !(text == "*" && same_word({base_ + method_.begin, method_.size}, "OPTIONS"))) {
    return refuse(400, "http: wanted a path that begins with /, got another kind of target; try /v2");
  }
  target_ = piece(text);
  return true;
}

bool HeadParser::field(std::string_view line) {
  if (++fields_ > limits_.fields) return refuse(431, "http: too many header fields; try fewer");
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return refuse(400, kMalformed);
  // A line that begins with a space would go on with the one before (obs-fold); a space before the colon is no token either.
  const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
  if (!std::all_of(name.begin(), name.end(), is_token) || !std::all_of(value.begin(), value.end(), is_value))
    return refuse(400, kMalformed);
  if (same_word(name, "connection")) {
    for (std::string_view rest = value; !rest.empty();) {
      const std::string_view word = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
      if (same_word(trimmed(word), "close")) close_ = true;
    }
    return true;
  }
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    if (!same_word(name, kKnown[i].name)) continue;
    if (values_[i].there && kKnown[i].once)
      return refuse(
          400, i == kLength || i == kCoding ? kLengths : "http: a field that may come once came twice; try an HTTP/1.1 client");
    if (!values_[i].there) values_[i] = piece(value);
    break;
  }
  return true;
}

/// All lines are there: what they say together.
bool HeadParser::finish(std::string_view bytes, Head& head) {
  const auto text = [&](const Piece& piece) { return bytes.substr(piece.begin, piece.size); };
  head = {};
  head.method_text = text(method_);
  head.method = method_of(head.method_text);
  head.target = target_.size > 0 ? text(target_) : std::string_view("/");  // http://host has the path /
  for (std::size_t i = 0; i < kKnown.size(); ++i)
    if (kKnown[i].member != nullptr) head.*kKnown[i].member = text(values_[i]);
  if (!values_[kHost].there && !old_) return refuse(400, "http: wanted a Host field, got none; try an HTTP/1.1 client");
  if (!std::all_of(head.host.begin(), head.host.end(), is_host)) return refuse(400, kMalformed);
  head.has_host = values_[kHost].there;
  if (authority_.there) head.host = text(authority_);  // it counts in place of the field (RFC 9112, 3.2.2)
  head.keep_alive = !old_ && !close_;

  if (values_[kCoding].there) {
    // Anything that is not exactly this leaves open where the body ends: the door of request smuggling (RFC 9112, 6.1).
    if (values_[kLength].there || old_) return refuse(400, kLengths);
    if (!same_word(text(values_[kCoding]), "chunked"))
      return refuse(501, "http: wanted Transfer-Encoding: chunked, got another coding; try Content-Encoding");
    head.chunked = true;
  }
  if (values_[kLength].there) {
    const std::string_view digits = text(values_[kLength]);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), head.length);
    if (error != std::errc() || end != digits.data() + digits.size()) return refuse(400, kLengths);
  }
  if (values_[kExpect].there) {
    if (!same_word(text(values_[kExpect]), "100-continue"))
      return refuse(417, "http: wanted Expect: 100-continue, got another expectation");
    head.expects_continue = !old_;
  }
  return true;
}

void ChunkParser::reset() {
  refusal_ = {};
  state_ = State::size;
  left_ = total_ = 0;
  digits_ = line_ = chunks_ = trailer_ = 0;
}

/// `;name`, `;name=token` and `;name="quoted"` behind a chunk's size (RFC 9112, 7.1.1), with spaces where it lets them be: passed
/// over, but only what every reader takes for the same.
void ChunkParser::take_extension(char c) {
  const bool space = c == ' ' || c == '\t';
  const auto end = [&]() -> bool {  // of this extension
    if (c == ';') return state_ = State::extension, true;
    if (c == '\r') return state_ = State::size_lf, true;
    return false;
  };
  if (++line_ > kChunkLine || !(is_value(c) || c == '\r')) return refuse(400, kMalformed);
  switch (state_) {
    case State::extension:
      if (space) return;
      if (is_token(c)) return void(state_ = State::extension_name);
      break;
    case State::extension_name:
    case State::extension_named:
      if (c == '=') return void(state_ = State::extension_value);
      if (end()) return;
      if (space) return void(state_ = State::extension_named);
      if (state_ == State::extension_name && is_token(c)) return;
      break;
    case State::extension_value:
      if (space) return;
      if (c == '"') return void(state_ = State::extension_quoted);
      if (is_token(c)) return void(state_ = State::extension_token);
      break;
    case State::extension_quoted:
      if (c == '"') return void(state_ = State::extension_end);
      if (c == '\\') return void(state_ = State::extension_escape);
      if (c != '\r') return;
      break;
    case State::extension_escape:
      if (c != '\r') return void(state_ = State::extension_quoted);
      break;
    case State::extension_token:
      if (is_token(c)) return;
      [[fallthrough]];
    default:  // behind a value
      if (end()) return;
      if (space) return void(state_ = State::extension_end);
  }
  refuse(400, kMalformed);
}

/// One byte that is not a chunk's data (RFC 9112, 7.1).
void ChunkParser::take(char c) {
  switch (state_) {
    case State::size:
      if (const int digit = hex(c); digit >= 0) {
        if (++digits_ > 16) return refuse(400, kMalformed);
        left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
        return;
      }
      if (digits_ == 0) return refuse(400, kMalformed);
      if (left_ > most_ - total_) return refuse(413, kBodyTooLarge);
      if (++chunks_ > limits_.chunks) return refuse(413, "http: too many chunks; try larger ones");
      total_ += left_;
      line_ = digits_;
      if (c == ';') return void(state_ = State::extension);
      if (c == '\r') return void(state_ = State::size_lf);
      return refuse(400, kMalformed);
    case State::extension:
    case State::extension_name:
    case State::extension_named:
    case State::extension_value:
    case State::extension_token:
    case State::extension_quoted:
    case State::extension_escape:
    case State::extension_end:
      return take_extension(c);
    case State::size_lf:
      if (c != '\n') return refuse(400, kMalformed);
      digits_ = 0;
      state_ = left_ > 0 ? State::data : State::trailer_start;
      return;
    case State::data_cr:
      if (c != '\r') return refuse(400, kMalformed);
      return void(state_ = State::data_lf);
    case State::data_lf:
      if (c != '\n') return refuse(400, kMalformed);
      return void(state_ = State::size);
    case State::trailer_start:
      if (c == '\r') return void(state_ = State::end_lf);
      if (!is_token(c)) return refuse(400, kMalformed);
      state_ = State::trailer_name;
      break;
    case State::trailer_name:
      if (c == ':')
        state_ = State::trailer;
      else if (!is_token(c))
        return refuse(400, kMalformed);
      break;
    case State::trailer:  // fields behind the last chunk say nothing that is wanted here
      if (c == '\r')
        state_ = State::trailer_lf;
      else if (!is_value(c))
        return refuse(400, kMalformed);
      break;
    case State::trailer_lf:
      if (c != '\n') return refuse(400, kMalformed);
      state_ = State::trailer_start;
      break;
    case State::end_lf:
      if (c != '\n') return refuse(400, kMalformed);
      return void(state_ = State::done);
    case State::data:
    case State::done:
      return;
  }
  if (++trailer_ > limits_.header_bytes) refuse(431, kTooLarge);
}

}  // namespace soma::http
