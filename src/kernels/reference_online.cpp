// rows of weights, one sample → sums and moved rows in plain loops.
#include "kernels/online.h"

namespace soma {
namespace {

double sign(double w) { return w > 0 ? 1 : w < 0 ? -1 : 0; }
double settled(double w, double growth, double shift) { return growth * w + sign(w) * shift; }

void forward(const double* w, const OnlineRow* rows, std::int64_t count, std::int64_t width, double* y) noexcept {
  for (std::int64_t j = 0; j < width; ++j) {
    y[j] = 0;
    for (std::int64_t i = 0; i < count; ++i) y[j] += rows[i].x * settled(w[rows[i].offset + j], rows[i].growth, rows[i].shift);
  }
}

void backward(double* w, const OnlineRow* rows, std::int64_t count, std::int64_t width, const double* delta,
              double* error) noexcept {
  for (std::int64_t i = 0; i < count; ++i) {
    double* row = w + rows[i].offset;
    double sum = 0;
    for (std::int64_t j = 0; j < width; ++j) {
      sum += delta[j] * row[j];
      row[j] = settled(row[j], rows[i].growth, rows[i].shift) - rows[i].x * delta[j];
    }
    if (error != nullptr) error[i] = sum;
  }
}

void settle(double* w, double growth, double shift, std::int64_t n) noexcept {
  for (std::int64_t j = 0; j < n; ++j) w[j] = settled(w[j], growth, shift);
}

void merge(double* main, const double* own, const double* start, double factor, std::int64_t n) noexcept {
  for (std::int64_t j = 0; j < n; ++j) main[j] += (own[j] - start[j]) * factor;
}

}  // namespace

const OnlineKernels& reference_online_kernels() {
  static constexpr OnlineKernels kernels{"reference", forward, backward, settle, merge};
  return kernels;
}

}  // namespace soma
