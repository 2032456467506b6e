// rows of channels → the same with mean 0 and variance 1, scaled and shifted, and back (Ioffe & Szegedy 2015).
#include <algorithm>
#include <cmath>

#include "nn/layers.h"

namespace soma {
namespace {

/// The four rows kept from forward to backward, and the shared memory of the partial sums.
template <class T>
struct Saved {
  T *mean, *inverse_deviation, *factor, *offset;
  Saved(const BatchNormStep& s, const Run<T>& run)
      : mean(run.partials + s.saved),
        inverse_deviation(mean + s.channels),
        factor(mean + 2 * s.channels),
        offset(mean + 3 * s.channels) {}
};

/// sum[c] = Σ (x[r, c] − shift[c])·(z[r, c] − shift2[c]) over all rows of the batch, in kChunks pieces added in order;
/// z null: Σ x. The pieces depend on the batch alone.
template <class T>
void sum_over_rows(const BatchNormStep& s, const Run<T>& run, const T* x, const T* shift, const T* z, const T* shift2, T* sum) {
  const std::int64_t rows = run.rows * s.rows_per_sample, chunks = std::min(kChunks, rows);
  T* partial = run.partials + s.partial;
  run.share(chunks, rows * s.channels / chunks, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      const std::int64_t first = rows * chunk / chunks, count = rows * (chunk + 1) / chunks - first, at = first * s.channels;
      T* to = partial + chunk * s.channels;
      if (z == nullptr)
        run.kernels.sum_rows(x + at, s.channels, count, s.channels, false, to);
      else
        run.kernels.sum_products(x + at, shift, z + at, shift2, s.channels, count, s.channels, false, to);
    }
  });
  std::copy(partial, partial + s.channels, sum);
  for (std::int64_t chunk = 1; chunk < chunks; ++chunk) run.kernels.add(sum, partial + chunk * s.channels, sum, s.channels);
}

}  // namespace

// y = (x − mean)·scale/√(var + ε) + shift: the batch's biased variance when training, the running one otherwise.
template <class T>
void forward(const BatchNormStep& s, const Run<T>& run) {
  const Saved<T> saved(s, run);
  const T* x = run.value(s.x.value);
  T *running_mean = run.parameter(s.running_mean), *running_variance = run.parameter(s.running_variance);
  const T rows = static_cast<T>(run.rows * s.rows_per_sample);
  if (run.training) {
    sum_over_rows<T>(s, run, x, nullptr, nullptr, nullptr, saved.mean);
    run.kernels.scale(T(1) / rows, saved.mean, s.channels);
    sum_over_rows<T>(s, run, x, saved.mean, x, saved.mean, saved.inverse_deviation);
  }
  const T momentum = static_cast<T>(s.norm.momentum);
  for (std::int64_t c = 0; c < s.channels; ++c) {
    T mean = running_mean[c], variance = running_variance[c];
    if (run.training) {
      mean = saved.mean[c];
      variance = saved.inverse_deviation[c] / rows;
      const T unbiased = rows > 1 ? saved.inverse_deviation[c] / (rows - 1) : variance;
      running_mean[c] += momentum * (mean - running_mean[c]);
      running_variance[c] += momentum * (unbiased - running_variance[c]);
    }
    saved.inverse_deviation[c] = T(1) / std::sqrt(variance + static_cast<T>(s.norm.epsilon));
    saved.factor[c] = run.parameter(s.scale)[c] * saved.inverse_deviation[c];
    saved.offset[c] = run.parameter(s.shift)[c] - mean * saved.factor[c];
  }
  run.share(run.rows * s.rows_per_sample, 2 * s.channels, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t at = begin * s.channels;
    run.kernels.scale_shift(x + at, saved.factor, saved.offset, run.value(s.y) + at, end - begin, s.channels);
  });
}

// With x̂ = (x − mean)/σ:  dshift = Σ dy,  dscale = Σ dy·x̂,  dx = scale/σ·(dy − dshift/m − x̂·dscale/m), m rows.
template <class T>
void backward(const BatchNormStep& s, const Run<T>& run) {
  const Saved<T> saved(s, run);
  const T *x = run.value(s.x.value), *dy = run.gradient(s.y);
  T* dshift = saved.offset;                                     // free since forward
  T* dscale = run.partials + s.partial + kChunks * s.channels;  // behind the pieces
  sum_over_rows<T>(s, run, dy, nullptr, nullptr, nullptr, dshift);
  sum_over_rows<T>(s, run, x, saved.mean, dy, nullptr, dscale);
  T *to_scale = run.parameter_gradient(s.scale), *to_shift = run.parameter_gradient(s.shift);
  for (std::int64_t c = 0; c < s.channels; ++c) {
    dscale[c] *= saved.inverse_deviation[c];
    to_scale[c] = (run.accumulate ? to_scale[c] : T(0)) + dscale[c];
    to_shift[c] = (run.accumulate ? to_shift[c] : T(0)) + dshift[c];
  }
  if (s.x.gradient < 0) return;
  const T rows = static_cast<T>(run.rows * s.rows_per_sample);
  run.share(run.rows * s.rows_per_sample, 6 * s.channels, [&](std::int64_t begin, std::int64_t end, int) {
    T* dx = run.gradient(s.x);
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t c = 0; c < s.channels; ++c) {
        const std::int64_t i = r * s.channels + c;
        const T normal = (x[i] - saved.mean[c]) * saved.inverse_deviation[c];
        dx[i] = saved.factor[c] * (dy[i] - (dshift[c] + normal * dscale[c]) / rows);
      }
  });
}

SOMA_INSTANTIATE_STEP(BatchNormStep)

}  // namespace soma
