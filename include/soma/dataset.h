// files or a generator → Dataset → fitted Preprocess → batches of floats: everything before the network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
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
  /// "year", "month", "weekday" (0 = Monday) or "hour": this part of the date in the column that `name` says before its last dot.
  std::string date = {};
  double origin = 0;  ///< the value is the cell's number minus this, so that large numbers close together stay apart as floats
  bool operator==(const Column&) const = default;
};

/// What is to be said of a sample: which of several classes it is, one or several numbers, which of several labels hold, or the
/// sample itself.
enum class Task { classes, values, labels, reconstruct };

/// Samples that stay in their file, which is mapped.
class MappedSamples;

/// Samples with what is to be said of them. Images stay bytes, tables are floats: exactly one of `bytes`, `floats` and `mapped`
/// is filled, and bytes_at and copy_floats read whichever it is. A table's cell without a value is NaN, until preprocessing fills
/// it.
///
///   bytes, floats  [count, height, width, channels] or [count, features]   (channels last, as files have it)
///   labels         task classes: [count], each in [0, class_names.size()); may also be there for reconstruct, to judge scores
///   targets        task values: [count, target_names.size()] numbers; task labels: the same, 1 where the label holds, else 0
///   weights        empty, or [count]: how much a sample counts in training
///   groups         empty, or [count]: samples of one number stay on one side of every split
struct Dataset {
  std::string name;
  Shape shape;  ///< of one sample: {channels, height, width} or {features}
  std::int64_t count = 0;
  std::vector<std::uint8_t> bytes;
  std::vector<float> floats;
  std::shared_ptr<const MappedSamples> mapped;  ///< large IDX and NPY files; copies share it
  std::vector<std::int32_t> rows;               ///< mapped: [count], which sample of the file each one is; empty = all in order
  std::vector<std::int32_t> labels;
  std::vector<std::string> class_names;
  Task task = Task::classes;
  std::vector<float> targets;
  std::vector<std::string> target_names;
  std::vector<float> weights;
  std::vector<std::int32_t> groups;
  std::vector<Column> columns;     ///< tables only: one per feature
  std::string label_name;          ///< tables only: the label column's name, when there is one
  std::vector<std::string> notes;  ///< what the reader decided or left out, a line each, for a person to read

  [[nodiscard]] std::int64_t sample_size() const { return elements(shape); }
  [[nodiscard]] bool is_image() const { return shape.size() == 3; }
  /// Whether samples are bytes, here or in a file.
  [[nodiscard]] bool has_bytes() const;
  /// Sample i as it lies; wants has_bytes(). Valid until this data set is changed.
  [[nodiscard]] const std::uint8_t* bytes_at(std::int64_t i) const noexcept;
  /// Sample i as sample_size() floats, whatever it is stored as.
  void copy_floats(std::int64_t i, float* to) const noexcept;
  /// Fails when the file that samples stay in was written to after it was opened.
  [[nodiscard]] Result<void> unchanged() const;
};

/// The same data with every sample in memory.
[[nodiscard]] Dataset in_memory(Dataset dataset);

/// What a data set is known by, part by part, for a person and for equality.
struct DataFingerprint {
  std::string count, shape, names, hash;  ///< "150 samples", "4", "label variety: setosa, …; columns: …", 16 hexadecimal digits
  bool operator==(const DataFingerprint&) const = default;
};
[[nodiscard]] DataFingerprint fingerprint(const Dataset& dataset);

