// a directory with one sub-directory of PNG and JPEG files per class → Dataset.
#include "data/image_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/file.h"
#include "core/text.h"
#include "data/image.h"
#include "data/labels.h"
#include "soma/file.h"

namespace soma {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = std::size_t{1} << 28;

Result<bool> named_as_image(const fs::path& file) {
  std::string extension = file.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

// Sorted, so that the order does not depend on the file system; hidden entries are left out.
template <class Keep>
Result<std::vector<fs::path>> entries(const fs::path& directory, Keep keep) {
  std::vector<fs::path> found;
  std::error_code failure;
  for (fs::directory_iterator it(directory, failure), end; !failure && it != end; it.increment(failure)) {
    if (it->path().filename().string().starts_with('.')) continue;
    const Result<bool> kept = keep(it->path());
    if (!kept) return kept.error();
    if (*kept) found.push_back(it->path());
  }
  if (failure) return Error{Error::Kind::io, fmt::format("{}: cannot read: {}", directory.string(), failure.message())};
  std::sort(found.begin(), found.end());
  return found;
}

Result<std::int32_t> class_of(const fs::path& folder, Dataset& dataset, const DataOptions& options) {
  const std::string name = folder.filename().string();
  const auto known = std::find(dataset.class_names.begin(), dataset.class_names.end(), name);
  if (known != dataset.class_names.end()) return static_cast<std::int32_t>(known - dataset.class_names.begin());
  if (!options.class_names.empty())
    return Error{Error::Kind::data, fmt::format("{}: wanted a class the model knows, got '{}'{}", folder.string(), name,
                                                suggestion(name, options.class_names))};
  dataset.class_names.push_back(name);
  return static_cast<std::int32_t>(dataset.class_names.size() - 1);
}

}  // namespace

Result<Dataset> load_image_folder(const fs::path& directory, const DataOptions& options) {
  const Result<std::vector<fs::path>> folders = entries(directory, is_folder);
  if (!folders) return folders.error();
  Dataset dataset;
  dataset.name = directory.filename().string();
  dataset.class_names = options.class_names;
  dataset.shape = options.image_shape;
  for (const fs::path& folder : *folders) {
    const Result<std::vector<fs::path>> files = entries(folder, named_as_image);
    if (!files) return files.error();
    if (files->empty()) continue;
    const Result<std::int32_t> label = class_of(folder, dataset, options);
    if (!label) return label.error();
    for (const fs::path& file : *files) {
      const Result<std::string> bytes = read_file(file, kMostBytes);
      if (!bytes) return bytes.error();
      const Result<Image> image = decode_image(*bytes, file.string());
      if (!image) return image.error();
      if (dataset.shape.size() != 3) dataset.shape = {image->channels, image->height, image->width};
      const Image fitted = resized(*image, dataset.shape);
      dataset.bytes.insert(dataset.bytes.end(), fitted.pixels.begin(), fitted.pixels.end());
      dataset.labels.push_back(*label);
      ++dataset.count;
    }
  }
  if (dataset.count == 0)
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted the four MNIST files or a sub-folder of PNG or JPEG pictures per class, got neither",
                             directory.string())};
  if (const Result<void> counted = check_count(dataset.count, directory.string()); !counted) return counted.error();
  return dataset;
}

}  // namespace soma
