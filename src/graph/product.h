// two matrices → their product: soma's kernels for floats, plain loops for the rest.
#pragma once

#include <cstdint>

namespace soma {

/// A matrix whose element (i, j) is data[i·row + j·column].
template <class T>
struct Matrix {
  const T* data = nullptr;
  std::int64_t row = 0, column = 1;
};

/// y[i·n + j] = Σ_l a(i, l)·b(l, j), i < m, j < n, l < k; 0 where k is 0. y overlaps neither. Whole numbers wrap.
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<float> a, Matrix<float> b, float* y);
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<double> a, Matrix<double> b, double* y);
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<std::int32_t> a, Matrix<std::int32_t> b, std::int32_t* y);
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<std::int64_t> a, Matrix<std::int64_t> b, std::int64_t* y);
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<std::uint32_t> a, Matrix<std::uint32_t> b, std::uint32_t* y);
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<std::uint64_t> a, Matrix<std::uint64_t> b, std::uint64_t* y);

}  // namespace soma
