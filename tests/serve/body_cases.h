// nothing → bodies of POST /, rightful and not, with the answers that docs/serving.md gives them.
#pragma once

#include <string>
#include <vector>

namespace soma::test {

enum class Served {
  picture,  ///< {1, 28, 28}, classes "a" "b" "c"
  table,    ///< four numbers
};

struct BodyCase {
  std::string name;
  Served served = Served::picture;
  std::string body, fields;  ///< header lines that go with the body
  int status = 0;
  bool same = false;  ///< as picture_bytes() or table_row() is answered
};

const std::vector<BodyCase>& body_cases();

/// One picture, a byte a pixel.
std::string picture_bytes();
/// "5.1,3.5,1.4,0.2".
std::string table_row();

}  // namespace soma::test
