// a batch → gradients: the second rung. Addresses move out of the inner loops, sums stay in registers, memory is read in order.
#include <algorithm>

#include "lab/timeline/naive.h"

namespace soma {
namespace {

class Hoisted : public PlainCnn<float> {
 public:
  using PlainCnn::PlainCnn;

 protected:
  /// Calls f(first, last, shift) with the columns [first, last) for which column + shift lies inside a row.
  template <class F>
  static void columns(std::int64_t j, F&& f) {
    const std::int64_t shift = j - kPadding;
    f(std::max<std::int64_t>(0, -shift), std::min(kSide, kSide - shift), shift);
  }

  void conv_forward(const float* x, const float* w, const float* b, std::int64_t rows, float* y) override {
    for (std::int64_t plane = 0; plane < rows * kFilters; ++plane) {
      const std::int64_t filter = plane % kFilters;
      const float* image = x + plane / kFilters * kPixels;
      float* out = y + plane * kPixels;
      std::fill(out, out + kPixels, b[filter]);
      for (std::int64_t i = 0; i < kKernel; ++i)
        for (std::int64_t j = 0; j < kKernel; ++j) {
          const float weight = w[(filter * kKernel + i) * kKernel + j];
          columns(i, [&](std::int64_t top, std::int64_t bottom, std::int64_t down) {
            columns(j, [&](std::int64_t left, std::int64_t right, std::int64_t across) {
              for (std::int64_t h = top; h < bottom; ++h) {
                const float* from = image + (h + down) * kSide + across;
                float* to = out + h * kSide;
                for (std::int64_t v = left; v < right; ++v) to[v] += weight * from[v];
              }
            });
          });
        }
    }
  }

  void conv_backward(const float* x, const float* dy, std::int64_t rows, float* dw, float* db) override {
    std::fill(dw, dw + kFilters * kKernel * kKernel, 0.0f);
    std::fill(db, db + kFilters, 0.0f);
    for (std::int64_t plane = 0; plane < rows * kFilters; ++plane) {
      const std::int64_t filter = plane % kFilters;
      const float *image = x + plane / kFilters * kPixels, *from = dy + plane * kPixels;
      float total = 0;
      for (std::int64_t p = 0; p < kPixels; ++p) total += from[p];
      db[filter] += total;
      for (std::int64_t i = 0; i < kKernel; ++i)
        for (std::int64_t j = 0; j < kKernel; ++j)
          columns(i, [&](std::int64_t top, std::int64_t bottom, std::int64_t down) {
            columns(j, [&](std::int64_t left, std::int64_t right, std::int64_t across) {
              float sum = 0;
              for (std::int64_t h = top; h < bottom; ++h) {
                const float *pixels = image + (h + down) * kSide + across, *row = from + h * kSide;
                for (std::int64_t v = left; v < right; ++v) sum += row[v] * pixels[v];
              }
              dw[(filter * kKernel + i) * kKernel + j] += sum;
            });
          });
    }
  }

  void linear_forward(const LinearShape& s, const float* x, const float* w, const float* b, float* y) override {
    for (std::int64_t n = 0; n < s.rows; ++n)
      for (std::int64_t o = 0; o < s.out; ++o) {
        const float *row = x + n * s.in, *weights = w + o * s.in;
        float sum = b[o];
        for (std::int64_t i = 0; i < s.in; ++i) sum += weights[i] * row[i];
        y[n * s.out + o] = sum;
      }
  }

  void linear_backward(const LinearShape& s, const float* x, const float* w, const float* dy, float* dw, float* db,
                       float* dx) override {
    std::fill(dw, dw + s.out * s.in, 0.0f);
    std::fill(db, db + s.out, 0.0f);
    std::fill(dx, dx + s.rows * s.in, 0.0f);
    for (std::int64_t n = 0; n < s.rows; ++n) {
      const float* row = x + n * s.in;
      float* back = dx + n * s.in;
      for (std::int64_t o = 0; o < s.out; ++o) {
        const float slope = dy[n * s.out + o];
        const float* weights = w + o * s.in;
        float* change = dw + o * s.in;
        db[o] += slope;
        for (std::int64_t i = 0; i < s.in; ++i) change[i] += slope * row[i];
        for (std::int64_t i = 0; i < s.in; ++i) back[i] += slope * weights[i];
      }
    }
  }
};

}  // namespace

std::unique_ptr<Rung<float>> make_naive(const CnnArrays<float>& weights, std::int64_t batch) {
  return std::make_unique<Naive<float>>(weights, batch);
}

std::unique_ptr<Rung<float>> make_hoisted(const CnnArrays<float>& weights, std::int64_t batch) {
  return std::make_unique<Hoisted>(weights, batch);
}

}  // namespace soma
