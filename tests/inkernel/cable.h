// two network namespaces → a cable between them, and models that one end asks the other about.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "inkernel/system.h"
#include "soma/kernel.h"

namespace soma::test {

/// The thread that makes it is in the client's namespace (10.99.0.1, fd99::1), and back where it was at the end; the server's
/// end is soma1 (10.99.0.2, fd99::2).
class Cable {
 public:
  /// Null where this process may not, or where it may load no program; `problem` says why.
  static std::unique_ptr<Cable> make(std::string& problem);
  ~Cable();
  void enter_server() const;
  void enter_client() const;

 private:
  bpf::Descriptor home_, server_, client_;
};

#define SOMA_CABLE_OR_SKIP()               \
  std::string problem;                     \
  const auto cable = Cable::make(problem); \
  if (cable == nullptr) GTEST_SKIP() << "SKIPPED, nothing was asked over a network: " << problem

/// 784-hidden-3 on bytes, in 8 bits.
Model digits_model(std::int64_t hidden, float scale);

/// 64 samples, and what Predictor says of them.
struct Asked {
  Dataset samples;
  std::vector<float> outputs;
};
Asked outputs_of(const Model& model);
std::span<const std::uint8_t> sample(const Asked& asked, std::uint64_t i);
std::vector<float> wanted(const Asked& asked, std::uint64_t i);

}  // namespace soma::test
