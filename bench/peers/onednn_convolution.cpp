// a convolution's work → oneDNN's primitives in the order a training step needs them, relu inside the convolution.
#include "onednn.h"

namespace soma::bench {
namespace {

using Forward = dnnl::convolution_forward;

/// Activations in `format`: `any` leaves it to oneDNN, `nhwc` is soma's order.
class Convolution {
 public:
  Convolution(const Work& work, const Operands& operands, int threads, Format format)
      : work_(work), format_(format), chain_(threads), forward_(forward_desc()) {
    c_ = dnnl::memory(forward_.dst_desc(), onednn_engine());
    x_ = filled(operands.x.data(), x_plain(), forward_.src_desc());
    bias_ = filled(operands.bias.data(), forward_.bias_desc(), forward_.bias_desc());
    y_ = c_;
    Chain::Arguments first = {{DNNL_ARG_SRC, x_},
                              {DNNL_ARG_WEIGHTS, filled(operands.w.data(), w_plain(), forward_.weights_desc())},
                              {DNNL_ARG_BIAS, bias_},
                              {DNNL_ARG_DST, c_}};
    if (work.pass == Pass::forward) {
      chain_.add(Forward(forward_), first);
      if (work.pooled) add_pooling(chain_);
      return;
    }
    Chain once(threads);
    once.add(Forward(forward_), first);
    if (work.pooled) add_pooling(once);
    once.run();
    add_backward(operands);
  }

  void run() const { chain_.run(); }

  std::vector<float> result() const {
    std::vector<float> all;
    if (work_.pass == Pass::forward) {
      append_published(all, y_, y_plain());
      return all;
    }
    append_published(all, dw_, w_plain());
    append_published(all, db_, description({work_.out}, Format::a));
    if (!work_.first) append_published(all, dx_, x_plain());
    return all;
  }

 private:
  using Dims = dnnl::memory::dims;
  Dims x_dims() const { return {work_.batch, work_.input[0], work_.input[1], work_.input[2]}; }
  Dims w_dims() const { return {work_.out, work_.input[0], work_.kernel, work_.kernel}; }
  Dims c_dims() const { return {work_.batch, work_.out, work_.height(), work_.width()}; }
  Dims y_dims() const { return work_.pooled ? Dims{work_.batch, work_.out, work_.height() / 2, work_.width() / 2} : c_dims(); }
  Dims margins() const { return {work_.padding, work_.padding}; }
  Description x_plain() const { return description(x_dims(), Format::nchw); }
  Description w_plain() const { return description(w_dims(), Format::oihw); }
  Description y_plain() const { return description(y_dims(), Format::nchw); }

  Forward::primitive_desc forward_desc() const {
    dnnl::primitive_attr attributes;
    if (work_.pooled) {
      dnnl::post_ops then;
      then.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
      attributes.set_post_ops(then);
    }
    return {{dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_auto, description(x_dims(), format_),
             description(w_dims(), Format::any), description({work_.out}, Format::a), description(c_dims(), format_), Dims{1, 1},
             margins(), margins()},
            attributes,
            onednn_engine()};
  }

  dnnl::pooling_forward::primitive_desc pooling_desc() const {
    const Dims two = {2, 2}, none = {0, 0};
    return {{dnnl::prop_kind::forward_training, dnnl::algorithm::pooling_max, forward_.dst_desc(),
             description(y_dims(), Format::any), two, two, none, none},
            onednn_engine()};
  }

  void add_pooling(Chain& chain) {
    const auto pooling = pooling_desc();
    y_ = dnnl::memory(pooling.dst_desc(), onednn_engine());
    winners_ = dnnl::memory(pooling.workspace_desc(), onednn_engine());
    chain.add(dnnl::pooling_forward(pooling), {{DNNL_ARG_SRC, c_}, {DNNL_ARG_DST, y_}, {DNNL_ARG_WORKSPACE, winners_}});
  }