/// How to read a source whose form leaves a choice.
struct DataOptions {
  /// CSV: label column by name or 0-based index (negative from the end). "" = the one called label, class, target or y, else the
  /// last.
  std::string label;
  std::vector<std::string> labels;       ///< CSV: several target columns instead, numbers or 0 and 1
  std::optional<Task> task;              ///< unset = classes or values, as the labels look; labels where several hold 0 and 1
  std::string weights, group;            ///< CSV: columns of sample weights and of groups
  bool dates = false;                    ///< CSV: columns of dates become year, month, weekday and hour
  Shape size;                            ///< pictures: [height, width] they are brought to; empty = the commonest
  std::string color;                     ///< pictures: "gray" or "rgb"; "" = gray when all are
  std::string fit = "stretch";           ///< pictures of another shape: "pad", "crop" or "stretch"
  bool skip_bad = false;                 ///< pictures: damaged ones are counted and left out instead of refused
  bool transpose = false;                ///< IDX and NPY images: height and width change places
  std::optional<bool> header;            ///< CSV: first line is a header; unset = decided from its cells
  bool labelled = true;                  ///< false: every column is an input (predict)
  std::vector<std::string> class_names;  ///< when filled: the only classes allowed, in this order
  std::vector<Column> columns;           ///< when filled: the columns wanted, with their categories
  std::vector<std::string> only;         ///< CSV: when filled, the only columns read as inputs
  std::vector<std::string> ignore;       ///< CSV: columns that are not read
  std::string delimiter;                 ///< CSV: one character, "tab" or "space"; "" = found from the first lines
  std::string decimal;                   ///< CSV: "." or ","; "" = found from the first lines
  std::string encoding;                  ///< CSV: "utf-8", "utf-16" or "latin-1"; "" = found from the bytes
  std::vector<std::string> missing;      ///< CSV: words for a cell without a value, besides an empty one, NA, NaN, null, ?, -
  bool missing_cells = true;             ///< false: a cell without a value is an error with its place
  Shape image_shape;                     ///< when filled: images are converted to these channels, height, width
  Shape row_shape;                       ///< when filled: rows of as many numbers are images of these channels, height, width
  std::int64_t count = 0;                ///< generator: number of samples; 0 = its default
  std::uint64_t seed = 1;                ///< generator
};

/// One data set from a name ("mnist", "mnist:test", "iris", "digits", "digits:test") or a path: an IDX image file (its label
/// file is found beside it), a directory with the four MNIST files, a CSV, an NPY (labels beside it as NAME.labels.npy), an NPZ
/// (its training part; FILE.npz:test is another) or a folder with one sub-folder of PNG/JPEG per class (a folder with train/ and
/// test/ is its train/). Names are looked for in the directories of $SOMA_DATA (colon-separated),
/// ~/.cache/soma, and /usr/share. Fails with one line that names file, place, what was wanted and what was there.
[[nodiscard]] Result<Dataset> load_dataset(std::string_view source, const DataOptions& options = {});

/// The held-out part that lies beside a source of training data: DIR/test (or DIR/val) of a folder that holds train/ as well,
/// FILE.npz:test (or :val) of an archive that holds x_train as well; nothing where there is none.
[[nodiscard]] Result<std::optional<std::string>> test_part_of(std::string_view source);

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

/// Writes a data set as CSV that load_dataset reads back: a header, classes and words by their names, what is missing as empty
/// cells. The label comes first and is called "label" (batch files read that), or last where a table has a name of its own for
/// it.
[[nodiscard]] Result<void> write_csv(const Dataset& dataset, const std::filesystem::path& file);

/// A table of whole numbers from 0 to 255 as gray images: square where the number of features is a square, else one row high.
/// Images stay as they are.
[[nodiscard]] Result<Dataset> as_images(const Dataset& table);

/// How a split is made besides by chance.
struct SplitOptions {
  bool shuffle = true;  ///< false: the last samples go to the second part
};

/// Samples [0, count) split in two by a seeded shuffle that keeps the class proportions; `fraction` goes to the second. Samples
/// of one group stay together.
struct Split {
  Dataset first, second;
};
[[nodiscard]] Result<Split> split_dataset(const Dataset& dataset, double fraction, std::uint64_t seed,
                                          const SplitOptions& options = {});

// ---------------------------------------------------------------------------------------------- preprocessing

enum class PreprocessKind {
  divide,            ///< x / by
  standardise,       ///< (x − mean) / deviation, fitted
  min_max,           ///< (x − min) / (max − min), fitted: the training split maps onto [0, 1]
  mean_subtraction,  ///< x − mean, fitted
  midrange,          ///< x − (max + min)/2 of the sample itself
  proportional,      ///< x / max of the sample itself (unchanged where that is 0)
  one_hot,           ///< each column with categories becomes as many columns of 0 and 1
  impute,            ///< a missing value becomes one number per feature, fitted; with `indicator` a column of 0 and 1 tells where
  ordinal,           ///< columns with categories stay the numbers of their words
  robust,            ///< z/√(1 + (z/3)²) with z = (x − median) / (quartile 3 − quartile 1), fitted: outliers end at ±3
  date,              ///< what DataOptions::dates does while reading
};

