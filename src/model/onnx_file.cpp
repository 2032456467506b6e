// an ONNX file, and those that hold its arrays → its message in memory, whole. Trusts nothing.
#include "model/onnx_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <string>
#include <system_error>

#include "core/file.h"
#include "core/text.h"
#include "model/onnx.h"
#include "model/seal.h"

namespace soma {
namespace {

constexpr std::size_t kMostBytes = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t kMostExternalBytes = std::uint64_t{1} << 32;  // of all arrays in other files
constexpr int kDeepestMessage = 64;
constexpr int kMostNodes = 10'000;

/// A descriptor that is closed at the end of the scope.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

/// Where an array lies in another file.
struct Place {
  std::string location;
  std::uint64_t offset = 0, length = 0;
  bool has_length = false;
};

bool parse_number(const std::string& text, std::uint64_t& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && end == text.data() + text.size();
}

/// Fetches the arrays of a graph, its subgraphs among them, from the files beneath one directory.
class Fetcher {
 public:
  Fetcher(std::filesystem::path directory, std::string who) : directory_(std::move(directory)), who_(std::move(who)) {}

  Result<void> graph(onnx::GraphProto& graph) {
    for (onnx::TensorProto& array : *graph.mutable_initializer())
      if (const auto done = fetch(array); !done) return done;
    for (onnx::NodeProto& node : *graph.mutable_node())
      for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
        if (attribute.has_t())
          if (const auto done = fetch(*attribute.mutable_t()); !done) return done;
        if (attribute.has_g())
          if (const auto done = this->graph(*attribute.mutable_g()); !done) return done;
      }
    return {};
  }

 private:
  Error wrong(const onnx::TensorProto& array, std::string_view what) const {
    return {Error::Kind::data, one_line(fmt::format("{}: array '{}' {}", who_, array.name(), what))};
  }

  Result<void> fetch(onnx::TensorProto& array) {
    if (array.data_location() != onnx::TensorProto::EXTERNAL) return {};
    Place place;
    for (const auto& entry : array.external_data()) {
      bool fits = true;
      if (entry.key() == "location") place.location = entry.value();
      if (entry.key() == "offset") fits = parse_number(entry.value(), place.offset);
      if (entry.key() == "length") fits = place.has_length = parse_number(entry.value(), place.length);
      if (!fits) return wrong(array, fmt::format("has the {} '{}', wanted a number", entry.key(), entry.value()));
    }
    return read(array, place);
  }

  Result<void> read(onnx::TensorProto& array, const Place& place) {
    const auto inside = [&] {
      return fmt::format("lies in '{}', wanted a regular file beneath the model's directory", place.location);
    };
    const std::filesystem::path location(place.location);
    if (place.location.empty() || location.is_absolute() || place.location.find('\0') != std::string::npos)
      return wrong(array, inside());
    for (const auto& part : location)
      if (part == "..") return wrong(array, inside());
    const std::filesystem::path directory = directory_.empty() ? "." : directory_;
    const Descriptor root(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const Descriptor file(static_cast<int>(::syscall(SYS_openat2, root.number(), location.c_str(), &how, sizeof how)));
    struct stat facts {};
    if (file.number() < 0 || ::fstat(file.number(), &facts) != 0)
      return wrong(array, fmt::format("{}: {}", inside(), std::generic_category().message(errno)));
    if (!S_ISREG(facts.st_mode) || facts.st_nlink != 1) return wrong(array, inside() + " of one name");
    const auto size = static_cast<std::uint64_t>(facts.st_size);
    const std::uint64_t length = place.has_length ? place.length : size - std::min(place.offset, size);
    if (place.offset > size || length > size - place.offset)
      return wrong(array, fmt::format("wanted bytes {} to {} of '{}', got {} in all", place.offset,
                                      place.offset + std::min(length, ~place.offset), place.location, size));
    fetched_ += length;
    if (fetched_ > kMostExternalBytes)
      return wrong(array, fmt::format("wanted at most {} bytes in other files, got more", kMostExternalBytes));
    std::string& bytes = *array.mutable_raw_data();
    bytes.resize(length);
    for (std::uint64_t done = 0; done < length;) {
      const ssize_t got = ::pread(file.number(), bytes.data() + done, length - done, static_cast<off_t>(place.offset + done));
      if (got <= 0) return wrong(array, fmt::format("cannot be read from '{}'", place.location));
      done += static_cast<std::uint64_t>(got);
    }
    array.clear_external_data();
    array.set_data_location(onnx::TensorProto::DEFAULT);
    return {};
  }

  std::filesystem::path directory_;
  std::string who_;
  std::uint64_t fetched_ = 0;
};

constexpr std::string_view kUnsealedVersion = "0.1.0";

/// A file without soma's words is read by its operators, as any other program's is: whoever dropped the words wrote all of it
/// again.
bool by_soma(const onnx::ModelProto& proto) {
  const auto& words = proto.metadata_props();
  return std::any_of(words.begin(), words.end(), [](const auto& word) { return word.key().starts_with("soma."); });
}

Result<void> parse_message(std::string_view bytes, std::string_view who, onnx::ModelProto& model) {
  const auto wrong = [&](std::string_view what) { return Error{Error::Kind::data, fmt::format("{}: {}", who, one_line(what))}; };
  if (bytes.size() > kMostBytes) return wrong(fmt::format("wanted at most {} bytes, got {}", kMostBytes, bytes.size()));
  const google::protobuf::LogSilencer silence;  // the library never prints
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  in.SetRecursionLimit(kDeepestMessage);
  if (!model.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage() || !model.has_graph() || !model.has_ir_version())
    return wrong("wanted an ONNX model, got other or damaged bytes; try another file");
  if (model.ir_version() < kOldestIr || model.ir_version() > kNewestIr)
    return wrong(fmt::format("wanted ONNX IR version {} to {}, got {}; try exporting with opset {}", kOldestIr, kNewestIr,
                             model.ir_version(), kOpset));
  if (model.graph().node_size() > kMostNodes)
    return wrong(fmt::format("wanted at most {} operators, got {}; try a smaller model", kMostNodes, model.graph().node_size()));
  return {};
}

}  // namespace

Result<void> parse_model(std::string_view bytes, std::string_view who, Changed changed, onnx::ModelProto& model) {
  const auto seal = onnx_seal(bytes);
  if (seal && changed == Changed::refuse)
    if (const auto holds = hold_seal(bytes, *seal, who); !holds) return holds;
  if (const auto parsed = parse_message(bytes, who, model); !parsed) return parsed;
  const bool needs_seal = by_soma(model) && model.producer_version() != kUnsealedVersion;
  if (!seal && needs_seal && changed == Changed::refuse) return seal_is_gone(who);
  return {};
}

Result<void> read_model(const std::filesystem::path& file, Changed changed, onnx::ModelProto& model) {
  {
    const auto bytes = read_file(file, kMostBytes);
    if (!bytes) return bytes.error();
    if (const auto parsed = parse_model(*bytes, file.string(), changed, model); !parsed) return parsed;
  }
  return Fetcher(file.parent_path(), file.string()).graph(*model.mutable_graph());
}

}  // namespace soma
