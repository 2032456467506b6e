// a linear layer's work → OpenBLAS's sgemm, or sgemv where there is one row.
#include <cblas.h>

#include <memory>

#include "work.h"

namespace soma::bench {

std::vector<Contender> openblas_contenders(const Work& work, const Operands& operands, int threads) {
  const auto batch = static_cast<blasint>(work.batch), in = static_cast<blasint>(elements(work.input)),
             out = static_cast<blasint>(work.out);
  const std::int64_t size = work.pass == Pass::forward          ? work.batch * work.out
                            : work.pass == Pass::input_gradient ? work.batch * elements(work.input)
                                                                : work.weights();
  auto c = std::make_shared<Block<float>>(size);
  const float *x = operands.x.data(), *w = operands.w.data(), *dy = operands.dy.data();
  const auto result = [c] { return std::vector<float>(c->data(), c->data() + c->size()); };
  const auto contender = [&](const char* name, auto product) {
    return Contender{name,
                     [=] {
                       openblas_set_num_threads(threads);
                       product(c->data());
                     },
                     result};
  };
  if (work.pass == Pass::forward && batch == 1)
    return {contender("OpenBLAS sgemv",
                      [=](float* y) { cblas_sgemv(CblasRowMajor, CblasNoTrans, out, in, 1, w, in, x, 1, 0, y, 1); })};
  if (work.pass == Pass::forward)
    return {contender("OpenBLAS sgemm", [=](float* y) {
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, batch, out, in, 1, x, in, w, in, 0, y, out);
    })};
  if (work.pass == Pass::input_gradient)
    return {contender("OpenBLAS sgemm", [=](float* dx) {
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, batch, in, out, 1, dy, out, w, in, 0, dx, in);
    })};
  return {contender("OpenBLAS sgemm", [=](float* dw) {
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, batch, 1, dy, out, x, in, 0, dw, in);
  })};
}

}  // namespace soma::bench
