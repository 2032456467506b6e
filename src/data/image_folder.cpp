// a directory with one sub-directory of PNG and JPEG files per class → Dataset.
#include "data/image_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "core/file.h"
#include "core/number.h"
#include "core/text.h"
#include "data/image.h"
#include "data/labels.h"
#include "soma/file.h"

namespace soma {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = std::size_t{1} << 28;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string extension(const fs::path& file) { return lower(file.extension().string()); }

bool named_as_picture(const fs::path& file) {
  const std::string kind = extension(file);
  return kind == ".png" || kind == ".jpg" || kind == ".jpeg";
}

/// Sorted, so that the order does not depend on the file system; hidden entries are left out.
Result<std::vector<fs::path>> entries(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code failure;
  for (fs::directory_iterator it(directory, failure), end; !failure && it != end; it.increment(failure))
    if (!it->path().filename().string().starts_with('.')) found.push_back(it->path());
  if (failure) return Error{Error::Kind::io, fmt::format("{}: cannot read: {}", directory.string(), failure.message())};
  std::sort(found.begin(), found.end());
  return found;
}

/// The class folders: 2 before 10 where all names are numbers. Counts the pictures that lie beside them.
Result<std::vector<fs::path>> class_folders(const fs::path& directory, std::int64_t* beside = nullptr) {
  const Result<std::vector<fs::path>> found = entries(directory);
  if (!found) return found;
  Result<std::vector<fs::path>> all = std::vector<fs::path>();
  for (const fs::path& path : *found) {
    const auto folder = is_folder(path);
    if (!folder) return folder.error();
    if (*folder) all->push_back(path);
    if (!*folder && beside != nullptr && named_as_picture(path)) ++*beside;
  }
  const auto number = [](const fs::path& path) { return whole_number(path.filename().string()); };
  if (std::all_of(all->begin(), all->end(), [&](const fs::path& path) { return number(path).has_value(); }))
    std::stable_sort(all->begin(), all->end(), [&](const fs::path& a, const fs::path& b) { return *number(a) < *number(b); });
  return all;
}

/// "3 .bmp, 1 .txt": files left out, by what they are.
using Counts = std::map<std::string, std::int64_t>;
std::string listed(const Counts& counts) {
  std::string text;
  for (const auto& [what, count] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  return text;
}

Result<void> pictures_below(const fs::path& folder, std::vector<fs::path>& pictures, Counts& others, int depth = 0) {
  constexpr int kDeepest = 16;  // links may lead in circles
  const Result<std::vector<fs::path>> found = entries(folder);
  if (!found) return found.error();
  for (const fs::path& path : *found) {
    const std::string kind = extension(path);
    const auto below = is_folder(path);
    if (!below) return below.error();
    if (*below) {
      if (depth < kDeepest)
        if (Result<void> done = pictures_below(path, pictures, others, depth + 1); !done) return done;
    } else if (named_as_picture(path)) {
      pictures.push_back(path);
    } else {
      ++others[kind.empty() ? "without extension" : printable(kind)];
    }
  }
  return {};
}

/// All pictures of a folder, before they have one size.
struct Pictures {
  std::vector<Image> images;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> sizes;  // height, width → how many
  bool colour = false;
  Counts left_out;
};

Result<bool> add_picture(const fs::path& file, const DataOptions& options, Pictures& pictures) {
  const Result<std::string> bytes = read_file(file, kMostBytes);
  if (!bytes) return bytes.error();
  Result<Image> image = decode_image(*bytes, file.string());
  if (!image) {
    if (!options.skip_bad)
      return Error{image.error().kind, image.error().message + "; --set data.skip_bad=true leaves such files out"};
    ++pictures.left_out[bytes->empty() ? "empty" : "damaged"];
    return false;
  }
  ++pictures.sizes[{image->height, image->width}];
  pictures.colour = pictures.colour || image->channels == 3;
  pictures.images.push_back(std::move(*image));
  return true;
}

Shape common_shape(const Pictures& pictures, const DataOptions& options) {
  if (options.image_shape.size() == 3) return options.image_shape;
  const bool colour = options.color.empty() ? pictures.colour : options.color == "rgb";
  if (options.size.size() == 2) return {colour ? 3 : 1, options.size[0], options.size[1]};
  const auto commonest = std::max_element(pictures.sizes.begin(), pictures.sizes.end(), [](const auto& a, const auto& b) {
    return a.second <= b.second;
  });  // of equals the largest
  return {colour ? 3 : 1, commonest->first.first, commonest->first.second};
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

void describe(const Pictures& pictures, const DataOptions& options, Dataset& dataset) {
  std::int64_t differ = 0;
  for (const auto& [size, count] : pictures.sizes)
    if (size.first != dataset.shape[1] || size.second != dataset.shape[2]) differ += count;
  if (differ > 0)
    dataset.notes.push_back(fmt::format("{} of {} pictures have another size and were brought to {}×{} ({})", differ,
                                        dataset.count, dataset.shape[1], dataset.shape[2], options.fit));
  if (!pictures.left_out.empty()) dataset.notes.push_back("left out: " + listed(pictures.left_out));
}

}  // namespace

Result<fs::path> part_of_folder(const fs::path& directory, bool test) {
  const Result<std::vector<fs::path>> folders = class_folders(directory);
  if (!folders) return folders.error();
  const auto called = [&](std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names)
      for (const fs::path& folder : *folders)
        if (lower(folder.filename().string()) == name) return folder;
    return fs::path();
  };
  const fs::path train = called({"train", "training"}), other = called({"test", "testing", "val", "valid", "validation"});
  if (train.empty() || other.empty()) return fs::path();
  return test ? other : train;
}

Result<Dataset> load_image_folder(const fs::path& directory, const DataOptions& options) {
  std::int64_t beside = 0;
  const Result<std::vector<fs::path>> folders = class_folders(directory, &beside);
  if (!folders) return folders.error();
  Dataset dataset;
  dataset.name = directory.filename().string();
  dataset.class_names = options.class_names;
  Pictures pictures;
  if (beside > 0) pictures.left_out["in no class folder"] = beside;
  for (const fs::path& folder : *folders) {
    std::vector<fs::path> files;
    Counts others;
    if (const Result<void> listed_all = pictures_below(folder, files, others); !listed_all) return listed_all.error();
    if (files.empty() && !others.empty())
      return Error{Error::Kind::data,
                   fmt::format("{}: wanted PNG or JPEG pictures, got {}; try converting them, or another place for "
                               "the folder",
                               folder.string(), listed(others))};
    for (const auto& [what, count] : others) pictures.left_out[what] += count;
    if (files.empty()) {
      ++pictures.left_out["empty folder"];
      continue;
    }
    const Result<std::int32_t> label = class_of(folder, dataset, options);
    if (!label) return label.error();
    for (const fs::path& file : files) {
      const Result<bool> added = add_picture(file, options, pictures);
      if (!added) return added.error();
      if (*added) dataset.labels.push_back(*label);
    }
  }
  dataset.count = std::ssize(pictures.images);
  if (dataset.count == 0)
    return Error{Error::Kind::data,
                 fmt::format("{}: wanted the four MNIST files or a sub-folder of PNG or JPEG pictures per class, got neither",
                             directory.string())};
  if (const Result<void> counted = check_count(dataset.count, directory.string()); !counted) return counted.error();
  dataset.shape = common_shape(pictures, options);
  dataset.bytes.reserve(static_cast<std::size_t>(dataset.count * dataset.sample_size()));
  for (Image& image : pictures.images) {
    const Image same = fitted(image, dataset.shape, options.fit);
    dataset.bytes.insert(dataset.bytes.end(), same.pixels.begin(), same.pixels.end());
    image.pixels = {};
  }
  describe(pictures, options, dataset);
  return dataset;
}

}  // namespace soma
