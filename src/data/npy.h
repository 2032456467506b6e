// bytes → Dataset: NumPy arrays, .npy versions 1 to 3. Trusts no length field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "soma/dataset.h"
#include "soma/error.h"

namespace soma {

/// An array in C order. u1 stays bytes; every other number becomes a float; as labels, numbers become doubles and whole ones
/// exact integers too, and strings words.
struct NpyArray {
  Shape extents;
  std::vector<std::uint8_t> bytes;
  std::vector<float> floats;
  std::vector<std::int64_t> integers;  ///< labels of which none has a fraction
  std::vector<double> numbers;         ///< labels
  std::vector<std::string> words;      ///< labels of type U or S
};

bool is_npy(std::string_view bytes);

/// NumPy's format (numpy.lib.format): bool and numbers of 1 to 8 bytes, either endian, either order. Refuses objects, more than 4
/// dimensions, values that are not finite, and a file longer or shorter than its header says.
[[nodiscard]] Result<NpyArray> parse_npy(std::string_view bytes, std::string_view origin, bool labels = false);

/// Samples [n, f], [n, h, w] or [n, h, w, c]; targets [n] or [n, m] from FILE.labels.npy beside it, or y_train.npy beside
/// X_train.npy; class names from FILE.classes.txt, a line each.
[[nodiscard]] Result<Dataset> load_npy(const std::filesystem::path& file, std::string_view bytes, const DataOptions& options);

/// The same without labels; one sample alone, [f], [h, w] or [h, w, c], is taken when it has options' image shape or columns.
[[nodiscard]] Result<Dataset> npy_samples(std::string_view bytes, std::string_view origin, const DataOptions& options);

}  // namespace soma
