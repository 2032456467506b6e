// nothing → small models that together use every layer, preprocessing kind and loss, with samples for each.
#pragma once

#include <string>
#include <vector>

#include "soma/model.h"

namespace soma {

struct ZooModel {
  std::string name;
  Model model;
  Dataset samples;
};

/// Arbitrary but fixed parameters; batch norm statistics away from 0 and 1.
std::vector<ZooModel> zoo();

/// A model of the given layers over a raw input; parameters drawn from `seed`.
Model make_model(Shape input, std::vector<Node> nodes, Preprocess preprocess = {}, std::uint64_t seed = 1);

}  // namespace soma
