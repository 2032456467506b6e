// a type's name + memory in either byte order → numbers of one kind: what IDX and NPY files hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace soma {

/// One type of number, as NumPy calls it without the byte order: "b1", "u1" to "u8", "i1" to "i8", "f2" to "f8".
struct NumberType {
  std::string_view name;
  std::size_t size = 0;  ///< bytes of one
  /// `count` numbers from memory of any alignment; `swapped`: the most significant byte comes first.
  void (*floats)(const char* from, std::size_t count, bool swapped, float* to) noexcept = nullptr;
  void (*doubles)(const char* from, std::size_t count, bool swapped, double* to) noexcept = nullptr;
  void (*integers)(const char* from, std::size_t count, bool swapped,
                   std::int64_t* to) noexcept = nullptr;  ///< null: may hold fractions
};

/// The type of that name, or null.
const NumberType* number_type(std::string_view name);

}  // namespace soma
