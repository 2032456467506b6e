// a batch → gradients: the third and fourth rung. Patches become a matrix and every layer a matrix product, in plain C or SIMD.
#include <algorithm>

#include "lab/timeline/plain_cnn.h"

namespace soma {
namespace {

/// A matrix in memory: element (i, j) at data[i·row + j·column]; one of the strides is 1.
struct View {
  const float* data;
  std::int64_t row, column;
};
View rows_of(const float* data, std::int64_t columns) { return {data, columns, 1}; }
View transposed(const float* data, std::int64_t columns) { return {data, 1, columns}; }

/// A product c [m, n] (+)= a [m, k] · b [k, n], c row after row.
struct Product {
  std::int64_t m, n, k;
  View a, b;
  float* c;
  bool accumulate;
};

class Im2col : public PlainCnn<float> {
 public:
  using PlainCnn::PlainCnn;

 protected:
  static constexpr std::int64_t kPatch = kKernel * kKernel;

  /// The fastest order for plain loops: the inner one runs along rows of b and c.
  virtual void multiply(const Product& p) {
    for (std::int64_t i = 0; i < p.m; ++i) {
      float* c = p.c + i * p.n;
      if (!p.accumulate) std::fill(c, c + p.n, 0.0f);
      if (p.b.column == 1) {
        for (std::int64_t k = 0; k < p.k; ++k) {
          const float a = p.a.data[i * p.a.row + k * p.a.column];
          const float* b = p.b.data + k * p.b.row;
          for (std::int64_t j = 0; j < p.n; ++j) c[j] += a * b[j];
        }
      } else {
        for (std::int64_t j = 0; j < p.n; ++j) {
          const float *a = p.a.data + i * p.a.row, *b = p.b.data + j * p.b.column;
          float sum = c[j];
          for (std::int64_t k = 0; k < p.k; ++k) sum += a[k * p.a.column] * b[k];
          c[j] = sum;
        }
      }
    }
  }

  /// patches_ [25, 784]: row (i, j) holds the image shifted by (i − 2, j − 2), zero outside.
  void unfold(const float* image) {
    for (std::int64_t k = 0; k < kPatch; ++k) {
      const std::int64_t down = k / kKernel - kPadding, across = k % kKernel - kPadding;
      float* row = patches_.data() + k * kPixels;
      for (std::int64_t h = 0; h < kSide; ++h)
        for (std::int64_t v = 0; v < kSide; ++v) {
          const std::int64_t y = h + down, x = v + across;
          *row++ = y >= 0 && y < kSide && x >= 0 && x < kSide ? image[y * kSide + x] : 0.0f;
        }
    }
  }

  void conv_forward(const float* x, const float* w, const float* b, std::int64_t rows, float* y) override {
    for (std::int64_t n = 0; n < rows; ++n) {
      unfold(x + n * kPixels);
      float* out = y + n * kFilters * kPixels;
      for (std::int64_t o = 0; o < kFilters; ++o) std::fill(out + o * kPixels, out + (o + 1) * kPixels, b[o]);
      multiply({kFilters, kPixels, kPatch, rows_of(w, kPatch), rows_of(patches_.data(), kPixels), out, true});
    }
  }

  void conv_backward(const float* x, const float* dy, std::int64_t rows, float* dw, float* db) override {
    std::fill(db, db + kFilters, 0.0f);
    for (std::int64_t n = 0; n < rows; ++n) {
      unfold(x + n * kPixels);
      const float* from = dy + n * kFilters * kPixels;
      for (std::int64_t o = 0; o < kFilters; ++o)
        for (std::int64_t p = 0; p < kPixels; ++p) db[o] += from[o * kPixels + p];
      multiply({kFilters, kPatch, kPixels, rows_of(from, kPixels), transposed(patches_.data(), kPixels), dw, n > 0});
    }
  }

  void linear_forward(const LinearShape& s, const float* x, const float* w, const float* b, float* y) override {
    for (std::int64_t n = 0; n < s.rows; ++n) std::copy(b, b + s.out, y + n * s.out);
    multiply({s.rows, s.out, s.in, rows_of(x, s.in), transposed(w, s.in), y, true});
  }

  void linear_backward(const LinearShape& s, const float* x, const float* w, const float* dy, float* dw, float* db,
                       float* dx) override {
    std::fill(db, db + s.out, 0.0f);
    for (std::int64_t n = 0; n < s.rows; ++n)
      for (std::int64_t o = 0; o < s.out; ++o) db[o] += dy[n * s.out + o];
    multiply({s.out, s.in, s.rows, transposed(dy, s.out), rows_of(x, s.in), dw, false});
    multiply({s.rows, s.in, s.out, rows_of(dy, s.out), rows_of(w, s.in), dx, false});
  }

