// an NPZ archive → Dataset: arrays found by their names.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "soma/dataset.h"
#include "soma/error.h"

namespace soma {

/// The samples and labels of one part ("train", "test", "val"; "" = train, or the arrays that name no part) of numpy.savez'
/// archives: x_train and y_train as Keras has them, train_images and train_labels, X and y, data and target …
[[nodiscard]] Result<Dataset> load_npz(const std::filesystem::path& file, std::string_view bytes, const DataOptions& options,
                                       std::string_view part = {});

/// "FILE.npz:test" → the file and "test"; nothing for what is no such source.
struct NpzPart {
  std::filesystem::path file;
  std::string part;
};
[[nodiscard]] std::optional<NpzPart> npz_part(std::string_view source);

/// The part of an archive to measure on: "test", else "val", else nothing.
[[nodiscard]] Result<std::string> held_out_part(const std::filesystem::path& file);

}  // namespace soma
