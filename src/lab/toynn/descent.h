// matrices of one kind + their three products → gradient descent of ToyNeuralNet, written once for all of them.
#pragma once

#include <cmath>

#include "lab/toynn/platform.h"

namespace soma {

/// A list per row.
template <class T>
struct ListMatrix {
  using Number = T;
  std::vector<std::vector<T>> rows;
  ListMatrix() = default;
  ListMatrix(std::int64_t m, std::int64_t n)
      : rows(static_cast<std::size_t>(m), std::vector<T>(static_cast<std::size_t>(n), T(0))) {}
  T& at(std::int64_t i, std::int64_t j) { return rows[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)]; }
  const T& at(std::int64_t i, std::int64_t j) const { return rows[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)]; }
};

/// One array, row after row.
template <class T>
struct ArrayMatrix {
  using Number = T;
  std::vector<T> data;
  std::int64_t columns = 0;
  ArrayMatrix() = default;
  ArrayMatrix(std::int64_t m, std::int64_t n) : data(static_cast<std::size_t>(m * n), T(0)), columns(n) {}
  T& at(std::int64_t i, std::int64_t j) { return data[static_cast<std::size_t>(i * columns + j)]; }
  const T& at(std::int64_t i, std::int64_t j) const { return data[static_cast<std::size_t>(i * columns + j)]; }
};

/// m rows, in and out columns of the three products of a linear layer.
struct ToyShape {
  std::int64_t rows = 0, in = 0, out = 0;
};

template <class Matrix>
struct PlainProducts {
  using Storage = Matrix;
  using T = typename Matrix::Number;

  /// y = x·wᵀ
  void forward(const ToyShape& s, const Matrix& x, const Matrix& w, Matrix& y) const {
    for (std::int64_t n = 0; n < s.rows; ++n)
      for (std::int64_t o = 0; o < s.out; ++o) {
        T sum(0);
        for (std::int64_t i = 0; i < s.in; ++i) sum = sum + w.at(o, i) * x.at(n, i);
        y.at(n, o) = sum;
      }
  }
  /// dx = dy·w
  void back(const ToyShape& s, const Matrix& dy, const Matrix& w, Matrix& dx) const {
    for (std::int64_t n = 0; n < s.rows; ++n) {
      for (std::int64_t i = 0; i < s.in; ++i) dx.at(n, i) = T(0);
      for (std::int64_t o = 0; o < s.out; ++o)
        for (std::int64_t i = 0; i < s.in; ++i) dx.at(n, i) = dx.at(n, i) + dy.at(n, o) * w.at(o, i);
    }
  }
  /// w −= rate·dyᵀ·x
  void update(const ToyShape& s, const Matrix& dy, const Matrix& x, T rate, Matrix& w) const {
    for (std::int64_t n = 0; n < s.rows; ++n)
      for (std::int64_t o = 0; o < s.out; ++o) {
        const T step = rate * dy.at(n, o);
        for (std::int64_t i = 0; i < s.in; ++i) w.at(o, i) = w.at(o, i) - step * x.at(n, i);
      }
  }
};

template <class Products>
class Descent : public ToyPlatform {
 public:
  using Matrix = typename Products::Storage;
  using T = typename Matrix::Number;

  explicit Descent(const ToyJob& job, Products products = {})
      : rows_(job.rows), rate_(static_cast<T>(job.rate)), products_(products) {
    y_.emplace_back(job.batch, job.rows.features);
    for (const ToyLayer& from : job.layers) {
      Layer& layer = layers_.emplace_back(Layer{from.in, from.out, Matrix(from.out, from.in), {}});
      for (std::int64_t o = 0; o < from.out; ++o) {
        layer.bias.push_back(static_cast<T>(from.bias[static_cast<std::size_t>(o)]));
        for (std::int64_t i = 0; i < from.in; ++i)
          layer.weight.at(o, i) = static_cast<T>(from.weight[static_cast<std::size_t>(o * from.in + i)]);
      }
      y_.emplace_back(job.batch, from.out);
      dy_.emplace_back(job.batch, from.out);
    }
  }

