// rows × weights → rows, and back: linear layers as three matrix products.
#include <algorithm>

#include "nn/layers.h"

namespace soma {
namespace {

/// Whether the team cuts a layer's outputs among its members, in pairs of panels, rather than the rows of x: then each has its
/// own part of the weights in its own cache. So it is where there is more to be read of weights than of x.
template <class T>
bool cut_outputs(const LinearStep& s, const Run<T>& run) {
  return (panels(s.out) + 1) / 2 >= run.team.size() && s.out >= run.rows;
}

}  // namespace

// y = f(x·Wᵀ + b). The weights lie as [in, out] in panels of 16 outputs, so x is read row by row and nothing is packed.
template <class T>
void forward(const LinearStep& s, const Run<T>& run) {
  const Parameter& w = run.parameter_at(s.weight);
  const bool by_outputs = cut_outputs(s, run);
  const std::int64_t units = by_outputs ? (panels(s.out) + 1) / 2 : run.rows;
  run.share(units, 2 * run.rows * s.in * s.out / units, [&](std::int64_t begin, std::int64_t end, int) {
    const std::int64_t first_column = by_outputs ? begin * 2 * kPanel : 0;
    const std::int64_t last_column = by_outputs ? std::min(end * 2 * kPanel, s.out) : s.out;
    const std::int64_t first_row = by_outputs ? 0 : begin, last_row = by_outputs ? run.rows : end;
    Gemm<T> g;
    g.m = last_row - first_row;
    g.n = last_column - first_column;
    g.depth = s.in;
    g.a = run.value(s.x.value) + first_row * s.in;
    g.a_row = s.in;
    g.b = run.parameter(s.weight) + first_column / kPanel * w.panel_stride();
    g.b_panel = w.panel_stride();
    g.c = run.value(s.y) + first_row * s.out + first_column;
    g.c_row = s.out;
    if (s.bias >= 0) g.bias = run.parameter(s.bias) + first_column;
    g.stranded = s.out <= kPanel;
    run.kernels.gemm(g);
    if (!s.activation) return;
    for (std::int64_t i = 0; i < g.m; ++i) run.kernels.activate(*s.activation, g.c + i * s.out, g.c + i * s.out, g.n);
  });
}

namespace {

// The rows [first, first + g.m) of a weight gradient, two panels at a time and as many rows as the first-level cache holds:
// worked out into scratch, used up, forgotten.
template <class T>
void update_weights(const LinearStep& s, const Run<T>& run, Gemm<T> g, std::int64_t first_row, std::int64_t first_panel,
                    T* scratch) {
  const Parameter& w = run.parameter_at(s.weight);
  std::fill_n(scratch, 2 * kFusedRows * kPanel, T(0));  // what lies beyond the last column stays zero
  const Gemm<T> all = g;
  for (std::int64_t panel = 0; panel < panels(all.n); panel += 2)
    for (std::int64_t row = 0; row < all.m; row += kFusedRows) {
      g.m = std::min(kFusedRows, all.m - row);
      g.n = std::min(2 * kPanel, all.n - panel * kPanel);
      g.a = all.a + row;
      g.b = all.b + panel * all.b_panel;
      g.c = scratch;
      g.c_panel = kFusedRows * kPanel;
      run.kernels.gemm(g);
      for (std::int64_t p = 0; p < panels(g.n); ++p) {
        const std::int64_t at = w.offset + (first_panel + panel + p) * w.panel_stride() + (first_row + row) * kPanel;
        const auto state = [at](T* arena) { return arena == nullptr ? nullptr : arena + at; };
        run.kernels.update(run.update->numbers, run.parameters + at, scratch + p * g.c_panel, state(run.update->state0),
                           state(run.update->state1), g.m * kPanel);
      }
    }
}

/// dW = dyᵀ·x, as [in, out] panels: row i of the product is column i of x, so x is read transposed, dy as it is. All of it but
/// the place it goes to.
template <class T>
Gemm<T> weight_product(const LinearStep& s, const Run<T>& run) {
  Gemm<T> g;
  g.m = s.in;
  g.n = s.out;
  g.depth = run.rows;
  g.a = run.value(s.x.value);
  g.a_row = 1;
  g.a_col = s.in;
  g.b = run.gradient(s.y);
  g.b_row = s.out;
  g.b_panel = kPanel;
  g.c_row = kPanel;
  g.accumulate = run.accumulate;
  return g;
}

}  // namespace

template <class T>
void weight_gradient(const LinearStep& s, const Run<T>& run) {
  const Gemm<T> g = weight_product(s, run);
  const std::int64_t stride = run.parameter_at(s.weight).panel_stride();
  const bool by_outputs = cut_outputs(s, run);
  const std::int64_t units = by_outputs ? (panels(s.out) + 1) / 2 : s.in;
  run.share(units, 2 * run.rows * s.in * s.out / units, [&](std::int64_t begin, std::int64_t end, int member) {
    Gemm<T> part = g;
    const std::int64_t first_row = by_outputs ? 0 : begin, first_panel = by_outputs ? 2 * begin : 0;
    part.m = by_outputs ? s.in : end - begin;
    part.n = by_outputs ? std::min(end * 2 * kPanel, s.out) - first_panel * kPanel : s.out;
    part.a += first_row;
    part.b += first_panel * g.b_panel;
    if (run.update != nullptr) return update_weights(s, run, part, first_row, first_panel, run.member_scratch(member));
    part.c = run.parameter_gradient(s.weight) + first_panel * stride + first_row * kPanel;
    part.c_panel = stride;
    run.kernels.gemm(part);
  });
}

namespace {

/// Inputs [first, first + count) of a layer: the rows of a block of its weights.
struct Inputs {
  std::int64_t first, count;
};

// Few samples: weights are read once, as they lie. In single precision, whatever the precision of gemm.
template <class T>
void input_gradient_of_few(const LinearStep& s, const Run<T>& run, Inputs inputs) {
  run.kernels.dots({run.rows, inputs.count, s.out, run.gradient(s.y), s.out, run.parameter(s.weight) + inputs.first * kPanel,
                    run.parameter_at(s.weight).panel_stride(), run.gradient(s.x) + inputs.first, s.in});
}

// More samples than outputs. The product wants panels of inputs: the block of weights is transposed into scratch.
template <class T>
void input_gradient_of_many(const LinearStep& s, const Run<T>& run, Inputs inputs, T* scratch) {
  run.kernels.transpose({.rows = inputs.count,
                         .cols = s.out,
                         .x = run.parameter(s.weight) + inputs.first * kPanel,
                         .x_panel = run.parameter_at(s.weight).panel_stride(),
                         .y = scratch,
                         .y_panel = s.out * kPanel});
  Gemm<T> g;
  g.m = run.rows;
  g.n = inputs.count;
  g.depth = s.out;
  g.a = run.gradient(s.y);
  g.a_row = s.out;
  g.b = scratch;
  g.b_panel = s.out * kPanel;
  g.c = run.gradient(s.x) + inputs.first;
  g.c_row = s.in;
  run.kernels.gemm(g);
}

// No more samples than outputs: dxᵀ = Wᵀ·dyᵀ with the weights as they lie, and less to be transposed, afterwards.
template <class T>
void input_gradient_transposed(const LinearStep& s, const Run<T>& run, Inputs inputs, T* scratch) {
  Gemm<T> g;
  g.m = inputs.count;
  g.n = run.rows;
  g.depth = kPanel;
  g.a = run.parameter(s.weight) + inputs.first * kPanel;
  g.a_row = kPanel;
  g.a_segments = s.panel_offsets.data();
  g.segments = panels(s.out);
  g.b = run.partials + s.turned;
  g.b_panel = panels(s.out) * kPanel * kPanel;
  g.c = scratch;
  g.c_row = kPanel;
  g.c_panel = inputs.count * kPanel;
  run.kernels.gemm(g);
  run.kernels.transpose({.rows = inputs.count,
                         .cols = run.rows,
                         .x = scratch,
                         .x_panel = inputs.count * kPanel,
                         .y = run.gradient(s.x) + inputs.first,
                         .y_row = s.in,
                         .fill = false});
}

/// dy → outputs × panels of samples; zero for the outputs that a last panel of weights lacks.
template <class T>
void turn_output_gradient(const LinearStep& s, const Run<T>& run) {
  const std::int64_t panel = panels(s.out) * kPanel * kPanel;
  T* const turned = run.partials + s.turned;
  run.kernels.transpose({.rows = run.rows, .cols = s.out, .x = run.gradient(s.y), .x_row = s.out, .y = turned, .y_panel = panel});
  for (std::int64_t p = 0; p < panels(run.rows); ++p)
    std::fill(turned + p * panel + s.out * kPanel, turned + (p + 1) * panel, T(0));
}

/// dx = dy·W, block by block of the weights; after(inputs, member) follows each while the block is in a cache.
template <class T, class After>
void input_gradient_then(const LinearStep& s, const Run<T>& run, std::int64_t products, After&& after) {
  constexpr std::int64_t kFewRows = 16;  // below, transposing costs more than the multiply-adds it serves
  const bool few = run.plan.max_batch <= kFewRows, transposed = !few && run.rows <= s.out;
  if (transposed) turn_output_gradient(s, run);
  const std::int64_t block = s.block_panels * kPanel, units = (s.in + block - 1) / block;
  run.share(units, 2 * products * run.rows * block * s.out, [&](std::int64_t begin, std::int64_t end, int member) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const Inputs inputs{unit * block, std::min(block, s.in - unit * block)};
      T* const scratch = run.member_scratch(member);
      if (few)
        input_gradient_of_few(s, run, inputs);
      else if (transposed)
        input_gradient_transposed(s, run, inputs, scratch);
      else
        input_gradient_of_many(s, run, inputs, scratch);
      after(inputs, member);
    }
  });
}

}  // namespace

