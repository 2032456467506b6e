// bytes → Dataset: NumPy arrays, .npy versions 1 to 3. Trusts no length field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "soma/dataset.h"
#include "soma/error.h"

namespace soma {

/// An array in C order. u1 stays bytes; f4, f8, i4 and i8 become doubles' worth of values: floats, or whole numbers exactly.
struct NpyArray {
  Shape extents;
  std::vector<std::uint8_t> bytes;
  std::vector<float> floats;
  std::vector<std::int64_t> integers;  ///< besides floats, for u1, i4 and i8 and floats without a fraction: to be read as labels
};

bool is_npy(std::string_view bytes);

/// NumPy's format (numpy.lib.format). Refuses Fortran order, big-endian numbers, objects, more than 4 dimensions, values that are
/// not finite, and a file longer or shorter than its header says. `labels` fills `integers` instead of floats and bytes.
[[nodiscard]] Result<NpyArray> parse_npy(std::string_view bytes, std::string_view origin, bool labels = false);

/// Samples [n, f], [n, h, w] or [n, h, w, c], labels from FILE.labels.npy beside it.
[[nodiscard]] Result<Dataset> load_npy(const std::filesystem::path& file, std::string_view bytes, const DataOptions& options);

/// The same without labels; one sample alone, [f], [h, w] or [h, w, c], is taken when it has options' image shape or columns.
[[nodiscard]] Result<Dataset> npy_samples(std::string_view bytes, std::string_view origin, const DataOptions& options);

}  // namespace soma
