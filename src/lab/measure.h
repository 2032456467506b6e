// pieces of work → seconds: readings interleaved so that a slow moment of the machine meets all alike, medians with their spread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "soma/lab.h"

namespace soma {

/// What repeated readings of one duration say, in seconds for one call.
struct Reading {
  double median = 0, low = 0, high = 0;  ///< low, high: first and third quartile
  std::int64_t calls = 0;                ///< in each reading
};

/// How long to measure: each reading lasts at least `slice` seconds, and there are `rounds` of them.
struct Effort {
  double slice = 0.01;
  int rounds = 15;
};
Effort effort_for(const LabOptions& options);

/// Seconds of one call of each piece of work. Some 20 ms of untimed calls warm up; then rounds A B C A B C …, each reading as
/// many calls as fill a slice.
std::vector<Reading> measure_interleaved(const std::vector<std::function<void()>>& work, const Effort& effort);

/// The same for one piece.
Reading measure(const std::function<void()>& work, const Effort& effort);

/// Quartiles of any readings; `values` not empty.
Reading summarize(std::vector<double> values);

/// Keeps the compiler from leaving out the work that wrote to memory.
inline void clobber() { asm volatile("" ::: "memory"); }

}  // namespace soma
