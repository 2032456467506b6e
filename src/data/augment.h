// one image + random numbers → the same image moved, turned, bent and flipped in one bilinear pass, then relit.
#pragma once

#include <cstdint>

#include "soma/dataset.h"

namespace soma {

/// y [height, width, channels] = x at the distorted places; places outside repeat the border. A pure function of its arguments:
/// the random numbers are Stream::augment of the epoch at the given position. The elastic field is a uniform cubic B-spline over
/// 7×7 random displacements (after Simard, Steinkraus, Platt 2003, with a spline instead of a Gaussian).
void distort(const std::uint8_t* x, const Shape& shape, const Augment& augment, std::uint64_t seed, std::int64_t epoch,
             std::int64_t position, float* y) noexcept;
void distort(const float* x, const Shape& shape, const Augment& augment, std::uint64_t seed, std::int64_t epoch,
             std::int64_t position, float* y) noexcept;

inline bool distorts(const Augment& augment) { return augment != Augment{}; }

}  // namespace soma
