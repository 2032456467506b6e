// a BLAS this machine may have → ToyNeuralNet with its matrix products. soma itself never links one.
#include <dlfcn.h>
#include <fmt/format.h>

#include <array>

#include "lab/toynn/descent.h"

namespace soma {
namespace {

// The numbers of the CBLAS interface.
constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;
using Sgemm = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float* a, int lda,
                       const float* b, int ldb, float beta, float* c, int ldc);

struct Blas {
  Sgemm sgemm = nullptr;
  std::string name;
};

/// Looked for once; stays open until the process ends, since its threads do.
const Blas& blas() {
  static const Blas found = [] {
    for (const char* name : std::array{"libopenblas.so.0", "libblas.so.3", "libcblas.so.3"}) {
      void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) continue;
      Blas each{reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm")), name};
      if (const auto config = reinterpret_cast<char* (*)()>(dlsym(library, "openblas_get_config")))
        each.name += fmt::format(" ({})", config());
      if (each.sgemm != nullptr) return each;
    }
    return Blas{};
  }();
  return found;
}

struct BlasProducts {
  using Storage = ArrayMatrix<float>;

  void forward(const ToyShape& s, const Storage& x, const Storage& w, Storage& y) const {
    call(kPlain, kTransposed, s.rows, s.out, s.in, 1, x, w, 0, y);
  }
  void back(const ToyShape& s, const Storage& dy, const Storage& w, Storage& dx) const {
    call(kPlain, kPlain, s.rows, s.in, s.out, 1, dy, w, 0, dx);
  }
  void update(const ToyShape& s, const Storage& dy, const Storage& x, float rate, Storage& w) const {
    call(kTransposed, kPlain, s.out, s.in, s.rows, -rate, dy, x, 1, w);
  }

 private:
  static void call(int transpose_a, int transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
                   const Storage& a, const Storage& b, float beta, Storage& c) {
    blas().sgemm(kRowMajor, transpose_a, transpose_b, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), alpha,
                 a.data.data(), static_cast<int>(a.columns), b.data.data(), static_cast<int>(b.columns), beta, c.data.data(),
                 static_cast<int>(c.columns));
  }
};

}  // namespace

std::string blas_name() { return blas().name; }

Result<std::unique_ptr<ToyPlatform>> make_blas(const ToyJob& job) {
  if (blas().sgemm == nullptr)
    return Error{Error::Kind::unavailable,
                 "BLAS: wanted libopenblas.so.0 or libblas.so.3, found neither; try apt-get install libopenblas0"};
  return std::unique_ptr<ToyPlatform>(std::make_unique<Descent<BlasProducts>>(job));
}

}  // namespace soma
