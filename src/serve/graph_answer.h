// what a graph put out → the body of an inference answer: JSON, binary tensors, or both.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "serve/graph_request.h"
#include "serve/slab.h"
#include "soma/error.h"
#include "soma/graph.h"

namespace soma {

/// Appends the answer: of `made`, one array for each output of the graph, those that the request asks for. Returns the length of
/// its JSON part when binary tensors follow, else 0. Fails when JSON would have to hold what it cannot say: numbers that are not
/// finite, or of 16 bits.
[[nodiscard]] Result<std::size_t> write_graph_answer(const GraphRequest& request, std::string_view name, std::string_view version,
                                                     const Graph& graph, std::span<const TypedArray> made, http::Buffer& body);

}  // namespace soma
