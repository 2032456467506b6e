// a batch → gradients → changed weights: everything of mnist-cnn that the rungs share, in plain loops.
#pragma once

#include <algorithm>
#include <cmath>

#include "lab/timeline/rung.h"

namespace soma {

/// A linear layer over a batch: y = x·Wᵀ + b with x [rows, in], W [out, in].
struct LinearShape {
  std::int64_t rows = 0, in = 0, out = 0;
};

/// Memory and the cheap steps. A rung adds the four that take the time, and may replace the update.
template <class T>
class PlainCnn : public Rung<T> {
 public:
  PlainCnn(const CnnArrays<T>& weights, std::int64_t batch)
      : weights_(weights),
        conv_(size(batch * kFilters * kPixels)),
        dconv_(conv_.size()),
        pooled_(size(batch * kFlat)),
        dpooled_(pooled_.size()),
        hidden_(size(batch * kHidden)),
        dhidden_(hidden_.size()),
        logits_(size(batch * kClasses)),
        dlogits_(logits_.size()),
        winner_(pooled_.size()) {
    for (std::size_t i = 0; i < weights_.size(); ++i)
      gradients_[i] = first_moment_[i] = second_moment_[i] = std::vector<T>(weights_[i].size(), T(0));
  }

  T gradient(const T* x, const std::int32_t* labels, std::int64_t rows) override {
    auto& [conv_w, conv_b, w1, b1, w2, b2] = weights_;
    auto& [dconv_w, dconv_b, dw1, db1, dw2, db2] = gradients_;
    const LinearShape first{rows, kFlat, kHidden}, second{rows, kHidden, kClasses};
    conv_forward(x, conv_w.data(), conv_b.data(), rows, conv_.data());
    relu(conv_.data(), rows * kFilters * kPixels);
    pool(rows);
    linear_forward(first, pooled_.data(), w1.data(), b1.data(), hidden_.data());
    relu(hidden_.data(), rows * kHidden);
    linear_forward(second, hidden_.data(), w2.data(), b2.data(), logits_.data());
    const T loss = softmax_loss(labels, rows);

    linear_backward(second, hidden_.data(), w2.data(), dlogits_.data(), dw2.data(), db2.data(), dhidden_.data());
    relu_backward(hidden_.data(), dhidden_.data(), rows * kHidden);
    linear_backward(first, pooled_.data(), w1.data(), dhidden_.data(), dw1.data(), db1.data(), dpooled_.data());
    unpool(rows);
    relu_backward(conv_.data(), dconv_.data(), rows * kFilters * kPixels);
    conv_backward(x, dconv_.data(), rows, dconv_w.data(), dconv_b.data());
    return loss;
  }

  void update() override {
    ++step_;
    for (std::size_t i = 0; i < weights_.size(); ++i) update_array(i, i % 2 == 0 ? 1e-4 : 0.0);
  }

  [[nodiscard]] const CnnArrays<T>& weights() const override { return weights_; }
  [[nodiscard]] const CnnArrays<T>& gradients() const override { return gradients_; }

 protected:
  static constexpr std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

  /// y [rows, 32, 28, 28] from x [rows, 28, 28], w [32, 5, 5], b [32].
  virtual void conv_forward(const T* x, const T* w, const T* b, std::int64_t rows, T* y) = 0;
  /// dw and db from x and dy; nobody asks for dx of the first layer.
  virtual void conv_backward(const T* x, const T* dy, std::int64_t rows, T* dw, T* db) = 0;
  virtual void linear_forward(const LinearShape& s, const T* x, const T* w, const T* b, T* y) = 0;
  /// dw = dyᵀ·x, db = column sums of dy, dx = dy·W.
  virtual void linear_backward(const LinearShape& s, const T* x, const T* w, const T* dy, T* dw, T* db, T* dx) = 0;

  /// Adam on array i, with l2·w added to its gradient.
  virtual void update_array(std::size_t i, double l2) {
    const T beta1 = static_cast<T>(0.9), beta2 = static_cast<T>(0.999);
    const T step1 = static_cast<T>(1e-3 / (1 - std::pow(0.9, step_)));
    const T root2 = static_cast<T>(1 / std::sqrt(1 - std::pow(0.999, step_)));
    using std::sqrt;
    for (std::size_t k = 0; k < weights_[i].size(); ++k) {
      const T g = gradients_[i][k] + T(l2) * weights_[i][k];
      T &m = first_moment_[i][k], &v = second_moment_[i][k];
      m = beta1 * m + (T(1) - beta1) * g;
      v = beta2 * v + (T(1) - beta2) * g * g;
      weights_[i][k] = weights_[i][k] - step1 * m / (sqrt(v) * root2 + T(1e-8));
    }
  }

  CnnArrays<T> weights_, gradients_, first_moment_, second_moment_;
  std::int64_t step_ = 0;

 private:
  static void relu(T* y, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i)
      if (!(y[i] > T(0))) y[i] = T(0);
  }
  static void relu_backward(const T* y, T* dy, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i)
      if (!(y[i] > T(0))) dy[i] = T(0);
  }

  /// 2×2 windows; the first of equal maxima wins.
  void pool(std::int64_t rows) {
    std::size_t out = 0;
    for (std::int64_t plane = 0; plane < rows * kFilters; ++plane)
      for (std::int64_t h = 0; h < kPooled; ++h)
        for (std::int64_t w = 0; w < kPooled; ++w, ++out) {
          const std::int64_t corner = plane * kPixels + 2 * h * kSide + 2 * w;
          std::int64_t best = corner;
          for (const std::int64_t other : {corner + 1, corner + kSide, corner + kSide + 1})
            if (conv_[size(other)] > conv_[size(best)]) best = other;
          winner_[out] = best;
          pooled_[out] = conv_[size(best)];
        }
  }
  void unpool(std::int64_t rows) {
    std::fill(dconv_.begin(), dconv_.begin() + rows * kFilters * kPixels, T(0));
    for (std::size_t i = 0; i < size(rows * kFlat); ++i) dconv_[size(winner_[i])] = dpooled_[i];
  }

  T softmax_loss(const std::int32_t* labels, std::int64_t rows) {
    using std::exp;
    using std::log;
    T loss(0);
    const T share = static_cast<T>(1.0 / static_cast<double>(rows));
    for (std::int64_t n = 0; n < rows; ++n) {
      const T* y = logits_.data() + n * kClasses;
      T* dy = dlogits_.data() + n * kClasses;
      T largest = y[0], sum(0);
      for (std::int64_t c = 1; c < kClasses; ++c)
        if (y[c] > largest) largest = y[c];
      for (std::int64_t c = 0; c < kClasses; ++c) sum = sum + (dy[c] = exp(y[c] - largest));
      loss = loss + (log(sum) - (y[labels[n]] - largest)) * share;
      for (std::int64_t c = 0; c < kClasses; ++c) dy[c] = (dy[c] / sum - T(c == labels[n] ? 1 : 0)) * share;
    }
    return loss;
  }

  std::vector<T> conv_, dconv_, pooled_, dpooled_, hidden_, dhidden_, logits_, dlogits_;
  std::vector<std::int64_t> winner_;
};

}  // namespace soma
