// sizes asked for again and again → aligned blocks handed out again: one thread's memory for requests and answers.
#include "serve/slab.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

#include "soma/error.h"

namespace soma::http {
namespace {

constexpr std::size_t kMapped = std::size_t{1} << 18;  // from here on the system's pages: freed means gone
constexpr std::size_t kKept = std::size_t{1} << 20;    // bytes of each size that wait for their next use, but at least one block

std::size_t size_class(std::size_t capacity) {
  return static_cast<std::size_t>(std::countr_zero(capacity)) - static_cast<std::size_t>(std::countr_zero(SlabPool::kSmallest));
}

std::byte* allocate(std::size_t capacity) {
  void* memory = capacity >= kMapped ? ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                     : std::aligned_alloc(64, capacity);
  if (memory == nullptr || memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

void release(std::byte* data, std::size_t capacity) noexcept {
  if (capacity >= kMapped)
    ::munmap(data, capacity);
  else
    std::free(data);
}

}  // namespace

Slab::~Slab() {
  if (data_ != nullptr) pool_->give_back(data_, capacity_);
}

Slab SlabPool::take(std::size_t wanted) {
  const std::size_t capacity = std::bit_ceil(std::max(wanted, kSmallest));
  const std::size_t kind = size_class(capacity);
  Slab slab;
  if (kind < free_.size() && !free_[kind].empty()) {
    slab.data_ = free_[kind].back();
    free_[kind].pop_back();
  } else {
    slab.data_ = allocate(capacity);
  }
  slab.capacity_ = capacity;
  slab.pool_ = this;
  return slab;
}

void SlabPool::give_back(std::byte* data, std::size_t capacity) noexcept {
  const std::size_t kind = size_class(capacity);
  if (kind < free_.size() && free_[kind].size() < std::max<std::size_t>(1, kKept / capacity)) {
    free_[kind].reserve(std::max<std::size_t>(1, kKept / kSmallest));
    free_[kind].push_back(data);
  } else {
    release(data, capacity);
  }
}

void SlabPool::trim() {
  for (std::size_t kind = 0; kind < free_.size(); ++kind) {
    for (std::byte* data : free_[kind]) release(data, kSmallest << kind);
    free_[kind].clear();
  }
}

void Buffer::start(SlabPool& pool, std::size_t headroom) {
  pool_ = &pool;
  if (!slab_) slab_ = pool.take(SlabPool::kSmallest);
  begin_ = end_ = headroom;
}

void Buffer::prepend(std::string_view text) {
  SOMA_REQUIRE(text.size() <= begin_);
  begin_ -= text.size();
  std::memcpy(slab_.text() + begin_, text.data(), text.size());
}

void Buffer::grow(std::size_t count) {
  Slab larger = pool_->take(std::max(slab_.capacity() * 2, end_ + count));
  std::memcpy(larger.data() + begin_, slab_.data() + begin_, end_ - begin_);
  slab_ = std::move(larger);
}

}  // namespace soma::http