  void train(std::int64_t first, std::int64_t rows) override {
    forward(first, rows);
    const std::size_t last = layers_.size() - 1;
    for (std::int64_t n = 0; n < rows; ++n) {
      const T y = y_.back().at(n, 0), target = static_cast<T>(rows_.target[static_cast<std::size_t>(first + n)]);
      dy_[last].at(n, 0) = static_cast<T>(2.0 / static_cast<double>(rows)) * (y - target) * y * (T(1) - y);
    }
    for (std::size_t l = layers_.size(); l-- > 0;) {
      Layer& layer = layers_[l];
      const ToyShape shape{rows, layer.in, layer.out};
      if (l > 0) {
        products_.back(shape, dy_[l], layer.weight, dy_[l - 1]);
        for (std::int64_t n = 0; n < rows; ++n)
          for (std::int64_t i = 0; i < layer.in; ++i)
            dy_[l - 1].at(n, i) = dy_[l - 1].at(n, i) * y_[l].at(n, i) * (T(1) - y_[l].at(n, i));
      }
      products_.update(shape, dy_[l], y_[l], rate_, layer.weight);
      for (std::int64_t o = 0; o < layer.out; ++o)
        for (std::int64_t n = 0; n < rows; ++n)
          layer.bias[static_cast<std::size_t>(o)] = layer.bias[static_cast<std::size_t>(o)] - rate_ * dy_[l].at(n, o);
    }
  }

  void predict(std::int64_t first, std::int64_t rows, float* y) override {
    forward(first, rows);
    if constexpr (std::is_arithmetic_v<T>)
      for (std::int64_t n = 0; n < rows; ++n) y[n] = static_cast<float>(y_.back().at(n, 0));
  }

  [[nodiscard]] ToyLayers layers() const override {
    ToyLayers list;
    if constexpr (std::is_arithmetic_v<T>)
      for (const Layer& from : layers_) {
        ToyLayer& layer = list.emplace_back(ToyLayer{from.in, from.out, {}, {}});
        for (std::int64_t o = 0; o < from.out; ++o) {
          layer.bias.push_back(static_cast<float>(from.bias[static_cast<std::size_t>(o)]));
          for (std::int64_t i = 0; i < from.in; ++i) layer.weight.push_back(static_cast<float>(from.weight.at(o, i)));
        }
      }
    return list;
  }

  /// In T, for the tests: outputs of the last batch, and a layer's weight and bias.
  [[nodiscard]] T output(std::int64_t n) const { return y_.back().at(n, 0); }
  [[nodiscard]] T weight(std::size_t l, std::int64_t o, std::int64_t i) const { return layers_[l].weight.at(o, i); }
  [[nodiscard]] T bias(std::size_t l, std::int64_t o) const { return layers_[l].bias[static_cast<std::size_t>(o)]; }

 private:
  struct Layer {
    std::int64_t in, out;
    Matrix weight;
    std::vector<T> bias;
  };

  void forward(std::int64_t first, std::int64_t rows) {
    using std::exp;
    for (std::int64_t n = 0; n < rows; ++n)
      for (std::int64_t i = 0; i < rows_.features; ++i)
        y_[0].at(n, i) = static_cast<T>(rows_.x[static_cast<std::size_t>((first + n) * rows_.features + i)]);
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const Layer& layer = layers_[l];
      products_.forward({rows, layer.in, layer.out}, y_[l], layer.weight, y_[l + 1]);
      for (std::int64_t n = 0; n < rows; ++n)
        for (std::int64_t o = 0; o < layer.out; ++o)
          y_[l + 1].at(n, o) = T(1) / (T(1) + exp(T(0) - (y_[l + 1].at(n, o) + layer.bias[static_cast<std::size_t>(o)])));
    }
  }

  const ToyRows& rows_;
  T rate_;
  Products products_;
  std::vector<Layer> layers_;
  std::vector<Matrix> y_, dy_;  // y_[0] is the input; dy_[l] before the sigmoid of layer l
};

}  // namespace soma
