// a directory → one file for each request of http_cases: what the assault and the fuzzer of HTTP start from.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "serve/http_cases.h"

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: write_requests DIR\n", 2;
  const std::filesystem::path place = argv[1];
  std::filesystem::create_directories(place);
  for (const soma::test::HttpCase& each : soma::test::http_cases())
    std::ofstream(place / each.name, std::ios::binary) << each.bytes;
  return 0;
}
