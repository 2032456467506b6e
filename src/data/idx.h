// bytes → Dataset: IDX files, gzip or plain. Trusts no length field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "data/gzip.h"
#include "data/number_types.h"
#include "soma/dataset.h"
#include "soma/error.h"

namespace soma {

/// An IDX file (http://yann.lecun.com/exdb/mnist, "the IDX file format"). Unsigned bytes stay bytes, every other type becomes
/// numbers.
struct IdxArray {
  Shape extents;  ///< outermost first
  std::vector<std::uint8_t> values;
  std::vector<double> numbers;
};

/// The same as it lies in a file, big-endian.
struct IdxView {
  Shape extents;
  const NumberType* type = nullptr;
  std::string_view values;

  [[nodiscard]] bool bytes() const { return type->name == "u1"; }
};

/// Wants the magic 0x00 0x00 TYPE DIMENSIONS (08 u1, 09 i1, 0B i2, 0C i4, 0D f4, 0E f8), DIMENSIONS big-endian lengths, and
/// exactly as many bytes as they promise.
[[nodiscard]] Result<IdxView> view_idx(std::string_view bytes, std::string_view origin);
[[nodiscard]] Result<IdxArray> parse_idx(std::string_view bytes, std::string_view origin);

/// Images [n, h, w] or [n, h, w, c] (or rows [n, f]) without labels. From `mapped_from` bytes on they stay in the file.
[[nodiscard]] Result<Dataset> idx_samples(const FileBytes& file, std::string_view origin, std::size_t mapped_from = kMappedFrom);

/// The same with labels [n].
[[nodiscard]] Result<Dataset> load_idx(const std::filesystem::path& images, const std::filesystem::path& labels,
                                       const std::vector<std::string>& class_names);

/// Images [c, h, w] with height and width changed: EMNIST's files lie on their side.
void transpose_images(Dataset& dataset);

/// The label file that belongs beside an image file, or nothing: images → labels, idx3 → idx1, gzip or not, with a dash or a dot.
[[nodiscard]] Result<std::filesystem::path> labels_beside(const std::filesystem::path& images);

/// FILE or FILE.gz, or the same with .idx for -idx, whichever is there; empty when none is.
[[nodiscard]] Result<std::filesystem::path> plain_or_gz(const std::filesystem::path& file);

}  // namespace soma
