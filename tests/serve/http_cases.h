// nothing → whole requests, rightful and not, with the answers that RFC 9110 and 9112 and docs/serving.md give them.
#pragma once

#include <string>
#include <vector>

namespace soma::test {

/// Bytes that a client sends on one connection to a server of TestServer's model, and the statuses it answers with.
struct HttpCase {
  std::string name, bytes;
  std::vector<int> statuses;
};

const std::vector<HttpCase>& http_cases();

}  // namespace soma::test
