// steps of a program that are layers of soma's → one step that walks a plan.
#pragma once

#include <cstdint>
#include <vector>

#include "soma/network.h"

namespace soma {

/// A stretch of a graph, compiled as a network is that was trained here: fused, weights packed once, memory laid out.
class Island {
 public:
  /// `input_last`, `output_last`: images lie [height, width, channels] in the graph there.
  Island(Network network, std::int64_t batch, bool input_last, bool output_last);

  /// x → y, as many samples in both; neither overlaps the other. Allocates nothing.
  void run(const float* x, float* y, std::int64_t samples);

 private:
  Network network_;
  std::int64_t batch_;        // of one call
  Shape input_, output_;      // of a sample: empty where it lies in the graph as the network has it, else [channels, pixels]
  std::vector<float> x_, y_;  // samples turned
};

}  // namespace soma
