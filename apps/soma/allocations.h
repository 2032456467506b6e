// a piece of work → how often the process asks for memory in it.
#pragma once

#include <cstdint>
#include <functional>

namespace soma::app {

/// Calls of operator new on any thread while `work` runs. One at a time.
std::int64_t count_allocations(const std::function<void()>& work);

}  // namespace soma::app
