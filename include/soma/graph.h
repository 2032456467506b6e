// an ONNX file of any operators + typed arrays → its outputs: what runs where a model is no list of layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "soma/dataset.h"
#include "soma/error.h"
#include "soma/file.h"
#include "soma/model.h"
#include "soma/reading.h"
#include "soma/tensor.h"

namespace soma {

/// What the elements of an array are. `string` is text in UTF-8.
enum class ElementType : std::uint8_t { f32, f64, f16, bf16, i8, i16, i32, i64, u8, u16, u32, u64, boolean, string };

/// "float32", "int8", "bool", "string".
[[nodiscard]] std::string_view to_string(ElementType type);

/// An array of any rank in row order. `bytes` holds the elements, little-endian, for every type but string; `strings` holds
/// those.
struct TypedArray {
  ElementType type = ElementType::f32;
  Shape extents;
  std::vector<std::byte> bytes;
  std::vector<std::string> strings;
};

/// An input or output of a graph as its file declares it.
struct GraphPort {
  std::string name;
  ElementType type = ElementType::f32;
  bool ranked = false;  ///< whether the file says how many extents there are
  Shape extents;        ///< −1 where the file leaves one free
};

struct GraphOptions {
  bool lower = true;  ///< stretches of it that are layers are computed as networks are; else every operator by itself
  int threads = 1;    ///< of those networks; 0 = all cores this process may use
  std::size_t most_bytes = std::size_t{1} << 33;  ///< of what lies between inputs and outputs; a run that wants more fails
};

/// A graph of ONNX operators, executed as the file says, without being turned into layers. One thread may call it at a time.
class Graph {
 public:
  /// Reads the file and whatever arrays lie beside it, inside its directory. Trusts nothing. Fails on operators that are not
  /// known, naming each with its version, and as read_onnx does on files of soma's that something has changed.
  [[nodiscard]] static Result<Graph> read(const std::filesystem::path& file, Changed changed = Changed::refuse,
                                          const GraphOptions& options = {});
  /// The same from memory; arrays in other files are refused. Errors begin with `who`.
  [[nodiscard]] static Result<Graph> parse(std::string_view bytes, std::string_view who, const GraphOptions& options = {});
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;
  ~Graph();

  [[nodiscard]] const std::vector<GraphPort>& inputs() const;
  [[nodiscard]] const std::vector<GraphPort>& outputs() const;
  /// The operators of the graph by name, those of other domains with theirs before it, and how often each is there.
  [[nodiscard]] std::vector<std::pair<std::string, std::int64_t>> operators() const;

  /// How many networks the last run went through.
  [[nodiscard]] std::int64_t islands() const;

  /// One array for each input, in their order → one for each output. Shapes are worked out and memory is laid out before
  /// anything runs, and kept for the next call with the same shapes. bfloat16 inputs may come as float32. Fails on arrays of
  /// other types or extents than the file declares, beyond most_bytes, and where an operator cannot do what it is asked.
  [[nodiscard]] Result<std::vector<TypedArray>> run(std::span<const TypedArray> inputs);

  /// What load_samples needs to read data as the graph's only input wants it: [batch, features], [batch, height, width],
  /// [batch, channels, height, width] or, where only the last extent can be channels, [batch, height, width, channels].
  [[nodiscard]] Result<DataOptions> data_options() const;
  /// Such samples, batch by batch → each output for all of them. Pixels go in as 0 to 255, before the steps of `reading`.
  [[nodiscard]] Result<std::vector<TypedArray>> run(const Dataset& samples, const Reading& reading = {});

  /// What the graph is worth on labelled samples, whose class names are in the order of its outputs. Of its outputs counts the
  /// first with a number for each class, else the first with one class for each sample, by its name or its place; for a data set
  /// of values the first with as many numbers. `worst`: how many of the mistakes to list.
  [[nodiscard]] Result<Evaluation> evaluate(const Dataset& known, const Reading& reading = {}, std::size_t worst = 0);

 private:
  struct State;
  explicit Graph(std::unique_ptr<State> state);
  static Result<Graph> take(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// NumPy's .npy, versions 1 to 3, as it lies: any rank and element type; text as `<U`. Trusts no length. Fortran order is turned.
[[nodiscard]] Result<TypedArray> read_array(const std::filesystem::path& file);

/// Atomically; bfloat16 as float32, which NumPy has.
[[nodiscard]] Result<void> write_array(const TypedArray& array, const std::filesystem::path& file);

}  // namespace soma