 private:
  std::vector<float> patches_ = std::vector<float>(size(kPatch * kPixels));
};

/// x [rows, columns] → panels of 16 columns one behind the other, zeros where the columns have ended.
void pack_panels(const float* x, std::int64_t x_row, std::int64_t rows, std::int64_t columns, float* y, std::int64_t y_panel) {
  for (std::int64_t j = 0; j < columns; j += kPanel)
    for (std::int64_t i = 0; i < rows; ++i) {
      float* to = y + j / kPanel * y_panel + i * kPanel;
      const std::int64_t width = std::min(kPanel, columns - j);
      std::fill(std::copy(x + i * x_row + j, x + i * x_row + j + width, to), to + kPanel, 0.0F);
    }
}

/// The same with soma's micro-kernels: b is packed into panels of 16 columns, which one vector instruction reads at a time.
class Simd final : public Im2col {
 public:
  Simd(const CnnArrays<float>& weights, std::int64_t batch, const Kernels<float>& kernels)
      : Im2col(weights, batch), kernels_(kernels) {}

 private:
  void multiply(const Product& p) override {
    const std::int64_t depth_panels = panels(p.k), width = panels(p.n) * kPanel;
    panels_.resize(std::max(panels_.size(), size(width * p.k)));
    if (p.b.column == 1) {
      pack_panels(p.b.data, p.b.row, p.k, p.n, panels_.data(), p.k * kPanel);
    } else {
      turned_.resize(std::max(turned_.size(), size(depth_panels * kPanel * p.n)));
      pack_panels(p.b.data, p.b.column, p.n, p.k, turned_.data(), p.n * kPanel);
      kernels_.transpose(
          {.rows = p.n, .cols = p.k, .x = turned_.data(), .x_panel = p.n * kPanel, .y = panels_.data(), .y_panel = p.k * kPanel});
    }
    Gemm<float> g;
    g.m = p.m;
    g.n = p.n;
    g.depth = p.k;
    g.a = p.a.data;
    g.a_row = p.a.row;
    g.a_col = p.a.column;
    g.b = panels_.data();
    g.b_panel = p.k * kPanel;
    g.c = p.c;
    g.c_row = p.n;
    g.accumulate = p.accumulate;
    kernels_.gemm(g);
  }

  void update_array(std::size_t i, double l2) override {
    Update<float> u;
    u.rule = UpdateRule::adam;
    u.beta1 = 0.9f;
    u.beta2 = 0.999f;
    u.rest1 = 0.1f;
    u.rest2 = 0.001f;
    u.epsilon = 1e-8f;
    u.step1 = static_cast<float>(1e-3 / (1 - std::pow(0.9, step_)));
    u.root2 = static_cast<float>(1 / std::sqrt(1 - std::pow(0.999, step_)));
    u.l2 = static_cast<float>(l2);
    kernels_.update(u, weights_[i].data(), gradients_[i].data(), first_moment_[i].data(), second_moment_[i].data(),
                    static_cast<std::int64_t>(weights_[i].size()));
  }

  const Kernels<float>& kernels_;
  std::vector<float> panels_, turned_;
};

}  // namespace

std::unique_ptr<Rung<float>> make_im2col(const CnnArrays<float>& weights, std::int64_t batch) {
  return std::make_unique<Im2col>(weights, batch);
}

std::unique_ptr<Rung<float>> make_simd(const CnnArrays<float>& weights, std::int64_t batch, const Kernels<float>& kernels) {
  return std::make_unique<Simd>(weights, batch, kernels);
}

const std::vector<RungKind>& rung_kinds() {
  static const std::vector<RungKind> kinds = {
      {"naive", "nested loops, every index worked out where it is used",
       [](const auto& weights, std::int64_t batch, const auto&) { return make_naive(weights, batch); }},
      {"strides hoisted", "addresses out of the inner loops, memory read in order",
       [](const auto& weights, std::int64_t batch, const auto&) { return make_hoisted(weights, batch); }},
      {"im2col + GEMM", "patches become a matrix, layers become products, in plain C loops",
       [](const auto& weights, std::int64_t batch, const auto&) { return make_im2col(weights, batch); }},
      {"SIMD", "the same products and Adam with vector instructions, operands packed", &make_simd},
  };
  return kinds;
}

}  // namespace soma