/// One step as a config asks for it. date, impute, one_hot and ordinal come before all others. `per_feature` fits one number per
/// feature instead of one per channel; unset means per feature for tables, per channel for images.
struct PreprocessSpec {
  PreprocessKind kind = PreprocessKind::divide;
  double by = 255;
  std::optional<bool> per_feature;
  std::string with =
      "median";            ///< impute: "median", "mean", "most_frequent" or a number; columns of words take the most frequent
  bool indicator = false;  ///< impute
  bool operator==(const PreprocessSpec&) const = default;
};

/// One fitted step. Affine kinds are y = (x − offset) / divisor with one number for all, one per channel, or one per
/// feature (channels-last order), and so are those of `robust` before its bend; `one_hot` keeps the category count of each column
/// (0 = a plain number); `impute` keeps what it fills in, one number per feature, and the features that get an indicator, whose
/// columns follow all others.
struct PreprocessStep {
  PreprocessKind kind = PreprocessKind::divide;
  std::vector<float> offset, divisor;
  std::vector<std::int32_t> categories;
  std::vector<float> fill = {};
  std::vector<std::int32_t> indicators = {};
  bool operator==(const PreprocessStep&) const = default;
};

/// The fitted steps that turn a raw sample into what the network sees; travels inside the model.
struct Preprocess {
  std::vector<PreprocessStep> steps;
  bool operator==(const Preprocess&) const = default;
};

/// Fits the steps on `train`, each on the output of those before. A feature without spread gets divisor 1.
[[nodiscard]] Result<Preprocess> fit_preprocess(std::span<const PreprocessSpec> steps, const Dataset& train);

/// The shape after all steps (one_hot and indicators widen a table).
[[nodiscard]] Shape preprocessed_shape(const Preprocess& preprocess, const Shape& raw);

// ---------------------------------------------------------------------------------------------- batches

/// Random distortion of training images, drawn anew each epoch. Everything 0 = off.
struct Augment {
  double shift = 0;                               ///< up to this many pixels in x and y
  double rotate = 0;                              ///< up to this many degrees
  double scale = 0;                               ///< factor in [1 − scale, 1 + scale]
  double elastic = 0;                             ///< largest displacement of the elastic field, pixels
  double flip_horizontal = 0, flip_vertical = 0;  ///< probability
  double crop = 0;                                ///< padded by so many pixels of its border, then cut back at a random place
  double brightness = 0;                          ///< added: up to this share of the range, 255 for bytes and 1 for floats
  double contrast = 0;                            ///< factor in [1 − contrast, 1 + contrast] about the picture's mean
  double noise = 0;                               ///< deviation of normal noise, share of the range
  bool operator==(const Augment&) const = default;
};

/// Where Batches::fill leaves what is to be said of its rows. Null is not filled.
struct TargetRows {
  std::int32_t* labels = nullptr;  ///< [rows]
  float* values = nullptr;         ///< [rows, target_names.size()]: Dataset::targets
  float* weights = nullptr;        ///< [rows]: 1 where the data set has none
};

/// A data set as rows of floats ready for the network, in the order of an epoch.
/// The row at position p of epoch e is a pure function of (data, preprocess, augment, seed, e, p).
class Batches {
 public:
  /// Borrows `dataset`, which must outlive this. With shuffle == false the order is that of the data, without augmentation.
  /// Images of floats that are mapped are not distorted: in_memory first.
  Batches(const Dataset& dataset, Preprocess preprocess, Augment augment, std::uint64_t seed, bool shuffle);

  [[nodiscard]] std::int64_t count() const;     ///< samples in an epoch
  [[nodiscard]] std::int64_t row_size() const;  ///< floats in one row, after preprocessing

  /// Draws the order of epoch `epoch` (0-based). Allocates nothing.
  void begin_epoch(std::int64_t epoch);

  /// Rows [first, first + rows) of the epoch: x [rows, row_size] channels last, labels [rows] or null.
  /// Safe from several threads at once; allocates nothing.
  void fill(std::int64_t first, std::int64_t rows, float* x, std::int32_t* labels) const noexcept {
    fill(first, rows, x, TargetRows{.labels = labels});
  }
  void fill(std::int64_t first, std::int64_t rows, float* x, const TargetRows& targets) const noexcept;

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
