// a chart as data → inline SVG and its legend.
#pragma once

#include <string>

#include "soma/lab.h"

namespace soma::report {

/// A <figure>. Its width is that of its place, its text keeps its size: positions along x are percentages. Lines whose x are
/// whole numbers get whole ticks; bars lie, one row per series below the name of their category.
std::string chart(const LabChart& chart);

}  // namespace soma::report
