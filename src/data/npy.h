// bytes → NpyArray: NumPy arrays, .npy versions 1 to 3. Trusts no length field.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/number_types.h"
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

/// An array as it lies in a file.
struct NpyView {
  Shape extents;
  const NumberType* type = nullptr;  ///< null: words
  bool swapped = false;              ///< big-endian
  bool fortran = false;              ///< the first axis runs fastest
  std::size_t word = 0;              ///< bytes of a word
  bool wide = false;                 ///< words of UTF-32
  std::string_view values;

  [[nodiscard]] bool bytes() const { return type != nullptr && (type->name == "u1" || type->name == "b1"); }
};

/// NumPy's format (numpy.lib.format): bool and numbers of 1 to 8 bytes, either endian, either order; as labels words too. Refuses
/// objects, more than 4 dimensions, and a file longer or shorter than its header says. The view borrows `bytes`.
[[nodiscard]] Result<NpyView> view_npy(std::string_view bytes, std::string_view origin, bool labels = false);

/// Its values; refuses those that are not finite as floats.
[[nodiscard]] Result<NpyArray> read_npy(const NpyView& view, std::string_view origin, bool labels = false);

/// Both in one.
[[nodiscard]] Result<NpyArray> parse_npy(std::string_view bytes, std::string_view origin, bool labels = false);

}  // namespace soma
