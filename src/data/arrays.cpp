// arrays of samples and of what is to be said of them → Dataset.
#include "data/arrays.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "core/text.h"
#include "data/idx.h"
#include "data/labels.h"
#include "data/mapped.h"

namespace soma {
namespace {

constexpr std::int64_t kMostChannels = 4;  // as far as a shape alone tells: gray, with alpha, red-green-blue, with alpha

Error wrong(std::string_view origin, std::string_view message) {
  return {Error::Kind::data, fmt::format("{}: {}", origin, message)};
}

/// What an array of samples is read as.
struct Layout {
  Shape shape;                  ///< of one sample, as Dataset has it
  bool channels_first = false;  ///< values lie [channels, height, width]
  std::string note;
};

/// [n, a, b]: gray pictures, or signals of several channels where the network wants images one high.
Layout layout_of_three(std::int64_t a, std::int64_t b, const Shape& wanted) {
  if (wanted == Shape{a, 1, b}) return {wanted, a > 1, ""};
  if (wanted == Shape{b, 1, a}) return {wanted, false, ""};
  Layout layout{{1, a, b}, false, ""};
  constexpr std::int64_t kFlat = 4;
  if (wanted.empty() && std::max(a, b) >= kFlat * std::min(a, b))
    layout.note =
        fmt::format("read as pictures {} high and {} wide; for {} channels of {} readings say --set network.input=[{},1,{}]", a,
                    b, std::min(a, b), std::max(a, b), std::min(a, b), std::max(a, b));
  return layout;
}

/// [n, a, b, c]: channels last, or first where the network's input or the shape says so.
Result<Layout> layout_of_four(const Shape& e, const Shape& wanted, std::string_view origin) {
  const Layout last{{e[3], e[1], e[2]}, false, ""};
  Layout first{{e[1], e[2], e[3]}, true, ""};
  if (wanted == last.shape) return last;
  if (wanted == first.shape) return first;
  if (e[1] > kMostChannels || e[3] <= kMostChannels) return last;
  constexpr std::int64_t kSide = 16;
  if (e[2] != e[3] && std::min(e[2], e[3]) < kSide)
    return wrong(origin, fmt::format("wanted to know which axis holds channels, got {0}; try --set network.input=[{1},{2},{3}] "
                                     "(they come first) or --set network.input=[{3},{1},{2}]",
                                     to_string(e), e[1], e[2], e[3]));
  first.note = fmt::format(
      "read with channels first: {} channel{}, {} high, {} wide; for channels last say --set network.input=[{},{},{}]", e[1],
      e[1] == 1 ? "" : "s", e[2], e[3], e[3], e[1], e[2]);
  return first;
}

Result<Layout> layout_of(const Shape& e, const DataOptions& options, std::string_view origin) {
  const Shape& wanted = options.image_shape.size() == 3 ? options.image_shape : options.row_shape;
  switch (e.size()) {
    case 2:
      return wanted.size() == 3 && e[1] == elements(wanted) ? Layout{wanted, false, ""} : Layout{{e[1]}, false, ""};
    case 3:
      return layout_of_three(e[1], e[2], wanted);
    case 4:
      return layout_of_four(e, wanted, origin);
    default:
      return wrong(origin, fmt::format("wanted an array [n, f], [n, h, w], [n, h, w, c] or [n, c, h, w], got {} dimension{}",
                                       e.size(), e.size() == 1 ? "" : "s"));
  }
}

/// Every sample [c, h, w] → [h, w, c].
template <class T>
void put_channels_last(std::vector<T>& values, const Shape& shape) {
  const auto channels = static_cast<std::size_t>(shape[0]), places = static_cast<std::size_t>(shape[1] * shape[2]);
  if (channels <= 1) return;
  std::vector<T> sample(channels * places);
  for (auto at = values.begin(); at != values.end(); at += static_cast<std::ptrdiff_t>(sample.size())) {
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t i = 0; i < places; ++i) sample[i * channels + c] = at[static_cast<std::ptrdiff_t>(c * places + i)];
    std::copy(sample.begin(), sample.end(), at);
  }
}

/// All but the samples themselves.
Result<Dataset> empty_set(const Shape& extents, const Layout& layout, std::string_view origin) {
  Dataset dataset;
  dataset.count = extents[0];
  dataset.shape = layout.shape;
  if (!layout.note.empty()) dataset.notes.push_back(layout.note);
  if (Result<void> counted = check_count(dataset.count, origin); !counted) return counted.error();
  if (dataset.sample_size() == 0)
    return wrong(origin, fmt::format("wanted samples with values, got {}", to_string(dataset.shape)));
  for (std::int64_t i = 0; !dataset.is_image() && i < dataset.shape[0]; ++i) dataset.columns.push_back({std::to_string(i), {}});
  return dataset;
}

/// NAME.labels.npy, or y_train.npy beside X_train.npy.
Result<std::filesystem::path> labels_file(std::filesystem::path file) {
  if (file.extension() == ".gz") file.replace_extension();
  std::filesystem::path beside = file;
  beside.replace_extension(".labels.npy");
  const std::string name = file.filename().string();
  auto labels = plain_or_gz(beside);
  if (!labels || !labels->empty() || name.empty() || (name[0] != 'x' && name[0] != 'X')) return labels;
  return plain_or_gz(file.parent_path() / ("y" + name.substr(1)));
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> lines;
  const Result<std::string> text = read_plain_or_gzip(file);
  for (std::size_t at = 0; text && at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    std::string line = text->substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    at = end + 1;
  }
  return lines;
}

/// Words → classes in sorted order, or those asked for.
Result<void> set_words(Dataset& dataset, const std::vector<std::string>& words, std::string_view origin,
                       std::vector<std::string> names) {
  if (names.empty()) {
    names = words;
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
  }
  std::vector<std::int64_t> places;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto found = std::find(names.begin(), names.end(), words[i]);
    if (found == names.end())
      return wrong(origin, fmt::format("sample {}: wanted a class the model knows, got '{}'", i, one_line(words[i], 40)));
    places.push_back(found - names.begin());
  }
  // By place: their names may look like numbers.
  dataset.class_names = names;
  dataset.labels.assign(places.begin(), places.end());
  return {};
}

