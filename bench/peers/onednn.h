// oneDNN's descriptions and arguments → primitives that can be run: what the two oneDNN files share.
#pragma once

#include <omp.h>

#include <cstring>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "work.h"

namespace soma::bench {

using Description = dnnl::memory::desc;
using Format = dnnl::memory::format_tag;

inline const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

inline dnnl::stream& onednn_stream() {
  static dnnl::stream stream(onednn_engine());
  return stream;
}

inline Description description(const dnnl::memory::dims& dims, Format format) {
  return {dims, dnnl::memory::data_type::f32, format};
}

/// The numbers in another order: the library's own where `to` was left to it.
inline dnnl::memory reordered(dnnl::memory from, const Description& to) {
  dnnl::memory there(to, onednn_engine());
  dnnl::reorder(from, there).execute(onednn_stream(), from, there);
  onednn_stream().wait();
  return there;
}

/// A copy of published numbers as the primitive wants them.
inline dnnl::memory filled(const float* numbers, const Description& published, const Description& wanted) {
  dnnl::memory plain(published, onednn_engine());
  std::memcpy(plain.get_data_handle(), numbers, published.get_size());
  return reordered(plain, wanted);
}

inline void append_published(std::vector<float>& all, const dnnl::memory& from, const Description& published) {
  const dnnl::memory plain = reordered(from, published);
  const auto* numbers = static_cast<const float*>(plain.get_data_handle());
  all.insert(all.end(), numbers, numbers + published.get_size() / sizeof(float));
}

/// Primitives with their arguments, run one after the other.
class Chain {
 public:
  using Arguments = std::unordered_map<int, dnnl::memory>;

  explicit Chain(int threads) : threads_(threads) { omp_set_num_threads(threads); }
  void add(dnnl::primitive primitive, Arguments arguments) { links_.push_back({std::move(primitive), std::move(arguments)}); }
  void run() const {
    omp_set_num_threads(threads_);
    for (const Link& each : links_) each.primitive.execute(onednn_stream(), each.arguments);
    onednn_stream().wait();
  }

 private:
  struct Link {
    dnnl::primitive primitive;
    Arguments arguments;
  };
  int threads_;
  std::vector<Link> links_;
};

/// With weights and activations in the order oneDNN likes best.
std::vector<Contender> onednn_convolutions(const Work& work, const Operands& operands, int threads);

}  // namespace soma::bench
