// a linear layer's work → oneDNN's sgemm, and its inner product with weights in the order it likes best.
#include "onednn.h"

namespace soma::bench {
namespace {

Contender sgemm(const Work& work, const Operands& operands, int threads) {
  const std::int64_t batch = work.batch, in = elements(work.input), out = work.out;
  const std::int64_t size = work.pass == Pass::forward ? batch * out : work.pass == Pass::input_gradient ? batch * in : in * out;
  auto c = std::make_shared<Block<float>>(size);
  const float *x = operands.x.data(), *w = operands.w.data(), *dy = operands.dy.data();
  const Pass pass = work.pass;
  return {"oneDNN sgemm",
          [=] {
            omp_set_num_threads(threads);
            if (pass == Pass::forward) dnnl_sgemm('N', 'T', batch, out, in, 1, x, in, w, in, 0, c->data(), out);
            if (pass == Pass::input_gradient) dnnl_sgemm('N', 'N', batch, in, out, 1, dy, out, w, in, 0, c->data(), in);
            if (pass == Pass::weight_gradient) dnnl_sgemm('T', 'N', out, in, batch, 1, dy, out, x, in, 0, c->data(), in);
          },
          [c] { return std::vector<float>(c->data(), c->data() + c->size()); }};
}

Contender inner_product(const Work& work, const Operands& operands, int threads) {
  const std::int64_t in = elements(work.input);
  const Description x_plain = description({work.batch, in}, Format::ab), w_plain = description({work.out, in}, Format::ab),
                    y_plain = description({work.batch, work.out}, Format::ab);
  const Description w_any = description({work.out, in}, Format::any);
  auto chain = std::make_shared<Chain>(threads);
  using Forward = dnnl::inner_product_forward;
  const Forward::primitive_desc forward({dnnl::prop_kind::forward_training, x_plain, w_any, y_plain}, onednn_engine());
  const auto contender = [&](const dnnl::memory& answer, const Description& published) {
    return Contender{"oneDNN inner product", [chain] { chain->run(); },
                     [answer, published] {
                       std::vector<float> all;
                       append_published(all, answer, published);
                       return all;
                     }};
  };
  if (work.pass == Pass::forward) {
    const dnnl::memory y(y_plain, onednn_engine());
    chain->add(Forward(forward), {{DNNL_ARG_SRC, filled(operands.x.data(), x_plain, x_plain)},
                                  {DNNL_ARG_WEIGHTS, filled(operands.w.data(), w_plain, forward.weights_desc())},
                                  {DNNL_ARG_DST, y}});
    return contender(y, y_plain);
  }
  if (work.pass == Pass::input_gradient) {
    using Backward = dnnl::inner_product_backward_data;
    const Backward::primitive_desc backward({x_plain, w_any, y_plain}, onednn_engine(), forward);
    const dnnl::memory dx(x_plain, onednn_engine());
    chain->add(Backward(backward), {{DNNL_ARG_DIFF_DST, filled(operands.dy.data(), y_plain, y_plain)},
                                    {DNNL_ARG_WEIGHTS, filled(operands.w.data(), w_plain, backward.weights_desc())},
                                    {DNNL_ARG_DIFF_SRC, dx}});
    return contender(dx, x_plain);
  }
  using Backward = dnnl::inner_product_backward_weights;
  const Backward::primitive_desc backward({x_plain, w_any, y_plain}, onednn_engine(), forward);
  const dnnl::memory dw(backward.diff_weights_desc(), onednn_engine());
  chain->add(Backward(backward), {{DNNL_ARG_SRC, filled(operands.x.data(), x_plain, x_plain)},
                                  {DNNL_ARG_DIFF_DST, filled(operands.dy.data(), y_plain, y_plain)},
                                  {DNNL_ARG_DIFF_WEIGHTS, dw}});
  return contender(dw, w_plain);
}

}  // namespace

std::vector<Contender> onednn_contenders(const Work& work, const Operands& operands, int threads) {
  if (work.is_convolution()) return onednn_convolutions(work, operands, threads);
  return {sgemm(work, operands, threads), inner_product(work, operands, threads)};
}

}  // namespace soma::bench
