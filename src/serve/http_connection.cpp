// one socket's bytes → its requests, one after the other → their answers, in order.
#include "serve/http_connection.h"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <memory>
#include <optional>

#include "serve/aside.h"
#include "serve/connection_memory.h"

namespace soma::http {
namespace {

constexpr std::size_t kSoonUnpacked = std::size_t{1} << 13;  // bytes: 20 ms of a thread at most; more is unpacked beside
constexpr std::chrono::milliseconds kDrainIdle{1000};
constexpr std::size_t kPassedOver = std::size_t{1} << 16;  // bytes; a longer body that nobody wants ends its connection
constexpr std::size_t kTurn = std::size_t{1} << 18;        // bytes read and written before others have theirs
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string_view as_text(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace

template <class T>
T* Connection::WaitMemory<T>::allocate(std::size_t count) {
  if (owner->wait_memory_used_ || count * sizeof(T) > owner->wait_memory_.size()) return std::allocator<T>().allocate(count);
  owner->wait_memory_used_ = true;
  return reinterpret_cast<T*>(owner->wait_memory_.data());
}

template <class T>
void Connection::WaitMemory<T>::deallocate(T* memory, std::size_t count) {
  if (reinterpret_cast<std::byte*>(memory) == owner->wait_memory_.data())
    owner->wait_memory_used_ = false;
  else
    std::allocator<T>().deallocate(memory, count);
}

void* Connection::operator new(std::size_t size) {
  static_assert(sizeof(Connection) <= kSlot);
  SOMA_REQUIRE(size <= kSlot);
  return take_slot();
}

void Connection::operator delete(void* memory) { give_back_slot(memory); }

Connection::Connection(Thread& thread, TcpSocket socket, ssl_ctx_st* tls)
    : thread_(thread), socket_(std::move(socket), tls), parser_(thread.limits), chunks_(thread.limits) {
  if (thread_.connections != nullptr) {
    next = thread_.connections;
    previous = next->previous;
    next->previous = previous->next = this;
  } else {
    thread_.connections = this;
  }
  ++thread_.count;
  thread_.total->fetch_add(1, std::memory_order_relaxed);
  arrived = active_ = Clock::now();
  deadline_ = arrived + thread_.limits.header;  // who connects wants to say something
}

Connection::~Connection() {
  thread_.connections = next == this ? nullptr : next;
  next->previous = previous;
  previous->next = next;
  --thread_.count;
  thread_.total->fetch_sub(1, std::memory_order_relaxed);
}

void Connection::turn_away() {
  try {
    refuse({503, "http: too many connections; try again later"});  // may be the end of this object
  } catch (const std::bad_alloc&) {
    abort();
  }
}

std::string Connection::peer() const {
  boost::system::error_code error;
  const auto end = socket_.tcp().remote_endpoint(error);
  return error ? "-" : end.address().to_string() + ":" + std::to_string(end.port());
}

void Connection::wait(Socket::Outcome what) {
  using Tcp = TcpSocket;
  waiting_ = true;
  socket_.tcp().async_wait(what == Socket::Outcome::wait_write ? Tcp::wait_write : Tcp::wait_read,
                           boost::asio::bind_allocator(WaitMemory<char>(this), [this](const boost::system::error_code&) {
                             waiting_ = false;
                             drained_ = false;
                             advance();
                           }));
}

void Connection::give_way() {
  waiting_ = true;
  boost::asio::post(socket_.tcp().get_executor(), boost::asio::bind_allocator(WaitMemory<char>(this), [this] {
                      waiting_ = false;
                      advance();
                    }));
}

void Connection::advance() {
  if (advancing_) return;  // send() from inside on_request(): the loop below goes on
  advancing_ = true;
  turn_ = kTurn;
  for (bool more = true; more && !closed_;) {
    if (turn_ == 0) {
      give_way();
      break;
    }
    try {
      more = step();
    } catch (const std::exception&) {  // bad_alloc, or a length that no container takes
      fail();
    }
  }
  advancing_ = false;
  if (closed_ && !waiting_ && stage_ != Stage::working) delete this;
}

bool Connection::step() {
  switch (stage_) {
    case Stage::working:
      return false;
    case Stage::writing:
      return write();
    case Stage::body:
      return take_body() || read();
    case Stage::goodbye:
      begin_ = end_ = 0;
      return read();
    case Stage::idle:
    case Stage::head:
      return parse_head() || read();
  }
  return false;
}

/// True when there are new bytes; otherwise waits for them, or it is over.
bool Connection::read() {
  if (waiting_) return false;
  if (drained_) {
    if (stage_ == Stage::idle) input_.reset();
    wait(Socket::Outcome::wait_read);
    return false;
  }
  const bool direct = stage_ == Stage::body && body_ && !head.chunked;
  Slab& input = stage_ == Stage::body && head.chunked ? raw_ : input_;
  if (!direct && !input) input = thread_.slabs.take(thread_.limits.header_bytes), begin_ = end_ = 0;
  if (begin_ == end_ && &input == &raw_) begin_ = end_ = 0;
  std::byte* to = direct ? body_.data() + body_size_ : input.data() + end_;
  const std::size_t room = direct ? static_cast<std::size_t>(head.length) - body_size_ : input.capacity() - end_;
  SOMA_REQUIRE(room > 0);  // a head that fills its limit was refused, and what can be used of a body was
  const Socket::Moved moved = socket_.read(to, std::min(room, turn_));
  if (moved.outcome == Socket::Outcome::closed) return close(), false;
  if (moved.outcome != Socket::Outcome::ok) {
    if (stage_ == Stage::idle) input_.reset();
    wait(moved.outcome);
    return false;
  }
  drained_ = moved.drained;
  turn_ -= moved.bytes;
  (direct ? body_size_ : end_) += moved.bytes;
  if (stage_ == Stage::idle) {
    stage_ = Stage::head;
    arrived = Clock::now();
    deadline_ = arrived + thread_.limits.header;
  }
  if (stage_ == Stage::body) window_bytes_ += moved.bytes;
  return true;
}

bool Connection::parse_head() {
  if (unwanted_ > 0) {
    const std::size_t over = std::min(unwanted_, end_ - begin_);
    if (over > 0) std::memmove(input_.data(), input_.data() + begin_ + over, end_ - begin_ - over);
    end_ -= begin_ + over;
    begin_ = 0;
    unwanted_ -= over;
    if (end_ == 0) {
      stage_ = Stage::idle;
      set_deadline(thread_.limits.idle);
    }
  }
  if (begin_ == end_) return false;
  if (stage_ == Stage::idle) {  // pipelined: the bytes were there before
    stage_ = Stage::head;
    arrived = Clock::now();
    deadline_ = arrived + thread_.limits.header;
  }
  std::size_t used = 0;
  const ParseState state = parser_.parse({input_.text(), end_}, head, used);
  if (state == ParseState::refused) return refuse(parser_.refusal());
  if (state == ParseState::more) return false;
  begin_ = used;
  return may_be_asked() ? begin_body() : true;
}

/// Asks the application before anything of the body is kept. When it has answered already, a body that is here or short is passed
/// over; after any other the connection ends.
bool Connection::may_be_asked() {
  const bool closes = close_after_;
  const std::size_t here = end_ - begin_;
  const auto left = head.chunked || head.length > here + kPassedOver ? SIZE_MAX : static_cast<std::size_t>(head.length);
  if (left == SIZE_MAX || (left > here && head.expects_continue)) close_after_ = true;  // nobody knows what comes next
  unwanted_ = close_after_ ? 0 : left;
  asked.route = nullptr;
  asked.name = asked.version = {};
  most_body = thread_.limits.body_bytes;
  stage_ = Stage::working;
  reply.start(thread_.slabs, kHeadroom);
  if (!thread_.application->on_head(*this)) return false;
  close_after_ = closes;
  unwanted_ = 0;
  if (left > here) reply.reset();  // it may take a while
  return true;
}

bool Connection::begin_body() {
  chunks_.limit(most_body);
  if (head.length > most_body) return refuse({413, "http: the body is larger than this server takes; try a smaller batch"});
  if (content_coding(head.content_encoding) == Coding::unknown)
    return refuse({415, "http: wanted Content-Encoding gzip, deflate or identity, got another; try gzip"});
  stage_ = Stage::body;
  deadline_ = Clock::time_point::max();
  window_ = Clock::now() + thread_.limits.body;
  window_bytes_ = 0;
  const std::size_t here = end_ - begin_;
  const auto length = static_cast<std::size_t>(head.length);
  if (head.chunked) {
    raw_ = thread_.slabs.take(input_.capacity());
    std::memcpy(raw_.data(), input_.data() + begin_, here);
    begin_ = 0;
    end_ = here;
  } else if (begin_ + length > input_.capacity()) {
    body_ = thread_.slabs.take(length);
    std::memcpy(body_.data(), input_.data() + begin_, here);
    body_size_ = here;
    begin_ = end_;
  }
  // A socket that takes no more is met again by the next read.
  if (head.expects_continue && (head.chunked || here < length)) (void)socket_.write(kContinue);
  return true;
}

/// True when it got on; false when more bytes are needed.
bool Connection::take_body() {
  const auto length = static_cast<std::size_t>(head.length);
  if (!head.chunked) {
    if (body_ && body_size_ < length) return false;
    if (!body_ && end_ - begin_ < length) return false;
    body = {body_ ? body_.data() : input_.data() + begin_, length};
    if (!body_) begin_ += length;
    return dispatch(), true;
  }
  const auto keep = [&](std::string_view text) {
    if (!body_) body_ = thread_.slabs.take(text.size());
    if (body_size_ + text.size() > body_.capacity()) {
      Slab larger = thread_.slabs.take((body_size_ + text.size()) * 2);
      std::memcpy(larger.data(), body_.data(), body_size_);
      body_ = std::move(larger);
    }
    std::memcpy(body_.data() + body_size_, text.data(), text.size());
    body_size_ += text.size();
  };
  std::size_t used = 0;
  const ParseState state = chunks_.parse({raw_.text() + begin_, end_ - begin_}, used, keep);
  begin_ += used;
  if (state == ParseState::refused) return refuse(chunks_.refusal());
  if (state == ParseState::more) return false;
  body = {body_.data(), body_size_};
  return dispatch(), true;
}

void Connection::dispatch() {
  const Coding coding = content_coding(head.content_encoding);
  if (coding == Coding::identity || body.empty()) return hand_over();
  if (body.size() <= kSoonUnpacked || thread_.aside == nullptr)
    return unpacked(unpack(coding, as_text(body), thread_.limits.body_bytes, thread_.slabs, unpacked_));
  stage_ = Stage::working;
  deadline_ = Clock::time_point::max();
  const auto failure = std::make_shared<std::optional<UnpackFailure>>();  // none: no memory
  thread_.aside->run(
      *thread_.loop,
      [this, coding, failure] {
        try {
          *failure = unpack(coding, as_text(body), thread_.limits.body_bytes, thread_.aside->slabs, unpacked_);
        } catch (const std::exception&) {
        }
      },
      [this, failure] {
        advancing_ = true;  // what is answered from in here is sent below
        try {
          *failure ? unpacked(**failure) : fail();
        } catch (const std::exception&) {
          fail();
        }
        advancing_ = false;
        advance();
      });
}

void Connection::unpacked(UnpackFailure failure) {
  if (failure == UnpackFailure::malformed) {
    refuse({400, "http: the body is not what its Content-Encoding says; try without compression"});
  } else if (failure == UnpackFailure::too_large) {
    refuse({413, "http: the decompressed body is larger than this server takes; try a smaller batch"});
  } else {
    body = {unpacked_.slab.data(), unpacked_.size};
    hand_over();
  }
}

void Connection::hand_over() {
  stage_ = Stage::working;
  deadline_ = Clock::time_point::max();
  reply.start(thread_.slabs, kHeadroom);
  thread_.application->on_request(*this);
}

bool Connection::refuse(Refusal refusal) {
  reply.start(thread_.slabs, kHeadroom);
  append_error(reply, refusal.message);
  close_after_ = true;  // where the next request would begin is no longer known
  stage_ = Stage::working;
  send(refusal.status, "application/json", refusal.status == 503 ? "Retry-After: 1\r\n" : "");
  return true;
}

void Connection::let_go() noexcept {
  reply.reset();
  body_.reset();
  unpacked_.slab.reset();
  body_size_ = 0;
  body = {};
  if (raw_) input_ = std::move(raw_);
  head = {};
  asked.name = asked.version = always = {};
  parser_.reset();
  chunks_.reset();
}

void Connection::close() noexcept {
  if (closed_) return;
  closed_ = true;
  socket_.close();
}

void Connection::abort() {
  if (!closed_) socket_.abort();
  closed_ = true;
  if (!waiting_ && !advancing_ && stage_ != Stage::working) delete this;
}

void Connection::tick(Clock::time_point now) {
  if (stage_ == Stage::body && now >= window_) {
    const auto least = static_cast<std::size_t>(thread_.limits.body.count()) * thread_.limits.body_rate / 1000;
    if (window_bytes_ < least) deadline_ = now;
    window_ = now + thread_.limits.body;
    window_bytes_ = 0;
  }
  const bool leaves = thread_.draining && stage_ == Stage::idle && active_ + kDrainIdle < now;
  if (closed_ || (now < deadline_ && !leaves)) return;
  if (stage_ == Stage::head || stage_ == Stage::body) {
    try {
      refuse({408, "http: the request took too long to arrive; try again"});
    } catch (const std::bad_alloc&) {
      return abort();
    }
    boost::system::error_code ignored;
    if (waiting_) socket_.tcp().cancel(ignored);  // its handler writes the answer
    return;
  }
  if (stage_ == Stage::idle)
    close();  // it waits, so its handler ends it
  else
    abort();
}

}  // namespace soma::http
