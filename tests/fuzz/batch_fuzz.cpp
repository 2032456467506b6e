// any bytes → a batch file's units, a network, a persistence file, a result file with one line more, or errors; the first byte
// says which.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "batchfile/network_file.h"
#include "batchfile/persistence.h"
#include "batchfile/result.h"
#include "soma/batchfile.h"

namespace {

template <class T>
void check(const soma::Result<T>& result) {
  if (!result) SOMA_REQUIRE(!result.error().message.empty() && result.error().message.find('\n') == std::string::npos);
}

/// A directory with the files that a batch file may name.
class Place {
 public:
  Place() {
    std::string pattern = (std::filesystem::temp_directory_path() / "soma-fuzz-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
    std::ofstream(path_ / "net") << "Identity, 2\nSoftMax, 2\n";
    std::ofstream(path_ / "data") << "0,1,2\n";
  }
  ~Place() { std::filesystem::remove_all(path_); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void read_batch(std::string_view text) {
  static const Place place;
  const auto batch = soma::parse_batch(text, "fuzz", place.path());
  check(batch);
  if (!batch) return;
  SOMA_REQUIRE(!batch->units.empty());
  for (const soma::BatchUnit& unit : batch->units) {
    SOMA_REQUIRE(unit.settings < batch->settings.size() && unit.line > 0);
    SOMA_REQUIRE(batch->settings_of(unit).layers.size() >= 2);
  }
}

// What can be read can be written, and reads back as the same.
void read_network(std::string_view text) {
  const auto layers = soma::parse_network(text, "fuzz");
  check(layers);
  if (layers) SOMA_REQUIRE(soma::parse_network(soma::to_text(*layers), "fuzz").value() == *layers);
}

void add_line(std::string_view text) {
  const std::string longer = soma::with_result_line(std::string(text), "line");
  SOMA_REQUIRE(longer.ends_with("\nline\n"));
  const std::size_t whole = text.rfind('\n') == std::string_view::npos ? 0 : text.rfind('\n') + 1;
  SOMA_REQUIRE(longer.starts_with(whole > 0 ? text.substr(0, whole) : std::string_view(soma::batch_result_header())));
  SOMA_REQUIRE(std::count(longer.begin(), longer.end(), '\n') ==
               std::count(text.begin(), text.end(), '\n') + (whole > 0 ? 1 : 2));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0:
      read_batch(bytes);
      break;
    case 1:
      read_network(bytes);
      break;
    case 2:
      check(soma::parse_persistence(bytes, "fuzz", soma::Changed::accept));
      break;
    default:
      add_line(bytes);
  }
  return 0;
}