  /// relu behind the pool instead of before it: the same gradient from a quarter of the numbers.
  dnnl::memory add_pooling_backward(const dnnl::memory& dy) {
    const auto relu = dnnl::algorithm::eltwise_relu_use_dst_for_bwd;
    const Description at = y_.get_desc();
    const dnnl::eltwise_forward::primitive_desc up({dnnl::prop_kind::forward_training, relu, at, 0.0F}, onednn_engine());
    const dnnl::eltwise_backward::primitive_desc down({relu, at, at, 0.0F}, onednn_engine(), up);
    const dnnl::memory kept(at, onednn_engine());
    chain_.add(dnnl::eltwise_backward(down), {{DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_DST, y_}, {DNNL_ARG_DIFF_SRC, kept}});
    const Dims two = {2, 2}, none = {0, 0};
    const dnnl::pooling_backward::primitive_desc spread({dnnl::algorithm::pooling_max, c_.get_desc(), at, two, two, none, none},
                                                        onednn_engine(), pooling_desc());
    const dnnl::memory dc(c_.get_desc(), onednn_engine());
    chain_.add(dnnl::pooling_backward(spread),
               {{DNNL_ARG_DIFF_DST, kept}, {DNNL_ARG_WORKSPACE, winners_}, {DNNL_ARG_DIFF_SRC, dc}});
    return dc;
  }

  /// The gradients' primitives want dc in one order each; where that is not the order it comes in, moving it is part of the work.
  dnnl::memory moved(const dnnl::memory& from, const Description& wanted) {
    if (from.get_desc() == wanted) return from;
    dnnl::memory there(wanted, onednn_engine());
    dnnl::memory here = from;
    chain_.add(dnnl::reorder(here, there), {{DNNL_ARG_FROM, here}, {DNNL_ARG_TO, there}});
    return there;
  }

  void add_backward(const Operands& operands) {
    const Description x_any = description(x_dims(), format_), w_any = description(w_dims(), Format::any),
                      c_any = description(c_dims(), format_), b = description({work_.out}, Format::a);
    dnnl::memory dc = filled(operands.dy.data(), y_plain(), y_.get_desc());
    if (work_.pooled) dc = add_pooling_backward(dc);

    using Weights = dnnl::convolution_backward_weights;
    const Weights::primitive_desc weights(
        {dnnl::algorithm::convolution_auto, x_any, w_any, b, c_any, Dims{1, 1}, margins(), margins()}, onednn_engine(), forward_);
    dw_ = dnnl::memory(weights.diff_weights_desc(), onednn_engine());
    db_ = dnnl::memory(weights.diff_bias_desc(), onednn_engine());
    chain_.add(Weights(weights), {{DNNL_ARG_SRC, reordered(x_, weights.src_desc())},
                                  {DNNL_ARG_DIFF_DST, moved(dc, weights.diff_dst_desc())},
                                  {DNNL_ARG_DIFF_WEIGHTS, dw_},
                                  {DNNL_ARG_DIFF_BIAS, db_}});
    if (work_.first) return;
    using Data = dnnl::convolution_backward_data;
    const Data::primitive_desc data({dnnl::algorithm::convolution_auto, x_any, w_any, c_any, Dims{1, 1}, margins(), margins()},
                                    onednn_engine(), forward_);
    dx_ = dnnl::memory(data.diff_src_desc(), onednn_engine());
    chain_.add(Data(data), {{DNNL_ARG_DIFF_DST, moved(dc, data.diff_dst_desc())},
                            {DNNL_ARG_WEIGHTS, filled(operands.w.data(), w_plain(), data.weights_desc())},
                            {DNNL_ARG_DIFF_SRC, dx_}});
  }

  Work work_;
  Format format_;
  Chain chain_;
  Forward::primitive_desc forward_;
  dnnl::memory x_, bias_, c_, y_, winners_, dw_, db_, dx_;
};

}  // namespace

std::vector<Contender> onednn_convolutions(const Work& work, const Operands& operands, int threads) {
  const auto contender = [&](const char* name, Format format) {
    auto side = std::make_shared<Convolution>(work, operands, threads, format);
    return Contender{name, [side] { side->run(); }, [side] { return side->result(); }};
  };
  return {contender("oneDNN, its order", Format::any), contender("oneDNN, channels last", Format::nhwc)};
}

}  // namespace soma::bench
