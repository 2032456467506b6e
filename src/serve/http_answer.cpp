// an answer → bytes of a connection: its head, its coding, and as much at a time as the client takes.
#include <array>
#include <charconv>

#include "serve/http_connection.h"

namespace soma::http {
namespace {

// Bytes: below, compression saves no packet; beyond, it takes more than 20 ms, and the answer goes as it is.
constexpr std::size_t kWorthPacking = 512, kSoonPacked = std::size_t{1} << 20;
constexpr std::size_t kEchoed = 200;                    // bytes of a field that comes back in the answer
constexpr std::size_t kRequest = std::size_t{1} << 12;  // what an answer is of a turn, at least
constexpr std::string_view kNoMemory =
    "HTTP/1.1 503 Service Unavailable\r\nServer: soma\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: "
    "close\r\n"
    "Content-Length: 74\r\n\r\n{\"error\":\"serve: the memory for requests is in use; try again in a while\"}";
static_assert(kNoMemory.size() - kNoMemory.find('{') == 74);

/// Appends to a fixed line of text; what does not fit is dropped.
struct Line {
  std::array<char, kHeadroom> text;
  std::size_t size = 0;
  void add(std::string_view more) {
    more = more.substr(0, text.size() - size);
    more.copy(text.data() + size, more.size());
    size += more.size();
  }
  void add(std::size_t number) {
    size = static_cast<std::size_t>(std::to_chars(text.data() + size, text.data() + text.size(), number).ptr - text.data());
  }
};

}  // namespace

void Connection::send(int status, std::string_view content_type, std::string_view fields) {
  SOMA_REQUIRE(stage_ == Stage::working);
  status_ = status;
  const bool last = close_after_ || !head.keep_alive || thread_.draining;
  close_after_ = last;
  Coding coding = Coding::identity;
  if (!head.accept_encoding.empty() && reply.size() >= kWorthPacking && reply.size() <= kSoonPacked) {
    coding = accepted_coding(head.accept_encoding);
    try {
      if (coding != Coding::identity && !pack(coding, reply)) coding = Coding::identity;
    } catch (const std::bad_alloc&) {  // then it goes as it is
      coding = Coding::identity;
    }
  }
  Line line;
  line.add("HTTP/1.1 ");
  line.add(static_cast<std::size_t>(status));
  line.add(" ");
  line.add(reason(status));
  line.add("\r\nServer: soma\r\n");
  line.add(thread_.date);
  if (!content_type.empty()) {
    line.add("Content-Type: ");
    line.add(content_type);
    line.add("\r\n");
  }
  if (coding != Coding::identity)
    line.add(coding == Coding::gzip ? "Content-Encoding: gzip\r\n" : "Content-Encoding: deflate\r\n");
  line.add(always);
  for (const auto& [name, text] : {std::pair{"X-Request-Id: ", head.request_id}, {"traceparent: ", head.traceparent}}) {
    if (text.empty() || text.size() > kEchoed) continue;
    line.add(name);
    line.add(text);
    line.add("\r\n");
  }
  line.add(fields);
  if (last) line.add("Connection: close\r\n");
  line.add("Content-Length: ");
  line.add(reply.size());
  line.add("\r\n\r\n");
  if (head.method == Method::head) reply.clear();
  answer_bytes_ = reply.size();
  reply.prepend({line.text.data(), line.size});
  stage_ = Stage::writing;
  sent_ = 0;
  set_deadline(thread_.limits.write);
  advance();
}

void Connection::fail() noexcept {
  if (stage_ == Stage::goodbye) close();
  const bool begun = stage_ == Stage::writing && sent_ > 0;  // half an answer cannot be taken back
  if (!closed_ && !begun) (void)socket_.write(kNoMemory);    // the connection ends either way
  if (stage_ != Stage::goodbye) thread_.application->on_answered(*this, 503);
  let_go();
  if (!closed_) socket_.finish();
  stage_ = Stage::goodbye;
  set_deadline(kGoodbye);
  drained_ = false;
  advance();
}

/// False when it waits to write.
bool Connection::write() {
  if (waiting_) return false;
  const std::string_view all = reply.view();
  while (sent_ < all.size()) {
    if (turn_ == 0) return true;
    const Socket::Moved moved = socket_.write(all.substr(sent_, turn_));
    if (moved.outcome == Socket::Outcome::closed) {
      thread_.application->on_answered(*this, 499);
      return close(), false;
    }
    if (moved.outcome != Socket::Outcome::ok) return wait(moved.outcome), false;
    sent_ += moved.bytes;
    turn_ -= moved.bytes;
    if (sent_ < all.size()) set_deadline(thread_.limits.write);
  }
  answered();
  return true;
}

void Connection::answered() {
  turn_ -= std::min(turn_, kRequest);
  thread_.application->on_answered(*this, status_);
  let_go();
  if (close_after_) {
    socket_.finish();
    stage_ = Stage::goodbye;  // a client that is still sending gets to read the answer before the reset that close() would cause
    set_deadline(kGoodbye);
    drained_ = false;
    return;
  }
  stage_ = Stage::idle;
  active_ = Clock::now();
  deadline_ = active_ + thread_.limits.idle;
  if (begin_ < end_) std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

}  // namespace soma::http
