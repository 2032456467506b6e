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

constexpr std::size_t kMapped = std::size_t{1} << 18;  // from here on the system's pages
constexpr std::size_t kPage = std::size_t{1} << 16;
constexpr std::size_t kKept = std::size_t{1} << 20;  // bytes of each size that wait for their next use, but at least one block

std::size_t size_class(std::size_t capacity) {
  return static_cast<std::size_t>(std::countr_zero(capacity)) - static_cast<std::size_t>(std::countr_zero(SlabPool::kSmallest));
}

/// Null when there is none.
std::byte* allocate(std::size_t capacity) {
  void* memory = capacity >= kMapped ? ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                     : std::aligned_alloc(64, capacity);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
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
  const bool kept = wanted <= kSmallest << (free_.size() - 1);
  const std::size_t capacity = kept ? std::bit_ceil(std::max(wanted, kSmallest)) : (wanted + kPage - 1) / kPage * kPage;
  if (budget_ != nullptr) capacity == kSmallest ? budget_->take_small(capacity) : budget_->take(capacity);
  Slab slab;
  if (Kept* sort = kept && keeps_ == Keeps::some ? &free_[size_class(capacity)] : nullptr;
      sort != nullptr && !sort->blocks.empty()) {
    slab.data_ = sort->blocks.back();
    sort->blocks.pop_back();
    sort->least = std::min(sort->least, sort->blocks.size());
  } else if ((slab.data_ = allocate(capacity)) == nullptr) {
    uncount(capacity);
    throw std::bad_alloc();
  }
  slab.capacity_ = capacity;
  slab.pool_ = this;
  return slab;
}

void SlabPool::uncount(std::size_t capacity) noexcept {
  if (budget_ != nullptr) capacity == kSmallest ? budget_->give_back_small(capacity) : budget_->give_back(capacity);
}

void SlabPool::give_back(std::byte* data, std::size_t capacity) noexcept {
  uncount(capacity);
  if (keeps_ == Keeps::nothing || capacity > kSmallest << (free_.size() - 1)) return release(data, capacity);
  std::vector<std::byte*>& blocks = free_[size_class(capacity)].blocks;
  const std::size_t most = std::max<std::size_t>(1, kKept / capacity);
  if (blocks.size() < most) {
    try {
      blocks.reserve(most);
      return blocks.push_back(data);
    } catch (const std::bad_alloc&) {  // then it is not kept
    }
  }
  release(data, capacity);
}

void SlabPool::trim() {
  for (std::size_t kind = 0; kind < free_.size(); ++kind) {
    for (std::byte* data : free_[kind].blocks) release(data, kSmallest << kind);
    free_[kind] = {};
  }
}

void SlabPool::settle() {
  for (std::size_t kind = 0; kind < free_.size(); ++kind) {
    Kept& kept = free_[kind];
    for (; kept.least > 0; --kept.least) {
      release(kept.blocks.back(), kSmallest << kind);
      kept.blocks.pop_back();
    }
    kept.least = kept.blocks.size();
  }
}

void Buffer::start(SlabPool& pool, std::size_t headroom) {
  pool_ = &pool;
  if (!slab_) slab_ = pool.take(SlabPool::kSmallest);
  begin_ = end_ = headroom;
}

void Buffer::start_again(SlabPool& pool) {
  slab_ = pool.take(SlabPool::kSmallest);
  pool_ = &pool;
  end_ = begin_;
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
