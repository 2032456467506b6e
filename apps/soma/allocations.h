// a request for memory → memory, counted while somebody asks, and from a reserve when the system has none left.
#pragma once

#include <cstdint>
#include <functional>

namespace soma::app {

/// Calls of operator new on any thread while `work` runs. One at a time.
std::int64_t count_allocations(const std::function<void()>& work);

/// A small request that the system refuses is met from a reserve that is kept for it, so that an error can be said, a destructor
/// can do its work, and the next attempt finds things in order. Large ones fail with bad_alloc.
void keep_memory_in_reserve();

}  // namespace soma::app
