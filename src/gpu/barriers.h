// dispatches in order → the fewest barriers between them.
#pragma once

#include <vector>

#include "gpu/dispatch.h"

namespace soma::gpu {

/// Walks dispatches in the order they are recorded and says before which of them all earlier ones have to be done: those that
/// touch a range written since the last barrier, or write one read since.
class Barriers {
 public:
  /// Whether `next` has to wait. Then everything before it is done.
  bool before(const Dispatch& next);

 private:
  std::vector<Range> since_;
};

}  // namespace soma::gpu
