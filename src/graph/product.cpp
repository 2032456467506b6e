// two matrices → their product: soma's kernels for floats, plain loops for the rest.
#include "graph/product.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "kernels/kernels.h"

namespace soma {
namespace {

template <class T>
void plain_product(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, T* y) {
  using Sum = std::conditional_t<std::is_integral_v<T>, std::uint64_t, T>;
  std::vector<Sum> sums(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < m; ++i) {
    std::fill(sums.begin(), sums.end(), Sum(0));
    for (std::int64_t l = 0; l < k; ++l) {
      const Sum factor = static_cast<Sum>(a.data[i * a.row + l * a.column]);
      const T* row = b.data + l * b.row;
      for (std::int64_t j = 0; j < n; ++j) sums[static_cast<std::size_t>(j)] += factor * static_cast<Sum>(row[j * b.column]);
    }
    for (std::int64_t j = 0; j < n; ++j) y[i * n + j] = static_cast<T>(sums[static_cast<std::size_t>(j)]);
  }
}

}  // namespace

void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<float> a, Matrix<float> b, float* y) {
  const auto chosen = select_kernels();
  // A product this small is done before its operands are packed.
  if (!chosen || m * n * k < 512 || k == 0) return plain_product(m, n, k, a, b, y);
  const Kernels<float>& kernels = **chosen;
  std::vector<float> panel(static_cast<std::size_t>(panels(n) * k * kPanel));
  if (b.column == 1) {
    for (std::int64_t l = 0; l < k; ++l)
      for (std::int64_t j = 0; j < n; j += kPanel)
        std::copy_n(b.data + l * b.row + j, std::min(kPanel, n - j), panel.data() + (j / kPanel * k + l) * kPanel);
  } else {
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t l = 0; l < k; ++l)
        panel[static_cast<std::size_t>((j / kPanel * k + l) * kPanel + j % kPanel)] = b.data[l * b.row + j * b.column];
  }
  Gemm<float> gemm{.m = m, .n = n, .depth = k, .a = a.data, .a_row = a.row, .a_col = a.column};
  gemm.b = panel.data();
  gemm.b_panel = k * kPanel;
  gemm.c = y;
  gemm.c_row = n;
  kernels.gemm(gemm);
}

void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<double> a, Matrix<double> b, double* y) {
  plain_product(m, n, k, a, b, y);
}
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<std::int32_t> a, Matrix<std::int32_t> b, std::int32_t* y) {
  plain_product(m, n, k, a, b, y);
}
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<std::int64_t> a, Matrix<std::int64_t> b, std::int64_t* y) {
  plain_product(m, n, k, a, b, y);
}
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<std::uint32_t> a, Matrix<std::uint32_t> b,
              std::uint32_t* y) {
  plain_product(m, n, k, a, b, y);
}
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<std::uint64_t> a, Matrix<std::uint64_t> b,
              std::uint64_t* y) {
  plain_product(m, n, k, a, b, y);
}

}  // namespace soma
