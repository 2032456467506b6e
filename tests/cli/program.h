// arguments → what the built program prints, writes and exits with.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace soma::test {

/// What a finished run left behind. A run ended by a signal has status 128 + signal.
struct Outcome {
  int status = -1;
  std::string out, err;
};

/// How to run it, where that differs from a plain call.
struct Setting {
  std::vector<std::string> environment;  ///< "NAME=value", added to a clean environment
  long file_limit = -1;                  ///< largest file it may write (ulimit -f); −1 = any
  long data_limit = -1;                  ///< most memory of its own, not of files it maps (ulimit -d); −1 = any
  std::string out;                       ///< where stdout goes instead, say /dev/full
  std::vector<int> closed;               ///< descriptors that are closed when it starts
  bool ignores_hangup = false;           ///< as under nohup
};

/// A directory of its own for each test, empty at first and removed at the end; the program runs inside it.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return directory_ / name; }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

  /// Runs soma to its end.
  [[nodiscard]] Outcome soma(const std::vector<std::string>& arguments, const Setting& setting = {}) const;

  /// Starts soma; wait() collects it.
  [[nodiscard]] pid_t start(const std::vector<std::string>& arguments, const Setting& setting = {}) const;
  [[nodiscard]] Outcome wait(pid_t child) const;

  void write(const std::string& name, const std::string& contents) const;
  [[nodiscard]] std::string read(const std::string& name) const;

 private:
  std::filesystem::path directory_;
};

}  // namespace soma::test
