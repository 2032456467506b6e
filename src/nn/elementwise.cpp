// values → values of the same size, joined or copied: activations, softmax, dropout, sums, concatenation, reordering.
#include <algorithm>
#include <cmath>

#include "nn/layers.h"

namespace soma {

template <class T>
void forward(const ActivationStep& s, const Run<T>& run) {
  const std::int64_t size = run.size(s.y);
  run.share(run.rows, size * 4, [&](std::int64_t begin, std::int64_t end, int) {
    run.kernels.activate(s.activation, run.value(s.x.value) + begin * size, run.value(s.y) + begin * size, (end - begin) * size);
  });
}

template <class T>
void backward(const ActivationStep& s, const Run<T>& run) {
  if (s.x.gradient < 0) return;
  const std::int64_t size = run.size(s.y);
  run.share(run.rows, size * 4, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t at = begin * size;
    run.kernels.activate_backward(s.activation, run.value(s.x.value) + at, run.value(s.y) + at, run.gradient(s.y) + at,
                                  run.gradient(s.x) + at, (end - begin) * size);
  });
}

template <class T>
void forward(const SoftmaxStep& s, const Run<T>& run) {
  const std::int64_t size = run.size(s.y);
  run.share(run.rows, size * 8, [&](std::int64_t begin, std::int64_t end, int) {
    run.kernels.softmax(s.log, run.value(s.x.value) + begin * size, run.value(s.y) + begin * size, end - begin, size);
  });
}

template <class T>
void backward(const SoftmaxStep& s, const Run<T>& run) {
  if (s.x.gradient < 0) return;
  const std::int64_t size = run.size(s.y);
  run.share(run.rows, size * 8, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t at = begin * size;
    run.kernels.softmax_backward(s.log, run.value(s.y) + at, run.gradient(s.y) + at, run.gradient(s.x) + at, end - begin, size);
  });
}

// y = x·mask, mask 0 or 1/(1 − rate). Alpha dropout (Klambauer et al. 2017): y = a·(kept ? x : α′) + b, which keeps mean 0 and
// variance 1: α′ = −λα, a = ((1 − rate)(1 + rate·α′²))^−½, b = −a·rate·α′. The mask then holds a or 0.
template <class T>
void forward(const DropoutStep& s, const Run<T>& run) {
  const double saturation = s.alpha ? -1.7580993408473766 : 0;
  const double a = s.alpha ? 1 / std::sqrt((1 - s.rate) * (1 + s.rate * saturation * saturation)) : 1 / (1 - s.rate);
  const double b = -a * s.rate * saturation;
  const T keep = static_cast<T>(a), offset = static_cast<T>(b), dropped = static_cast<T>(a * saturation + b);
  const auto limit = static_cast<std::uint32_t>(s.rate * 0x1p32);
  const std::int64_t size = run.size(s.y), blocks = (size + 3) / 4;  // four random numbers at a time
  run.share(run.rows, size * 8, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      const T* x = run.value(s.x.value) + row * size;
      T* y = run.value(s.y) + row * size;
      T* mask = run.masks + s.mask + row * size;
      if (!run.training) {
        std::copy_n(x, size, y);
        continue;
      }
      const std::uint64_t first = (run.pass * static_cast<std::uint64_t>(run.plan.max_batch) + static_cast<std::uint64_t>(row)) *
                                  static_cast<std::uint64_t>(blocks);
      std::array<std::uint32_t, 4> numbers{};
      for (std::int64_t i = 0; i < size; ++i) {
        if (i % 4 == 0) numbers = philox(run.seed, stream(Stream::dropout, s.stream), first + static_cast<std::uint64_t>(i / 4));
        const bool drop = numbers[static_cast<std::size_t>(i % 4)] < limit;
        mask[i] = drop ? T(0) : keep;
        y[i] = drop ? dropped : x[i] * keep + offset;
      }
    }
  });
}

template <class T>
void backward(const DropoutStep& s, const Run<T>& run) {
  if (s.x.gradient < 0) return;
  const std::int64_t size = run.size(s.y);
  run.share(run.rows, size, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t at = begin * size, count = (end - begin) * size;
    if (run.training)
      run.kernels.multiply(run.gradient(s.y) + at, run.masks + s.mask + at, run.gradient(s.x) + at, count);
    else
      std::copy_n(run.gradient(s.y) + at, count, run.gradient(s.x) + at);
  });
}

template <class T>
void forward(const ReorderStep& s, const Run<T>& run) {
  const Extent from = run.at(s.x.value).extent;
  const std::int64_t area = from.h * from.w, size = from.size();
  run.share(run.rows, size * 2, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row)
      for (std::int64_t i = 0; i < size; ++i)
        run.value(s.y)[row * size + i] = run.value(s.x.value)[row * size + i % area * from.c + i / area];
  });
}

