// what somebody knows of another tool's model and its file does not say → a Model read so.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"
#include "soma/model.h"

namespace soma {

/// In the words of the command line.
struct Reading {
  std::vector<std::string> preprocess;  ///< steps before those of the file: "divide:255", "standardise:0.5,0.4,0.4:0.2,0.2,0.2"
  std::string classes;  ///< names with commas between them, or a file with one on each line; "" = as the file has them
  bool operator==(const Reading&) const = default;
};

/// One step of it; `input`: of a raw sample. One number serves all channels or features.
[[nodiscard]] Result<PreprocessStep> read_step(std::string_view text, const Shape& input);

/// The names of classes that `text` lists, or the file of this name.
[[nodiscard]] Result<std::vector<std::string>> read_class_names(const std::string& text);

/// Changes nothing when it fails. A single output read as a number becomes the logit of the second of two classes.
[[nodiscard]] Result<void> apply(const Reading& reading, Model& model);

}  // namespace soma
