// a data set's name → the files it lies in, as its directory has them.
#include "data/names.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "data/idx.h"
#include "soma/file.h"

namespace soma {
namespace {

namespace fs = std::filesystem;

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::vector<fs::path> named_directories() {
  std::vector<fs::path> directories;
  std::string_view list = environment("SOMA_DATA");
  while (!list.empty()) {
    const std::size_t colon = std::min(list.find(':'), list.size());
    if (colon > 0) directories.emplace_back(list.substr(0, colon));
    list.remove_prefix(std::min(colon + 1, list.size()));
  }
  return directories;
}

fs::path cache_directory() {
  const std::string_view home = environment("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".cache" / "soma";
}

// Debian's package puts Fashion-MNIST under a name of its own.
std::vector<std::string> folders_of(std::string_view name) {
  if (name == "fashion-mnist") return {"fashion-mnist", "dataset-fashion-mnist"};
  return {std::string(name)};
}

/// What a user may not look into holds nothing for him; any other reason not to look is worth a word.
bool may_search(const fs::path& directory) { return ::access(directory.c_str(), X_OK) == 0 || errno != EACCES; }

/// Whether all files of a named set lie in the directory.
Result<bool> holds(const fs::path& place, std::string_view name) {
  if (name == "iris") return is_file(place / "iris.csv");
  if (name != "mnist" && name != "fashion-mnist") return false;
  for (const char* split : {"train", "test"}) {
    const auto images = mnist_images(place, split);
    if (!images) return images.error();
    if (images->empty()) return false;
  }
  return true;
}

bool writable(const fs::path& directory) { return ::access(directory.c_str(), W_OK | X_OK) == 0; }

}  // namespace

SourceName split_name(std::string_view source) {
  const std::size_t colon = source.find(':');
  if (colon == std::string_view::npos) return {source, ""};
  return {source.substr(0, colon), source.substr(colon + 1)};
}

std::span<const KnownDataset> known_datasets() {
  static const std::array<KnownDataset, 4> known = {{
      {"mnist", "70000 handwritten digits, 28x28 gray, 10 classes (LeCun, Cortes, Burges)", "train test", false},
      {"fashion-mnist", "70000 articles of clothing, 28x28 gray, 10 classes (Xiao, Rasul, Vollgraf 2017)", "train test", false},
      {"iris", "150 flowers, 4 measurements, 3 species (Fisher 1936)", "", false},
      {"digits", "drawn digits that look handwritten, 28x28 gray, 10 classes, as many as wanted", "train test", true},
  }};
  return known;
}

const KnownDataset* known_dataset(std::string_view name) {
  for (const KnownDataset& known : known_datasets())
    if (known.name == name) return &known;
  return nullptr;
}

std::vector<fs::path> data_directories() {
  std::vector<fs::path> directories = named_directories();
  if (const fs::path cache = cache_directory(); !cache.empty()) directories.push_back(cache);
  directories.emplace_back("/usr/share");
  return directories;
}

fs::path download_directory() {
  for (const fs::path& directory : named_directories())
    if (writable(directory)) return directory;
  return cache_directory();
}

Result<fs::path> mnist_images(const fs::path& directory, std::string_view split) {
  const std::string stem = split == "test" ? "t10k" : "train";
  auto images = plain_or_gz(directory / (stem + "-images-idx3-ubyte"));
  const auto labels = plain_or_gz(directory / (stem + "-labels-idx1-ubyte"));
  if (!labels) return labels.error();
  return labels->empty() ? fs::path() : std::move(images);
}

std::string places_for(std::string_view name) {
  std::string places;
  for (const fs::path& directory : data_directories()) places += (places.empty() ? "" : ", ") + (directory / name).string();
  return places;
}

Result<std::optional<fs::path>> find_dataset(std::string_view source) {
  const std::string_view name = split_name(source).name;
  for (const fs::path& directory : data_directories())
    for (const std::string& folder : folders_of(name)) {
      const fs::path place = directory / folder;
      if (!may_search(place)) continue;
      const auto there = holds(place, name);
      if (!there) return there.error();
      if (*there) return std::optional(place);
    }
  return std::optional<fs::path>();
}

}  // namespace soma
