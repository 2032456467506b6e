// objects of one size that come and go in crowds → blocks of their own, given back to the system when they are empty.
#include "serve/connection_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <mutex>
#include <new>

namespace soma::http {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 18;
constexpr std::size_t kHead = 64;

/// Lies at the start of a block, which is aligned to its size, so that a slot finds it.
struct Block {
  Block *next, *previous;  // among those with a free slot
  void* free;              // slots that were used before, one in the other
  std::size_t fresh, used;
};
constexpr std::size_t kSlots = (kBlock - kHead) / kSlot;
static_assert(sizeof(Block) <= kHead && kSlot % 64 == 0);

// One list for all threads: a connection is made and ended far less often than it is used.
std::mutex mutex;
Block* open_blocks = nullptr;

void link(Block* block) {
  block->previous = nullptr;
  block->next = open_blocks;
  if (open_blocks != nullptr) open_blocks->previous = block;
  open_blocks = block;
}

void unlink(Block* block) {
  (block->previous != nullptr ? block->previous->next : open_blocks) = block->next;
  if (block->next != nullptr) block->next->previous = block->previous;
}

Block* map_block() {
  void* memory = ::mmap(nullptr, 2 * kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::byte*>(memory);
  const std::size_t ahead = (kBlock - reinterpret_cast<std::uintptr_t>(begin) % kBlock) % kBlock;
  if (ahead > 0) ::munmap(begin, ahead);
  ::munmap(begin + ahead + kBlock, kBlock - ahead);
  return new (begin + ahead) Block{};
}

}  // namespace

void* take_slot() {
  const std::lock_guard lock(mutex);
  if (open_blocks == nullptr) link(map_block());
  Block* block = open_blocks;
  void* slot = block->free;
  if (slot != nullptr)
    block->free = *static_cast<void**>(slot);
  else
    slot = reinterpret_cast<std::byte*>(block) + kHead + kSlot * block->fresh++;
  if (++block->used == kSlots) unlink(block);
  return slot;
}

void give_back_slot(void* slot) noexcept {
  const std::lock_guard lock(mutex);
  auto* block = reinterpret_cast<Block*>(static_cast<std::byte*>(slot) - reinterpret_cast<std::uintptr_t>(slot) % kBlock);
  *static_cast<void**>(slot) = block->free;
  block->free = slot;
  if (block->used == kSlots) link(block);
  if (--block->used > 0 || (block->next == nullptr && block->previous == nullptr)) return;  // the last one stays
  unlink(block);
  ::munmap(block, kBlock);
}

}  // namespace soma::http
