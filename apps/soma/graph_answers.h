// a graph that is no list of layers + files of raw samples → its outputs for each of them.
#pragma once

#include <string>
#include <vector>

#include "soma/graph.h"

namespace soma::app {

/// Prints every output of every sample, as a table or as one JSON object, and the class where `reading` names as many as an
/// output has numbers. Returns the exit status.
int predict_with(Graph& graph, const std::string& model, const std::vector<std::string>& files, const Reading& reading,
                 bool json);

}  // namespace soma::app
