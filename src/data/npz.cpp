// an NPZ archive → Dataset: arrays found by their names.
#include "data/npz.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>
#include <vector>

#include "core/text.h"
#include "data/arrays.h"
#include "data/gzip.h"
#include "data/zip.h"
#include "soma/file.h"

namespace soma {
namespace {

using Words = std::pair<std::string_view, std::string_view>;  // a word in a name → what it means

constexpr std::array kParts = {Words{"train", "train"}, Words{"training", "train"}, Words{"tr", "train"},
                               Words{"test", "test"},   Words{"te", "test"},        Words{"val", "val"},
                               Words{"valid", "val"},   Words{"validation", "val"}, Words{"dev", "val"}};
constexpr std::array kRoles = {Words{"x", "x"},       Words{"images", "x"},   Words{"image", "x"},   Words{"imgs", "x"},
                               Words{"data", "x"},    Words{"features", "x"}, Words{"inputs", "x"},  Words{"samples", "x"},
                               Words{"signals", "x"}, Words{"y", "y"},        Words{"labels", "y"},  Words{"label", "y"},
                               Words{"targets", "y"}, Words{"target", "y"},   Words{"classes", "y"}, Words{"outputs", "y"}};

template <std::size_t size>
std::string_view meaning(const std::array<Words, size>& words, std::string_view word) {
  const auto found = std::find_if(words.begin(), words.end(), [&](const Words& each) { return each.first == word; });
  return found == words.end() ? std::string_view() : found->second;
}

/// What the name of an array says it is: "x_train" → {"train", "x"}; an empty role for a name that says nothing.
struct Meant {
  std::string_view part, role;
};

Meant meant_by(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  // numpy.savez(file, samples, labels) names nothing.
  if (name == "arr_0") return {"", "x"};
  if (name == "arr_1") return {"", "y"};
  if (name.size() > 2 && !meaning(kParts, std::string_view(name).substr(1)).empty()) name.insert(1, "_");  // xtrain
  Meant meant;
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t end = std::min(rest.find_first_of("_-. "), rest.size());
    const std::string_view part = meaning(kParts, rest.substr(0, end)), role = meaning(kRoles, rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if ((part.empty() && role.empty()) || (!part.empty() && !meant.part.empty()) || (!role.empty() && !meant.role.empty()))
      return {};
    meant.part = part.empty() ? meant.part : part;
    meant.role = role.empty() ? meant.role : role;
  }
  return meant;
}

/// The arrays of an archive by their names, without ".npy".
struct Archive {
  std::vector<ZipMember> arrays;

  [[nodiscard]] const ZipMember* find(std::string_view part, std::string_view role) const {
    for (const ZipMember& array : arrays) {
      const Meant meant = meant_by(array.name);
      if (meant.role == role && meant.part == part) return &array;
    }
    return nullptr;
  }
  [[nodiscard]] std::string names() const {
    std::string text;
    for (const ZipMember& array : arrays) text += (text.empty() ? "" : ", ") + one_line(array.name, 40);
    return text.empty() ? "none" : one_line(text, 200);
  }
};

Result<Archive> open(std::string_view bytes, std::string_view origin) {
  Result<std::vector<ZipMember>> members = parse_zip(bytes, origin);
  if (!members) return members.error();
  Archive archive;
  for (ZipMember& member : *members) {
    if (!member.name.ends_with(".npy")) continue;
    member.name.resize(member.name.size() - 4);
    archive.arrays.push_back(std::move(member));
  }
  return archive;
}

Result<NpyArray> array_of(const ZipMember& member, const std::string& origin, bool labels) {
  const Result<std::string> bytes = unpack(member, origin, kUnpackedLimit);
  if (!bytes) return bytes.error();
  return parse_npy(*bytes, fmt::format("{}: {}", origin, one_line(member.name, 40)), labels);
}

/// A line about the arrays that were not read.
std::string left_out(const Archive& archive, const ZipMember* samples, const ZipMember* labels) {
  std::string text;
  for (const ZipMember& array : archive.arrays)
    if (&array != samples && &array != labels) text += (text.empty() ? "" : ", ") + one_line(array.name, 40);
  return text;
}

}  // namespace

Result<Dataset> load_npz(const std::filesystem::path& file, std::string_view bytes, const DataOptions& options,
                         std::string_view part) {
  const std::string origin = file.string();
  const auto wrong = [&](std::string_view message) { return Error{Error::Kind::data, fmt::format("{}: {}", origin, message)}; };
  const Result<Archive> archive = open(bytes, origin);
  if (!archive) return archive.error();
  if (part.empty() && archive->find("train", "x") != nullptr) part = "train";
  const ZipMember *samples = archive->find(part, "x"), *labels = archive->find(part, "y");
  const std::string suffix = part.empty() ? "" : fmt::format("_{}", part);
  if (samples == nullptr || (labels == nullptr && options.task != Task::reconstruct))
    return wrong(
        fmt::format("wanted arrays called x{0} and y{0} (or images{0} and labels{0}, data{0} and target{0}), got {1}; try "
                    "numpy.savez(FILE, x{0}=…, y{0}=…)",
                    suffix, archive->names()));
  Result<NpyArray> values = array_of(*samples, origin, false);
  if (!values) return values.error();
  Result<Dataset> dataset = dataset_of(std::move(*values), fmt::format("{}: {}", origin, samples->name), options);
  if (!dataset) return dataset;
  dataset->name = file.filename().string();
  std::string note = fmt::format("read: {}", samples->name);
  if (labels != nullptr) {
    Result<NpyArray> targets = array_of(*labels, origin, true);
    if (!targets) return targets.error();
    const auto set = set_targets(*dataset, std::move(*targets), fmt::format("{}: {}", origin, labels->name), options,
                                 !options.class_names.empty() ? options.class_names : options.labels);
    if (!set) return set.error();
    note += fmt::format(" and {}", labels->name);
  }
  if (const std::string others = left_out(*archive, samples, labels); !others.empty())
    note += fmt::format("; beside them in the archive: {}", others);
  dataset->notes.push_back(std::move(note));
  return dataset;
}

std::optional<NpzPart> npz_part(std::string_view source) {
  const std::size_t colon = source.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view part = meaning(kParts, source.substr(colon + 1));
  const std::filesystem::path file = source.substr(0, colon);
  const auto there = is_file(file);
  if (part.empty() || !there || !*there || file.extension() != ".npz") return std::nullopt;
  return NpzPart{file, std::string(part)};
}

Result<std::string> held_out_part(const std::filesystem::path& file) {
  const Result<std::string> bytes = read_plain_or_gzip(file);
  if (!bytes) return bytes.error();
  const Result<Archive> archive = open(*bytes, file.string());
  if (!archive) return archive.error();
  for (const char* part : {"test", "val"})
    if (archive->find("train", "x") != nullptr && archive->find(part, "x") != nullptr) return std::string(part);
  return std::string();
}

}  // namespace soma
