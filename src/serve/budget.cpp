// bytes asked for on behalf of clients → counted for all threads together, and refused beyond a limit.
#include "serve/budget.h"

#include <sys/mman.h>

namespace soma::http {
namespace {

constexpr std::size_t kMapped = std::size_t{1} << 18;

}  // namespace

void* BudgetMemory::do_allocate(std::size_t bytes, std::size_t alignment) {
  budget_.take(bytes);
  if (bytes >= kMapped) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) return memory;
  } else if (void* memory = ::operator new(bytes, std::align_val_t(alignment), std::nothrow); memory != nullptr) {
    return memory;
  }
  budget_.give_back(bytes);
  throw std::bad_alloc();
}

void BudgetMemory::do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) {
  if (bytes >= kMapped)
    ::munmap(memory, bytes);
  else
    ::operator delete(memory, std::align_val_t(alignment));
  budget_.give_back(bytes);
}

}  // namespace soma::http
