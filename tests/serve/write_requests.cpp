// a directory → one file for each known request: what the assault starts from. Of bodies, for the models "picture" and "table".
#include <filesystem>
#include <fstream>
#include <iostream>

#include "serve/body_cases.h"
#include "serve/http_cases.h"
#include "serve/infer_cases.h"

namespace {

std::string posted(const std::string& target, const std::string& fields, const std::string& body) {
  return "POST " + target + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace soma::test;
  if (argc != 2) return std::cerr << "usage: write_requests DIR\n", 2;
  const std::filesystem::path place = argv[1];
  std::filesystem::create_directories(place);
  const auto write = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(place / name, std::ios::binary) << bytes;
  };
  for (const HttpCase& each : http_cases()) write("http-" + each.name, each.bytes);
  for (const InferCase& each : infer_cases())
    write("infer-" + each.name, posted("/v2/models/table/infer", each.fields, each.body));
  // Rows go where a table takes the same bodies: POST / is the picture's.
  for (const BodyCase& each : body_cases())
    write("body-" + each.name,
          posted(each.served == Served::picture ? "/" : "/soma/models/table/activations", each.fields, each.body));
  return 0;
}
