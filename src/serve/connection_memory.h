// objects of one size that come and go in crowds → blocks of their own, given back to the system when they are empty.
#pragma once

#include <cstddef>

namespace soma::http {

/// Memory for one object of at most kSlot bytes. Throws std::bad_alloc. From any thread.
void* take_slot();
void give_back_slot(void* slot) noexcept;
inline constexpr std::size_t kSlot = 1536;

}  // namespace soma::http
