// one HTTP request, sent over and over on several connections → how many answers a second, and how late.
#pragma once

#include <cstdint>
#include <string>

#include "lab/serve/latency_histogram.h"
#include "soma/error.h"

namespace soma {

struct LoadOptions {
  std::uint16_t port = 0;  ///< of this machine
  std::string request;     ///< the bytes of one whole request
  int connections = 1;
  double seconds = 1;
  /// 0: a closed loop, each connection sends again as soon as it has its answer. Otherwise an open one: so many requests a second
  /// fall due at even distances, whatever the server does, and one that must wait for a free connection is late by that wait.
  double rate = 0;
  std::string answer = {};  ///< what every body has to be; "" = anything
};

struct LoadResult {
  std::int64_t answers = 0;   ///< with status 200 and the right body
  std::int64_t failures = 0;  ///< others, and connections that ended
  double seconds = 0;
  LatencyHistogram latency;  ///< from when a request was sent (closed) or due (open) to the last byte of its answer
  std::string body;          ///< of the last answer
};

/// One thread, this one. Fails when nobody listens.
[[nodiscard]] Result<LoadResult> generate_load(const LoadOptions& options);

/// The bytes of a POST of `body` to `path`.
std::string post_request(const std::string& path, const std::string& body);

}  // namespace soma
