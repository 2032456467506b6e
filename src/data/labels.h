// integer labels from a file → Dataset::labels and class names, checked.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soma/dataset.h"

namespace soma {

/// "0", "1", … "count − 1".
std::vector<std::string> number_names(std::int64_t count);

/// Fills dataset.labels and class_names. With no class names given the classes are the numbers that occur, in order, by their
/// decimal names; with names a label is the one of that name, or else its place among them. Fails when their number is not
/// dataset.count or a label has no class.
[[nodiscard]] Result<void> set_labels(Dataset& dataset, std::span<const std::int64_t> labels, std::string_view origin,
                                      const std::vector<std::string>& class_names);

/// Fails when a data set is empty or has more samples than an order of 32-bit positions can name.
[[nodiscard]] Result<void> check_count(std::int64_t count, std::string_view origin);

}  // namespace soma
