// a mapped file → its samples, one at a time: sets too large to hold in memory.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "core/file.h"
#include "data/number_types.h"
#include "soma/dataset.h"
#include "soma/error.h"

namespace soma {

/// Samples one after the other in C order, channels last, all of one type.
class MappedSamples {
 public:
  /// `values` lies within `file` and holds count·size numbers of `type`. As `bytes` (of a type of one unsigned byte) they are
  /// read as they lie, else as floats.
  MappedSamples(FileBytes file, std::string_view values, const NumberType& type, bool swapped, std::int64_t size, bool bytes)
      : file_(std::move(file)),
        values_(values),
        type_(&type),
        swapped_(swapped),
        bytes_(bytes),
        size_(static_cast<std::size_t>(size)) {}

  [[nodiscard]] bool bytes() const { return bytes_; }
  [[nodiscard]] const std::uint8_t* bytes_at(std::int64_t i) const noexcept {
    return reinterpret_cast<const std::uint8_t*>(values_.data()) + static_cast<std::size_t>(i) * size_;
  }
  void copy_floats(std::int64_t i, float* to) const noexcept {
    type_->floats(values_.data() + static_cast<std::size_t>(i) * size_ * type_->size, size_, swapped_, to);
  }

  [[nodiscard]] Result<void> unchanged() const { return file_.unchanged(); }

  /// Fails on the first number that is not finite as a float, by its place.
  [[nodiscard]] Result<void> check_finite(std::string_view origin) const;

 private:
  FileBytes file_;
  std::string_view values_;
  const NumberType* type_;
  bool swapped_, bytes_;
  std::size_t size_;
};

}  // namespace soma
