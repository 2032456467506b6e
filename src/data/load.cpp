// a name or a path → Dataset: decides which reader a source belongs to.
#include <fmt/format.h>

#include "core/text.h"
#include "data/arrays.h"
#include "data/gzip.h"
#include "data/idx.h"
#include "data/image.h"
#include "data/image_folder.h"
#include "data/labels.h"
#include "data/names.h"
#include "data/npz.h"
#include "data/resample.h"
#include "data/table.h"
#include "data/zip.h"
#include "soma/dataset.h"
#include "soma/file.h"

namespace soma {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDigitsTrain = 20000, kDigitsTest = 4000, kDigitsMost = 10'000'000;  // the most: 8 GB
constexpr std::uint64_t kTestSeed = 0x7465737400000000;  // keeps digits:test apart from digits:train of the same seed
constexpr std::int64_t kMnistClasses = 10;

const std::vector<std::string>& fashion_names() {
  static const std::vector<std::string> names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                 "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  return names;
}

Result<Dataset> load_mnist(const fs::path& images, std::vector<std::string> class_names, const DataOptions& options) {
  const Result<fs::path> labels = labels_beside(images);
  if (!labels) return labels.error();
  if (!options.class_names.empty()) class_names = options.class_names;
  Result<Dataset> dataset = load_idx(images, *labels, class_names);
  if (dataset && options.transpose) transpose_images(*dataset);
  return dataset;
}

Result<Dataset> load_csv(const fs::path& file, const DataOptions& options) {
  Result<std::string> text = read_plain_or_gzip(file);
  if (!text) return text.error();
  Result<Dataset> dataset = parse_table(std::move(*text), file.string(), options);
  if (dataset) dataset->name = file.filename().string();
  return dataset;
}

Result<Dataset> load_known(const KnownDataset& known, std::string_view split, const DataOptions& options) {
  const bool has_splits = !known.splits.empty();
  if (!split.empty() && !(has_splits && (split == "train" || split == "test")))
    return Error{Error::Kind::usage,
                 fmt::format("{}: no split '{}'; {}", known.name, split,
                             has_splits ? fmt::format("try {0}:train or {0}:test", known.name) : std::string("it has none"))};
  const bool test = split == "test";
  if (known.generated) {
    if (options.count < 0 || options.count > kDigitsMost)
      return Error{Error::Kind::usage, fmt::format("digits: wanted a count from 1 to {}, got {}", kDigitsMost, options.count)};
    Dataset digits = make_digits(options.count > 0 ? options.count
                                 : test            ? kDigitsTest
                                                   : kDigitsTrain,
                                 test ? options.seed ^ kTestSeed : options.seed);
    if (!options.class_names.empty() && options.class_names != digits.class_names)
      return Error{Error::Kind::data,
                   fmt::format("digits: wanted the classes {} …, got the digits 0 to 9", options.class_names[0])};
    digits.name = known.name;
    return digits;
  }
  const auto found = find_dataset(known.name);
  if (!found) return found.error();
  const std::optional<fs::path>& place = *found;
  if (!place)
    return Error{Error::Kind::io,
                 fmt::format("{}: not on this machine, looked in {}; try soma data fetch {}, or put its files into one of these",
                             known.name, places_for(known.name), known.name)};
  const auto images = known.name == "iris" ? fs::path() : mnist_images(*place, split);
  if (!images) return images.error();
  Result<Dataset> dataset =
      known.name == "iris" ? load_csv(*place / "iris.csv", options)
                           : load_mnist(*images, known.name == "mnist" ? number_names(kMnistClasses) : fashion_names(), options);
  if (dataset) dataset->name = known.name;
  return dataset;
}

/// EMNIST's way: the one file called NAME-train-images-idx3-ubyte, gz or not.
fs::path prefixed_images(const fs::path& directory) {
  fs::path found;
  std::error_code failure;
  for (fs::directory_iterator it(directory, failure), end; !failure && it != end; it.increment(failure)) {
    const std::string name = it->path().filename().string();
    if (!name.ends_with("-train-images-idx3-ubyte") && !name.ends_with("-train-images-idx3-ubyte.gz")) continue;
    if (!found.empty()) return {};  // which one is for the user to say
    found = it->path();
  }
  return found;
}

Result<Dataset> load_directory(const fs::path& directory, const DataOptions& options) {
  const auto mnist = mnist_images(directory, "train"), plain = plain_or_gz(directory / "images-idx3-ubyte");
  if (!mnist) return mnist.error();
  if (!plain) return plain.error();
  if (!mnist->empty()) return load_mnist(*mnist, number_names(kMnistClasses), options);
  if (!plain->empty()) return load_mnist(*plain, {}, options);
  if (const fs::path images = prefixed_images(directory); !images.empty()) return load_mnist(images, {}, options);
  const auto train = part_of_folder(directory, false);
  if (!train) return train.error();
  if (!train->empty()) return load_image_folder(*train, options);
  return load_image_folder(directory, options);
}

bool is_npz(std::string_view bytes) { return is_zip(bytes) && bytes.substr(0, 256).find(".npy") != std::string_view::npos; }

Result<Dataset> load_archive(const NpzPart& source, std::string_view bytes, const DataOptions& options) {
  Result<Dataset> dataset = load_npz(source.file, bytes, options, source.part);
  if (dataset && options.transpose) transpose_images(*dataset);
  return dataset;
}

Result<Dataset> load_part(const NpzPart& source, const DataOptions& options) {
  const Result<FileBytes> contents = map_plain_or_gzip(source.file);
  return contents ? load_archive(source, contents->bytes, options) : contents.error();
}

Result<Dataset> load_file(const fs::path& file, const DataOptions& options) {
  Result<FileBytes> contents = map_plain_or_gzip(file);
  if (!contents) return contents.error();
  const std::string_view bytes = contents->bytes;
  if (is_npz(bytes)) return load_archive({file, ""}, bytes, options);
  if (is_npy(bytes)) {
    Result<Dataset> dataset = load_npy(file, *contents, options);
    if (dataset && options.transpose) transpose_images(*dataset);
    return dataset;
  }
  if (is_image(bytes))
    return Error{Error::Kind::usage,
                 fmt::format("{}: wanted a labelled data set, got one picture; try a folder with a sub-folder of "
                             "pictures per class",
                             file.string())};
  if (bytes.starts_with(std::string_view("\0\0", 2))) {
    contents = FileBytes{};
    return load_mnist(file, {}, options);
  }
  std::string text(bytes);
  contents = FileBytes{};
  Result<Dataset> dataset = parse_table(std::move(text), file.string(), options);
  if (dataset) dataset->name = file.filename().string();
  return dataset;
}

}  // namespace