template <class T>
void input_gradient(const LinearStep& s, const Run<T>& run) {
  input_gradient_then(s, run, 1, [](Inputs, int) {});
}

// With dy already behind the activation:  dW = dyᵀ·x,  db = Σ dy,  dx = dy·W. Weights that are updated on the spot are read from
// memory once: a block's part of dx is worked out just before.
template <class T>
void backward(const LinearStep& s, const Run<T>& run) {
  undo_activation(s.activation, s.y, run);
  if (s.bias >= 0)
    run.kernels.sum_rows(run.gradient(s.y), s.out, run.rows, s.out, run.accumulate, run.parameter_gradient(s.bias));
  if (s.x.gradient < 0) return weight_gradient(s, run);
  if (run.update == nullptr) {
    input_gradient(s, run);
    return weight_gradient(s, run);
  }
  const Gemm<T> g = weight_product(s, run);
  input_gradient_then(s, run, 2, [&](Inputs inputs, int member) {
    Gemm<T> part = g;
    part.m = inputs.count;
    part.a += inputs.first;
    update_weights(s, run, part, inputs.first, 0, run.member_scratch(member));
  });
}

SOMA_INSTANTIATE_STEP(LinearStep)
template void weight_gradient(const LinearStep&, const Run<float>&);
template void weight_gradient(const LinearStep&, const Run<double>&);
template void input_gradient(const LinearStep&, const Run<float>&);
template void input_gradient(const LinearStep&, const Run<double>&);

}  // namespace soma
