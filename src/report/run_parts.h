// parts of a training run → parts of its page: HTML, or nothing where there is nothing to show.
#pragma once

#include <string>

#include "soma/report.h"

namespace soma::report {

std::string learning_curves(const RunFacts& facts);
std::string confusion(const RunFacts& facts);  ///< matrix (up to 30 classes), what is confused most, figures per class
std::string mistakes(const RunFacts& facts);   ///< pictures, or rows of a table
std::string first_layer(const RunFacts& facts);
std::string layers(const RunFacts& facts);    ///< sizes, work, and time where it was measured
std::string settings(const RunFacts& facts);  ///< machine and config.toml

}  // namespace soma::report