Result<std::optional<std::string>> test_part_of(std::string_view source) {
  const std::optional<std::string> none;
  if (known_dataset(split_name(source).name) != nullptr) return none;
  const auto folder = is_folder(source);
  if (!folder) return folder.error();
  if (!*folder) {
    if (fs::path(source).extension() != ".npz") return none;
    const auto part = held_out_part(source);
    if (!part) return part.error();
    return part->empty() ? none : std::optional(fmt::format("{}:{}", source, *part));
  }
  const auto mnist = mnist_images(source, "train");
  if (!mnist) return mnist.error();
  const auto test = part_of_folder(source, true);
  if (!test) return test.error();
  return mnist->empty() && !test->empty() ? std::optional(test->string()) : none;
}

Result<Dataset> load_dataset(std::string_view source, const DataOptions& options) {
  const SourceName name = split_name(source);
  Result<Dataset> dataset = Error{};
  const KnownDataset* known = known_dataset(name.name);
  const auto type = known != nullptr ? fs::file_type::none : look_at(source);
  if (!type) return type.error();
  if (known != nullptr) {
    dataset = load_known(*known, name.split, options);
  } else if (*type == fs::file_type::directory) {
    dataset = load_directory(source, options);
  } else if (*type != fs::file_type::not_found) {
    dataset = load_file(source, options);
  } else if (const auto part = npz_part(source)) {
    dataset = load_part(*part, options);
  } else {
    std::vector<std::string> names;
    for (const KnownDataset& one : known_datasets()) names.push_back(one.name);
    return Error{Error::Kind::usage,
                 fmt::format("data set '{}': no such name, file or directory{}", source, suggestion(name.name, names))};
  }
  if (dataset && options.task == Task::reconstruct) {
    dataset->task = Task::reconstruct;
    dataset->targets.clear();
    dataset->target_names.clear();
  }
  if (dataset && dataset->is_image() && options.image_shape.size() == 3 && dataset->shape != options.image_shape)
    return fit_images(std::move(*dataset), options.image_shape);
  return dataset;
}

}  // namespace soma
