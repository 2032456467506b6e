// one socket's bytes → its requests, one after the other → their answers, in order.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <string>

#include "serve/compression.h"
#include "serve/http.h"
#include "serve/http_parser.h"
#include "serve/socket.h"

namespace soma::http {

class Connection;

/// What the connections of one thread share.
struct Thread {
  explicit Thread(Budget* budget = nullptr) : slabs(budget) {}
  SlabPool slabs;  // first, since connections give back to it
  Limits limits;
  Application* application = nullptr;
  Connection* connections = nullptr;  // all of them, in a ring without beginning
  std::size_t count = 0;
  bool draining = false;
  std::atomic<std::size_t>* total = nullptr;  // over all threads
  Aside* aside = nullptr;                     // what takes long is done there, on behalf of `loop`
  Loop* loop = nullptr;
  std::string date;  // "Date: …\r\n", renewed by the tick
};

inline constexpr std::size_t kHeadroom = 2048;              // bytes that stand in front of an answer's body
inline constexpr std::chrono::milliseconds kGoodbye{2000};  // for a client to read the last answer

/// Deletes itself when it is over.
class Connection final : public Exchange {
 public:
  Connection(Thread& thread, TcpSocket socket, ssl_ctx_st* tls);
  ~Connection();
  /// From blocks of their own: when a crowd has left, the system gets them back.
  static void* operator new(std::size_t size);
  static void operator delete(void* memory);

  void start() { wait(Socket::Outcome::wait_read); }
  /// 503 and the end.
  void turn_away();
  /// Ends what takes too long, and while draining what does nothing.
  void tick(Clock::time_point now);
  void abort();

  void send(int status, std::string_view content_type, std::string_view fields) override;
  void fail() noexcept override;
  [[nodiscard]] std::string peer() const override;
  [[nodiscard]] std::size_t answer_bytes() const override { return answer_bytes_; }

  Connection *next = this, *previous = this;

 private:
  enum class Stage { idle, head, body, working, writing, goodbye };
  /// Memory of the one pending wait: what asio would otherwise ask the heap for.
  template <class T>
  struct WaitMemory {
    using value_type = T;
    Connection* owner;
    explicit WaitMemory(Connection* c) : owner(c) {}
    template <class U>
    WaitMemory(const WaitMemory<U>& other) : owner(other.owner) {}
    T* allocate(std::size_t count);
    void deallocate(T* memory, std::size_t);
    template <class U>
    bool operator==(const WaitMemory<U>& other) const {
      return owner == other.owner;
    }
  };

  void wait(Socket::Outcome what);
  /// Works until there is nothing left to do but wait, or its turn is over: a client that sends without end, or takes an answer
  /// as fast as it is written, holds up nobody.
  void advance();
  /// Goes on when all others that are ready have had a turn.
  void give_way();
  bool step();  // false: nothing more can be done now
  bool read();
  bool parse_head();
  bool take_body();
  bool may_be_asked();
  bool begin_body();
  void dispatch();
  void unpacked(UnpackFailure failure);
  void hand_over();
  bool write();
  void answered();
  void let_go() noexcept;
  bool refuse(Refusal refusal);
  void close() noexcept;
  void set_deadline(std::chrono::milliseconds time) { deadline_ = Clock::now() + time; }

  Thread& thread_;
  Socket socket_;
  HeadParser parser_;
  ChunkParser chunks_;
  Stage stage_ = Stage::idle;
  bool waiting_ = false, advancing_ = false, closed_ = false, close_after_ = false, drained_ = true;
  // input_ holds a head from its first byte, and nothing in it moves until that request is answered: head has views of it.
  // [begin_, end_) are bytes not yet used. Of a body in chunks they are in raw_, where they may move.
  Slab input_, raw_;
  std::size_t begin_ = 0, end_ = 0;
  Slab body_;  // a body that does not fit behind its head, or came in chunks
  std::size_t body_size_ = 0;
  Unpacked unpacked_;
  std::size_t unwanted_ = 0;  // bytes of a body that was refused with its head, still to be passed over
  std::size_t sent_ = 0, answer_bytes_ = 0;
  std::size_t turn_ = 0;  // bytes left of this turn
  int status_ = 0;
  Clock::time_point deadline_, active_;
  std::size_t window_bytes_ = 0;  // of the body, since window_
  Clock::time_point window_;
  alignas(std::max_align_t) std::array<std::byte, 256> wait_memory_;
  bool wait_memory_used_ = false;
};

}  // namespace soma::http
