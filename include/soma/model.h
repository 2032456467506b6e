// network + parameters + preprocessing + class names → Model, to and from an ONNX file; Model → answers on raw samples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "soma/config.h"
#include "soma/dataset.h"
#include "soma/error.h"
#include "soma/file.h"
#include "soma/network.h"

namespace soma {

/// Bytes that stand for real numbers: real = scale · (q − zero), 0 ≤ q ≤ 255. 0 is always among them.
struct ByteRange {
  float scale = 1;
  std::int32_t zero = 0;
  bool operator==(const ByteRange&) const = default;
};

/// How one linear or conv2d layer is computed in 8 bits. Output c's weights are weight_scales[c] · q with −127 ≤ q ≤ 127, its
/// bias is input.scale · weight_scales[c] · q with q in 32 bits.
struct QuantizedLayer {
  std::string node;
  ByteRange input;                   ///< what it reads
  std::vector<float> weight_scales;  ///< one per output
  bool operator==(const QuantizedLayer&) const = default;
};

/// Every linear and conv2d layer, in network order. The last one leaves real numbers. docs/quantization.md has the arithmetic.
struct Quantization {
  std::vector<QuantizedLayer> layers;
  bool operator==(const Quantization&) const = default;
};

/// A trained network and everything needed to use it on raw input. Plain data.
struct Model {
  std::string name;
  Shape input;  ///< of one raw sample, before preprocessing
  Preprocess preprocess;
  NetworkSpec network;  ///< resolved: every node named, every size filled in
  std::vector<Tensor> parameters;
  std::vector<std::string> class_names;
  Task task = Task::classes;
  std::vector<std::string> target_names;  ///< of values or labels, one per output
  LossConfig loss;                        ///< tells how outputs are read: logits, log-probabilities, values near codes
  std::vector<Column> columns;            ///< tables only
  std::string label_name;                 ///< tables only
  std::string fit = "stretch";  ///< pictures only: how those of another shape are brought to `input`, as DataOptions has it
  /// Set: the parameters are on the grid it describes, and the model is computed in 8 bits wherever it is used.
  std::optional<Quantization> quantization;
};

/// The same model for 8 bits: batch norm folded into the layer before it, weights rounded per output, activations per layer by
/// the smallest and largest value that at most 4096 evenly spaced samples of `calibration` give. Fails on a layer that has no
/// form in 8 bits, naming it, and on samples that are not the model's.
[[nodiscard]] Result<Model> quantize(const Model& model, const Dataset& calibration);

/// Writes opset 17, atomically. The graph's input "input" is the raw sample as float [batch, c, h, w] or [batch, features];
/// preprocessing is part of the graph; class names and the rest travel as metadata. The same model gives the same bytes.
[[nodiscard]] Result<void> write_onnx(const Model& model, const std::filesystem::path& file);

/// Reads back what write_onnx wrote; other ONNX files as far as their operators are soma's layers.
[[nodiscard]] Result<Model> read_onnx(const std::filesystem::path& file, Changed changed = Changed::refuse);

/// What a file's seal says of it: as soma wrote it; or there is none, since another program wrote it or soma 0.1.0.
enum class Seal { whole, none };
/// Of an ONNX or safetensors file. Fails on a file of soma's that has been changed, and on one that is neither.
[[nodiscard]] Result<Seal> check_seal(const std::filesystem::path& file);

/// What a model says of one sample.
struct Prediction {
  std::int32_t label = 0;  ///< task classes: index into class_names
  std::vector<float>
      probabilities;  ///< one per class or label (which holds from 0.5 on), or the outputs as they are: gives_probabilities()
  std::vector<float> values;  ///< task values: one per target, in its own unit
  double score = 0;           ///< task reconstruct: mean square of what is off, after preprocessing
};

/// A sample the model was wrong about.
struct Mistake {
  std::int64_t sample = 0;            ///< position in the data set
  std::int32_t label = 0, given = 0;  ///< its class, and the model's answer
  double probability = 0;             ///< of the answer, as in Prediction
  double loss = 0;
};

/// A figure by the name it has in JSON: accuracy balanced_accuracy macro_f1 log_loss roc_auc average_precision calibration_error,
/// mae rmse r2 pinball. docs/training.md has the formulas.
struct Metric {
  std::string name;
  double value = 0;
};

/// The metrics of one label, or of one value among several.
struct LabelMetrics {
  std::string label;
  std::vector<Metric> metrics;
};

/// What a model is worth on a data set with known targets.
struct Evaluation {
  std::int64_t samples = 0;
  double accuracy = 0, loss = 0;  ///< accuracy: of classes or labels; NaN for other tasks
  std::vector<Metric> metrics;    ///< those of the task; one that the data leave undefined is not there
  std::vector<LabelMetrics> per_label;
  std::vector<std::vector<std::int64_t>> confusion;  ///< [true class][predicted class]
  std::vector<Mistake> worst;                        ///< largest loss first, as many as were asked for
};

/// A model compiled for answers. One thread may call it at a time.
class Predictor {
 public:
  [[nodiscard]] static Result<Predictor> create(const Model& model, const NetworkOptions& options = {});
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;
  ~Predictor();

  [[nodiscard]] const Model& model() const;

  /// Network outputs y [samples.count, output_size] for raw samples. Fails when the sample shape is not the model's.
  [[nodiscard]] Result<std::vector<float>> outputs(const Dataset& samples);
  [[nodiscard]] Result<std::vector<Prediction>> predict(const Dataset& samples);
  /// `worst`: how many of the mistakes to list.
  [[nodiscard]] Result<Evaluation> evaluate(const Dataset& labelled, std::size_t worst = 0);

 private:
  struct State;
  explicit Predictor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// What load_dataset and load_samples need to read data as this model wants it: image shape, columns, class names, label.
[[nodiscard]] DataOptions data_options(const Model& model);

/// Whether what a prediction says of each class is a probability: no with codes, and with the quadratic loss only behind a
/// softmax.
[[nodiscard]] bool gives_probabilities(const LossConfig& loss, const NetworkSpec& network);

/// One output row → class and probabilities, as the loss defines it (softmax of logits, exp of log-probabilities, nearest code).
void read_output(const LossConfig& loss, std::span<const float> y, Prediction& prediction);

/// The same for any task: values as they are, a probability for each label. A reconstruction is left in `values`; its score wants
/// the sample as well, which Predictor has.
void read_output(const Model& model, std::span<const float> y, Prediction& prediction);

// ---------------------------------------------------------------------------------------------- safetensors

/// Named arrays and words in one safetensors file (huggingface/safetensors): u64 header length, JSON, raw little-endian data.
struct TensorFile {
  std::vector<Tensor> tensors;
  std::vector<std::pair<std::string, std::string>> metadata;  ///< but what belongs to the seal
};

/// Atomic: temporary file, fsync, rename, fsync of the directory. Sealed.
[[nodiscard]] Result<void> write_safetensors(const TensorFile& contents, const std::filesystem::path& file);

/// Checks every length and offset before it is used; no holes, no overlaps, no trailing bytes. F64, F16,
/// BF16, whole numbers and BOOL become floats; a whole number that is none exactly is refused.
[[nodiscard]] Result<TensorFile> read_safetensors(const std::filesystem::path& file, Changed changed = Changed::refuse);

}  // namespace soma
