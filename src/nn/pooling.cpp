// images → smaller images, and back: pooling that was not fused into a convolution.
#include "nn/layers.h"

namespace soma {

template <class T>
void forward(const PoolStep& s, const Run<T>& run) {
  const std::int64_t in = run.size(s.x.value), out = run.size(s.y);
  run.share(run.rows, out * s.shape.size_h * s.shape.size_w, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* x = run.value(s.x.value) + i * in;
      T* y = run.value(s.y) + i * out;
      if (s.kind == Pool::Kind::max)
        run.kernels.max_pool(s.shape, x, y, run.training ? run.winners + s.winners + i * out : nullptr);
      else
        run.kernels.average_pool(s.shape, x, y);
    }
  });
}

// The maximum passes dy to its winner, the average shares it over the window.
template <class T>
void backward(const PoolStep& s, const Run<T>& run) {
  if (s.x.gradient < 0) return;
  const std::int64_t in = run.size(s.x.value), out = run.size(s.y);
  run.share(run.rows, in * 2, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* dy = run.gradient(s.y) + i * out;
      T* dx = run.gradient(s.x) + i * in;
      if (s.kind == Pool::Kind::max)
        run.kernels.max_pool_backward(s.shape, dy, run.winners + s.winners + i * out, dx);
      else
        run.kernels.average_pool_backward(s.shape, dy, dx);
    }
  });
}

template <class T>
void forward(const GlobalAverageStep& s, const Run<T>& run) {
  const Extent from = run.at(s.x.value).extent;
  const std::int64_t area = from.h * from.w;
  run.share(run.rows, from.size(), [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      T* y = run.value(s.y) + i * from.c;
      run.kernels.sum_rows(run.value(s.x.value) + i * from.size(), from.c, area, from.c, false, y);
      run.kernels.scale(T(1) / static_cast<T>(area), y, from.c);
    }
  });
}

template <class T>
void backward(const GlobalAverageStep& s, const Run<T>& run) {
  if (s.x.gradient < 0) return;
  const Extent from = run.at(s.x.value).extent;
  const T share = T(1) / static_cast<T>(from.h * from.w);
  run.share(run.rows, from.size(), [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin * from.h * from.w; i < end * from.h * from.w; ++i)
      for (std::int64_t c = 0; c < from.c; ++c)
        run.gradient(s.x)[i * from.c + c] = run.gradient(s.y)[i / (from.h * from.w) * from.c + c] * share;
  });
}

SOMA_INSTANTIATE_STEP(PoolStep)
SOMA_INSTANTIATE_STEP(GlobalAverageStep)

}  // namespace soma