template <class T>
void backward(const ReorderStep& s, const Run<T>& run) {
  if (s.x.gradient < 0) return;
  const Extent from = run.at(s.x.value).extent;
  const std::int64_t area = from.h * from.w, size = from.size();
  run.share(run.rows, size * 2, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row)
      for (std::int64_t i = 0; i < size; ++i)
        run.gradient(s.x)[row * size + i % area * from.c + i / area] = run.gradient(s.y)[row * size + i];
  });
}

template <class T>
void forward(const AddStep& s, const Run<T>& run) {
  const std::int64_t size = run.size(s.y);
  run.share(run.rows, size * static_cast<std::int64_t>(s.x.size()), [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t at = begin * size, count = (end - begin) * size;
    T* y = run.value(s.y) + at;
    run.kernels.add(run.value(s.x[0].value) + at, run.value(s.x[1].value) + at, y, count);
    for (std::size_t i = 2; i < s.x.size(); ++i) run.kernels.add(y, run.value(s.x[i].value) + at, y, count);
  });
}

template <class T>
void backward(const AddStep& s, const Run<T>& run) {
  const std::int64_t size = run.size(s.y);
  run.share(run.rows, size * static_cast<std::int64_t>(s.x.size()), [&](std::int64_t begin, std::int64_t end, int) {
    for (const Input& x : s.x)
      if (x.gradient >= 0) std::copy_n(run.gradient(s.y) + begin * size, (end - begin) * size, run.gradient(x) + begin * size);
  });
}

namespace {

/// Calls f(input, its numbers in a pixel, where they begin in the joined pixel).
template <class T, class F>
void for_each_part(const ConcatStep& s, const Run<T>& run, F&& f) {
  std::int64_t offset = 0;
  for (const Input& x : s.x) {
    const Extent from = run.at(x.value).extent;
    const bool flat = run.at(s.y).extent.h * run.at(s.y).extent.w == 1;
    const std::int64_t width = flat ? from.size() : from.c;
    f(x, width, offset);
    offset += width;
  }
}

}  // namespace

template <class T>
void forward(const ConcatStep& s, const Run<T>& run) {
  const Extent to = run.at(s.y).extent;
  const std::int64_t pixels = to.h * to.w;
  run.share(run.rows, to.size(), [&](std::int64_t begin, std::int64_t end, int) {
    for_each_part(s, run, [&](const Input& x, std::int64_t width, std::int64_t offset) {
      for (std::int64_t p = begin * pixels; p < end * pixels; ++p)
        std::copy_n(run.value(x.value) + p * width, width, run.value(s.y) + p * to.c + offset);
    });
  });
}

template <class T>
void backward(const ConcatStep& s, const Run<T>& run) {
  const Extent to = run.at(s.y).extent;
  const std::int64_t pixels = to.h * to.w;
  run.share(run.rows, to.size(), [&](std::int64_t begin, std::int64_t end, int) {
    for_each_part(s, run, [&](const Input& x, std::int64_t width, std::int64_t offset) {
      if (x.gradient < 0) return;
      for (std::int64_t p = begin * pixels; p < end * pixels; ++p)
        std::copy_n(run.gradient(s.y) + p * to.c + offset, width, run.gradient(x) + p * width);
    });
  });
}

template <class T>
void forward(const ForkStep&, const Run<T>&) {}

template <class T>
void backward(const ForkStep& s, const Run<T>& run) {
  const std::int64_t size = run.size(s.value);
  run.share(run.rows, size * static_cast<std::int64_t>(s.gradients.size()), [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t at = begin * size, count = (end - begin) * size;
    T* sum = run.gradient(s.value) + at;
    run.kernels.add(run.gradients + s.gradients[0] + at, run.gradients + s.gradients[1] + at, sum, count);
    for (std::size_t i = 2; i < s.gradients.size(); ++i) run.kernels.add(sum, run.gradients + s.gradients[i] + at, sum, count);
  });
}

SOMA_INSTANTIATE_STEP(ActivationStep)
SOMA_INSTANTIATE_STEP(SoftmaxStep)
SOMA_INSTANTIATE_STEP(DropoutStep)
SOMA_INSTANTIATE_STEP(ReorderStep)
SOMA_INSTANTIATE_STEP(AddStep)
SOMA_INSTANTIATE_STEP(ConcatStep)
SOMA_INSTANTIATE_STEP(ForkStep)

}  // namespace soma
