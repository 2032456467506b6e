// files or a generator → Dataset → fitted Preprocess → batches of floats: everything before the network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"
#include "soma/tensor.h"

namespace soma {

/// One input column of a table. A column with categories holds words: its value is the index of the word
/// (or −1 for a word the training data never showed).
struct Column {
  std::string name;
  std::vector<std::string> categories;
  bool operator==(const Column&) const = default;
};

/// Labelled samples in memory. Images stay bytes, tables are floats: exactly one of `bytes` and `floats` is filled.
///
///   bytes, floats  [count, height, width, channels] or [count, features]   (channels last, as files have it)
///   labels         [count], each in [0, class_names.size())
struct Dataset {
  std::string name;
  Shape shape;  ///< of one sample: {channels, height, width} or {features}
  std::int64_t count = 0;
  std::vector<std::uint8_t> bytes;
  std::vector<float> floats;
  std::vector<std::int32_t> labels;
  std::vector<std::string> class_names;
  std::vector<Column> columns;  ///< tables only: one per feature
  std::string label_name;       ///< tables only: the label column's name

  [[nodiscard]] std::int64_t sample_size() const { return elements(shape); }
  [[nodiscard]] bool is_image() const { return shape.size() == 3; }
};

/// How to read a source whose form leaves a choice.
struct DataOptions {
  std::string label;                     ///< CSV: label column by name or 0-based index (negative from the end); "" = last
  std::optional<bool> header;            ///< CSV: first line is a header; unset = decided from its cells
  bool labelled = true;                  ///< false: every column is an input (predict)
  std::vector<std::string> class_names;  ///< when filled: the only classes allowed, in this order
  std::vector<Column> columns;           ///< when filled: the columns wanted, with their categories
  Shape image_shape;                     ///< when filled: images are converted to these channels, height, width
  std::int64_t count = 0;                ///< generator: number of samples; 0 = its default
  std::uint64_t seed = 1;                ///< generator
};

/// One data set from a name ("mnist", "mnist:test", "iris", "digits", "digits:test") or a path: an IDX image file (its label
/// file is found beside it), a directory with the four MNIST files, a CSV, an NPY (labels beside it as NAME.labels.npy) or a
/// folder with one sub-folder of PNG/JPEG per class. Names are looked for in the directories of $SOMA_DATA (colon-separated),
/// ~/.cache/soma, and /usr/share. Fails with one line that names file, place, what was wanted and what was there.
[[nodiscard]] Result<Dataset> load_dataset(std::string_view source, const DataOptions& options = {});

/// Samples without labels from PNG, JPEG, CSV and NPY files, in the order given; `labels` stays empty.
/// Images are fitted to options.image_shape, table columns to options.columns.
[[nodiscard]] Result<Dataset> load_samples(std::span<const std::filesystem::path> files, const DataOptions& options);

/// A named source that load_dataset knows.
struct KnownDataset {
  std::string name, description, splits;
  bool generated = false;
};
[[nodiscard]] std::span<const KnownDataset> known_datasets();

/// Where NAME lies on this machine, or nothing; an error when the system could not look.
[[nodiscard]] Result<std::optional<std::filesystem::path>> find_dataset(std::string_view name);

/// Downloads a named set into ~/.cache/soma (or the first directory of $SOMA_DATA that can be written) and checks its SHA-256
/// sums. Without a network the error names the directory where the files would be found. `progress` gets one line per step.
[[nodiscard]] Result<std::filesystem::path> fetch_dataset(std::string_view name,
                                                          const std::function<void(std::string_view)>& progress = {});

/// `count` handwriting-like 28×28 digits; image i is a pure function of (seed, i). Classes cycle through a seeded shuffle.
[[nodiscard]] Dataset make_digits(std::int64_t count, std::uint64_t seed);

/// Writes a data set as four/two IDX files (DIR/images-idx3-ubyte, DIR/labels-idx1-ubyte). Bytes only.
[[nodiscard]] Result<void> write_idx(const Dataset& dataset, const std::filesystem::path& images,
                                     const std::filesystem::path& labels);

/// Writes a data set as lines of numbers between commas, the label's number first: the form batch files read. No header.
[[nodiscard]] Result<void> write_csv(const Dataset& dataset, const std::filesystem::path& file);

/// A table of whole numbers from 0 to 255 as gray images: square where the number of features is a square, else one row high.
/// Images stay as they are.
[[nodiscard]] Result<Dataset> as_images(const Dataset& table);

/// Samples [0, count) split in two by a seeded shuffle that keeps the class proportions; `fraction` goes to the second.
struct Split {
  Dataset first, second;
};
[[nodiscard]] Result<Split> split_dataset(const Dataset& dataset, double fraction, std::uint64_t seed);

// ---------------------------------------------------------------------------------------------- preprocessing

enum class PreprocessKind {
  divide,            ///< x / by
  standardise,       ///< (x − mean) / deviation, fitted
  min_max,           ///< (x − min) / (max − min), fitted: the training split maps onto [0, 1]
  mean_subtraction,  ///< x − mean, fitted
  midrange,          ///< x − (max + min)/2 of the sample itself
  proportional,      ///< x / max of the sample itself (unchanged where that is 0)
  one_hot,           ///< each column with categories becomes as many columns of 0 and 1; must be the first step
};

/// One step as a config asks for it. `per_feature` fits one number per feature instead of one per channel;
/// unset means per feature for tables, per channel for images.
struct PreprocessSpec {
  PreprocessKind kind = PreprocessKind::divide;
  double by = 255;
  std::optional<bool> per_feature;
  bool operator==(const PreprocessSpec&) const = default;
};

/// One fitted step. Affine kinds are y = (x − offset) / divisor with one number for all, one per channel, or one per
/// feature (channels-last order); `one_hot` keeps the category count of each raw column (0 = a plain number).
struct PreprocessStep {
  PreprocessKind kind = PreprocessKind::divide;
  std::vector<float> offset, divisor;
  std::vector<std::int32_t> categories;
  bool operator==(const PreprocessStep&) const = default;
};

/// The fitted steps that turn a raw sample into what the network sees; travels inside the model.
struct Preprocess {
  std::vector<PreprocessStep> steps;
  bool operator==(const Preprocess&) const = default;
};

/// Fits the steps on `train`, each on the output of those before. A feature without spread gets divisor 1.
[[nodiscard]] Result<Preprocess> fit_preprocess(std::span<const PreprocessSpec> steps, const Dataset& train);

/// The shape after all steps (one_hot widens a table).
[[nodiscard]] Shape preprocessed_shape(const Preprocess& preprocess, const Shape& raw);

// ---------------------------------------------------------------------------------------------- batches

/// Random distortion of training images, drawn anew each epoch. Everything 0 = off.
struct Augment {
  double shift = 0;    ///< up to this many pixels in x and y
  double rotate = 0;   ///< up to this many degrees
  double scale = 0;    ///< factor in [1 − scale, 1 + scale]
  double elastic = 0;  ///< largest displacement of the elastic field, pixels
  bool operator==(const Augment&) const = default;
};

/// A data set as rows of floats ready for the network, in the order of an epoch.
/// The row at position p of epoch e is a pure function of (data, preprocess, augment, seed, e, p).
class Batches {
 public:
  /// Borrows `dataset`, which must outlive this. With shuffle == false the order is that of the data, without augmentation.
  Batches(const Dataset& dataset, Preprocess preprocess, Augment augment, std::uint64_t seed, bool shuffle);

