// nothing → bodies of inference requests, rightful and not, with the statuses that the protocol and docs/serving.md give them.
#pragma once

#include <string>
#include <vector>

namespace soma::test {

/// For a model of four numbers whose input is called "input". `fields` are header lines that go with the body.
struct InferCase {
  std::string name, body, fields;
  int status = 0;
};

const std::vector<InferCase>& infer_cases();

}  // namespace soma::test
