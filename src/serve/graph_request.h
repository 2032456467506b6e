// the bytes of an inference request for a graph → the arrays it takes and the outputs that are asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serve/budget.h"
#include "serve/tensor_data.h"
#include "soma/error.h"
#include "soma/graph.h"

namespace soma {

/// The protocol's type for each type that an array may have, and back.
[[nodiscard]] DataType data_type_of(ElementType type);
[[nodiscard]] ElementType element_type_of(DataType type);

struct GraphOutput {
  std::size_t index = 0;  ///< in Graph::outputs()
  bool binary = false;
};

struct GraphRequest {
  std::string id;
  std::uint64_t timeout_us = 0;          ///< 0 = the server's
  std::vector<TypedArray> inputs;        ///< as Graph::run wants them
  std::vector<GraphOutput> outputs;      ///< in the order they were asked for; nobody asked: all
  std::unique_ptr<http::Charge> charge;  ///< for the inputs
};

/// Types are the graph's own, shapes those that the file declares, with any number where it leaves one free. Numbers in JSON are
/// exact or refused. `header_length` is the field Inference-Header-Content-Length, "" when it was not sent. `memory` counts what
/// reading takes, `budget` what stays. The error's message is for the client.
[[nodiscard]] Result<GraphRequest> read_graph_request(std::span<const std::byte> body, std::string_view header_length,
                                                      const Graph& graph, int depth, std::pmr::memory_resource* memory,
                                                      http::Budget& budget);

}  // namespace soma
