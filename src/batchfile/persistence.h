// what a batch run keeps between units ↔ a safetensors file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "batchfile/online.h"

namespace soma {

/// A network as far as it has been trained.
struct Trained {
  std::vector<BatchLayer> layers;
  std::vector<double> weights;  ///< as OnlineLayout lays them out, each a number of single precision
  std::int64_t epochs = 0, lines = 0;
  double seconds = 0;
  bool bias = true;
};

/// How far a run of a batch file has come, and the result line that may not have reached its file yet.
struct RunMark {
  std::uint64_t batch = 0;  ///< fingerprint
  std::int64_t run = 0;     ///< later runs of the same batch file have higher numbers
  std::int64_t units = 0;   ///< finished
  std::string result_file, result_line;
  std::int64_t result_size = 0;  ///< of the result file before that line
};

struct Persisted {
  Trained trained;
  RunMark mark;
};

[[nodiscard]] Result<void> write_persistence(const Trained& trained, const RunMark& mark, const std::filesystem::path& file);
[[nodiscard]] Result<Persisted> read_persistence(const std::filesystem::path& file, Changed changed = Changed::refuse);

/// The same from the bytes of the file; `origin` names it in errors.
[[nodiscard]] Result<Persisted> parse_persistence(std::string_view bytes, std::string_view origin,
                                                  Changed changed = Changed::refuse);

}  // namespace soma