  [[nodiscard]] std::int64_t count() const;     ///< samples in an epoch
  [[nodiscard]] std::int64_t row_size() const;  ///< floats in one row, after preprocessing

  /// Draws the order of epoch `epoch` (0-based). Allocates nothing.
  void begin_epoch(std::int64_t epoch);

  /// Rows [first, first + rows) of the epoch: x [rows, row_size] channels last, labels [rows] or null.
  /// Safe from several threads at once; allocates nothing.
  void fill(std::int64_t first, std::int64_t rows, float* x, std::int32_t* labels) const noexcept;

  /// What each byte becomes, 256 numbers for each channel, when that is all there is to preprocessing; else nothing.
  [[nodiscard]] std::span<const float> table_of_bytes() const { return byte_table_; }

  /// Index in the data set of the row at position p.
  [[nodiscard]] std::int64_t sample_at(std::int64_t p) const { return order_[static_cast<std::size_t>(p)]; }

 private:
  const Dataset* dataset_;
  Preprocess preprocess_;
  Augment augment_;
  std::uint64_t seed_;
  bool shuffle_;
  std::int64_t epoch_ = 0;
  std::int64_t row_size_ = 0;
  std::vector<std::int32_t> order_;
  std::vector<float> byte_table_;  // [channels, 256]: what each byte becomes, when all steps are affine per channel
};

}  // namespace soma
