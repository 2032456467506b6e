// one inference request under way → all that belongs to it, from its body to its answer.
#pragma once

#include <exception>
#include <memory>
#include <memory_resource>
#include <vector>

#include "serve/infer_answer.h"
#include "serve/plain_body.h"
#include "serve/service.h"

namespace soma {

/// Reused: the vectors keep their memory up to a limit.
struct Service::Call : Job {
  explicit Call(std::pmr::memory_resource* memory) : request(memory), decoded(memory), outputs(memory) {}
  enum class Kind { plain, infer };
  Kind kind = Kind::plain;
  Service* service = nullptr;
  http::Exchange* exchange = nullptr;
  std::shared_ptr<ServedHere> model;
  InferRequest request;
  PlainSamples decoded;  // of POST /
  Floats outputs;
  std::vector<double> scores;  // of a model that gives its samples back
  // What came of a part that ran beside.
  std::exception_ptr thrown;
  Result<void> read;
  Result<std::size_t> written = std::size_t{0};
  std::chrono::nanoseconds run_time{0};  // of a graph
};

}  // namespace soma
