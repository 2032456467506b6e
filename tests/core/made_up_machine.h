// files as /proc and /sys show them → a folder that stands for a machine while a test looks at it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace soma::test {

class MadeUpMachine : public testing::Test {
 protected:
  MadeUpMachine() { std::filesystem::remove_all(root); }
  ~MadeUpMachine() override { std::filesystem::remove_all(root); }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((root / name).parent_path());
    std::ofstream(root / name) << text;
  }
  const std::filesystem::path root =
      std::filesystem::path(testing::TempDir()) / ("made-up-machine-" + std::to_string(::getpid()));
};

}  // namespace soma::test
