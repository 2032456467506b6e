// a batch → gradients: the first rung, every index worked out where it is used.
#pragma once

#include "lab/timeline/plain_cnn.h"

namespace soma {

template <class T>
class Naive : public PlainCnn<T> {
 public:
  using PlainCnn<T>::PlainCnn;

 protected:
  static std::int64_t at(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
    return ((n * kFilters + c) * kSide + h) * kSide + w;
  }
  static bool inside(std::int64_t h, std::int64_t w) { return h >= 0 && h < kSide && w >= 0 && w < kSide; }

  void conv_forward(const T* x, const T* w, const T* b, std::int64_t rows, T* y) override {
    for (std::int64_t n = 0; n < rows; ++n)
      for (std::int64_t o = 0; o < kFilters; ++o)
        for (std::int64_t h = 0; h < kSide; ++h)
          for (std::int64_t v = 0; v < kSide; ++v) {
            y[at(n, o, h, v)] = b[o];
            for (std::int64_t i = 0; i < kKernel; ++i)
              for (std::int64_t j = 0; j < kKernel; ++j)
                if (inside(h + i - kPadding, v + j - kPadding))
                  y[at(n, o, h, v)] = y[at(n, o, h, v)] + w[(o * kKernel + i) * kKernel + j] *
                                                              x[(n * kSide + h + i - kPadding) * kSide + v + j - kPadding];
          }
  }

  void conv_backward(const T* x, const T* dy, std::int64_t rows, T* dw, T* db) override {
    for (std::int64_t o = 0; o < kFilters; ++o) db[o] = T(0);
    for (std::int64_t k = 0; k < kFilters * kKernel * kKernel; ++k) dw[k] = T(0);
    for (std::int64_t n = 0; n < rows; ++n)
      for (std::int64_t o = 0; o < kFilters; ++o)
        for (std::int64_t h = 0; h < kSide; ++h)
          for (std::int64_t v = 0; v < kSide; ++v) {
            db[o] = db[o] + dy[at(n, o, h, v)];
            for (std::int64_t i = 0; i < kKernel; ++i)
              for (std::int64_t j = 0; j < kKernel; ++j)
                if (inside(h + i - kPadding, v + j - kPadding))
                  dw[(o * kKernel + i) * kKernel + j] =
                      dw[(o * kKernel + i) * kKernel + j] +
                      dy[at(n, o, h, v)] * x[(n * kSide + h + i - kPadding) * kSide + v + j - kPadding];
          }
  }

  void linear_forward(const LinearShape& s, const T* x, const T* w, const T* b, T* y) override {
    for (std::int64_t n = 0; n < s.rows; ++n)
      for (std::int64_t o = 0; o < s.out; ++o) {
        y[n * s.out + o] = b[o];
        for (std::int64_t i = 0; i < s.in; ++i) y[n * s.out + o] = y[n * s.out + o] + w[o * s.in + i] * x[n * s.in + i];
      }
  }

  void linear_backward(const LinearShape& s, const T* x, const T* w, const T* dy, T* dw, T* db, T* dx) override {
    for (std::int64_t o = 0; o < s.out; ++o) {
      db[o] = T(0);
      for (std::int64_t n = 0; n < s.rows; ++n) db[o] = db[o] + dy[n * s.out + o];
    }
    for (std::int64_t o = 0; o < s.out; ++o)
      for (std::int64_t i = 0; i < s.in; ++i) {
        dw[o * s.in + i] = T(0);
        for (std::int64_t n = 0; n < s.rows; ++n) dw[o * s.in + i] = dw[o * s.in + i] + dy[n * s.out + o] * x[n * s.in + i];
      }
    for (std::int64_t n = 0; n < s.rows; ++n)
      for (std::int64_t i = 0; i < s.in; ++i) {
        dx[n * s.in + i] = T(0);
        for (std::int64_t o = 0; o < s.out; ++o) dx[n * s.in + i] = dx[n * s.in + i] + dy[n * s.out + o] * w[o * s.in + i];
      }
  }
};

}  // namespace soma