bool zeros_and_ones(const NpyArray& array) {
  return std::all_of(array.numbers.begin(), array.numbers.end(), [](double x) { return x == 0 || x == 1; });
}

/// [n, m] with exactly one 1 in every row → the places of the ones.
std::vector<std::int64_t> hot_places(const NpyArray& array) {
  const auto width = static_cast<std::size_t>(array.extents[1]);
  std::vector<std::int64_t> places;
  if (!zeros_and_ones(array)) return places;
  for (std::size_t row = 0; row < array.numbers.size(); row += width) {
    const auto begin = array.numbers.begin() + static_cast<std::ptrdiff_t>(row), end = begin + static_cast<std::ptrdiff_t>(width);
    if (std::count(begin, end, 1.0) != 1) return {};
    places.push_back(std::find(begin, end, 1.0) - begin);
  }
  return places;
}

}  // namespace

Result<Dataset> dataset_of(NpyArray samples, std::string_view origin, const DataOptions& options) {
  const Result<Layout> layout = layout_of(samples.extents, options, origin);
  if (!layout) return layout.error();
  Result<Dataset> dataset = empty_set(samples.extents, *layout, origin);
  if (!dataset) return dataset;
  if (!dataset->is_image() && !samples.bytes.empty()) {
    samples.floats.assign(samples.bytes.begin(), samples.bytes.end());
    samples.bytes = {};
  }
  dataset->bytes = std::move(samples.bytes);
  dataset->floats = std::move(samples.floats);
  if (layout->channels_first) {
    put_channels_last(dataset->bytes, dataset->shape);
    put_channels_last(dataset->floats, dataset->shape);
  }
  return dataset;
}

Result<Dataset> dataset_of(const FileBytes& file, std::string_view origin, const DataOptions& options, std::size_t mapped_from) {
  const Result<NpyView> view = view_npy(file.bytes, origin);
  if (!view) return view.error();
  const Result<Layout> layout = layout_of(view->extents, options, origin);
  if (!layout) return layout.error();
  const bool as_they_lie = !view->fortran && !(layout->channels_first && layout->shape[0] > 1);
  if (!as_they_lie || view->values.size() < mapped_from) {
    Result<NpyArray> array = read_npy(*view, origin);
    return array ? dataset_of(std::move(*array), origin, options) : array.error();
  }
  Result<Dataset> dataset = empty_set(view->extents, *layout, origin);
  if (!dataset) return dataset;
  const auto mapped = std::make_shared<const MappedSamples>(file, view->values, *view->type, view->swapped,
                                                            dataset->sample_size(), view->bytes() && dataset->is_image());
  if (const auto finite = mapped->check_finite(origin); !finite) return finite.error();
  dataset->mapped = mapped;
  return dataset;
}

