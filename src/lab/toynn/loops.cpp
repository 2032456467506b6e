// weights + rows → ToyNeuralNet in plain loops, over lists of lists or over one array per matrix.
#include "lab/toynn/descent.h"

namespace soma {

std::unique_ptr<ToyPlatform> make_lists(const ToyJob& job) {
  return std::make_unique<Descent<PlainProducts<ListMatrix<float>>>>(job);
}

std::unique_ptr<ToyPlatform> make_arrays(const ToyJob& job) {
  return std::make_unique<Descent<PlainProducts<ArrayMatrix<float>>>>(job);
}

}  // namespace soma