Result<void> set_targets(Dataset& dataset, NpyArray array, std::string_view origin, const DataOptions& options,
                         const std::vector<std::string>& names) {
  Shape& extents = array.extents;
  if (extents.size() == 2 && extents[1] == 1) extents.pop_back();
  if (extents.empty() || extents.size() > 2)
    return wrong(origin, fmt::format("wanted labels [n] or [n, m], got {}", to_string(extents)));
  if (extents[0] != dataset.count)
    return wrong(origin, fmt::format("wanted {} labels, one per sample, got {}", dataset.count, extents[0]));
  if (!array.words.empty()) return set_words(dataset, array.words, origin, names);
  const bool wide = extents.size() == 2;
  if (wide && extents[1] == 0) return wrong(origin, "wanted labels, got none");
  // Labels beside samples that are to be given back are classes, to judge the scores by.
  const auto task = options.task == Task::reconstruct ? std::optional(Task::classes) : options.task;
  if (wide && task.value_or(Task::classes) == Task::classes) {
    const std::vector<std::int64_t> places = hot_places(array);
    if (!places.empty()) {
      dataset.notes.push_back("labels: a 1 in every row is its class");
      return set_labels(dataset, places, origin, names);
    }
    if (task)
      return wrong(origin, fmt::format("wanted one class a sample, got {} numbers; try --set data.task=values", extents[1]));
  }
  const bool fractions = array.integers.empty();
  const bool values = task ? *task == Task::values || *task == Task::labels : wide || fractions;
  if (!values) {
    if (fractions) return wrong(origin, "wanted whole numbers as classes, got fractions; try --set data.task=values");
    return set_labels(dataset, array.integers, origin, names);
  }
  dataset.task = task.value_or(zeros_and_ones(array) ? Task::labels : Task::values);
  if (dataset.task == Task::labels && !zeros_and_ones(array))
    return wrong(origin, "wanted 0 or 1 for each label, got other numbers");
  const auto width = static_cast<std::size_t>(wide ? extents[1] : 1);
  dataset.target_names = names.size() == width ? names : number_names(static_cast<std::int64_t>(width));
  dataset.targets.assign(array.numbers.begin(), array.numbers.end());
  return {};
}

Result<Dataset> load_npy(const std::filesystem::path& file, const FileBytes& contents, const DataOptions& options) {
  const std::string origin = file.string();
  Result<Dataset> dataset = dataset_of(contents, origin, options);
  if (!dataset) return dataset;
  dataset->name = file.filename().string();

  const auto labels = labels_file(file);
  if (!labels) return labels.error();
  if (labels->empty()) {
    if (options.task == Task::reconstruct) return dataset;
    std::filesystem::path wanted = file.filename();
    if (wanted.extension() == ".gz") wanted.replace_extension();
    wanted.replace_extension(".labels.npy");
    return wrong(origin, fmt::format("wanted its labels beside it in {}, got no such file", wanted.string()));
  }
  const Result<std::string> label_bytes = read_plain_or_gzip(*labels);
  if (!label_bytes) return label_bytes.error();
  Result<NpyArray> targets = parse_npy(*label_bytes, labels->string(), true);
  if (!targets) return targets.error();
  std::vector<std::string> names = !options.class_names.empty() ? options.class_names : options.labels;
  std::filesystem::path names_file = file;
  if (names.empty()) names = lines_of(names_file.replace_extension(".classes.txt"));
  if (const auto set = set_targets(*dataset, std::move(*targets), labels->string(), options, names); !set) return set.error();
  return dataset;
}

Result<Dataset> npy_samples(std::string_view bytes, std::string_view origin, const DataOptions& options) {
  Result<NpyArray> array = parse_npy(bytes, origin);
  if (!array) return array.error();
  const Shape& image = options.image_shape;
  Shape& extents = array->extents;
  bool alone = extents.size() == 1;
  if (image.size() == 3) {
    const std::int64_t c = image[0], h = image[1], w = image[2];
    alone = extents == Shape{elements(image)} || extents == image || extents == Shape{h, w, c} ||
            (c == 1 && extents == Shape{h, w}) || (h == 1 && (extents == Shape{c, w} || extents == Shape{w, c}));
  }
  if (alone) extents.insert(extents.begin(), 1);
  return dataset_of(std::move(*array), origin, options);
}

}  // namespace soma
