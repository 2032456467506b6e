// sections, symbols, types → the bytes of a relocatable ELF object with BTF, as clang would have written them.
#pragma once

#include <elf.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace soma::bpf {

using Bytes = std::vector<std::uint8_t>;

template <class T>
void append(Bytes& to, const T& value) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
  to.insert(to.end(), bytes, bytes + sizeof(value));
}
inline void append(Bytes& to, const Bytes& from) { to.insert(to.end(), from.begin(), from.end()); }

/// Names one behind the other, each ended by a 0; the first is "".
class Strings {
 public:
  std::uint32_t at(std::string_view name) {
    const auto place = static_cast<std::uint32_t>(bytes_.size());
    bytes_.insert(bytes_.end(), name.begin(), name.end());
    bytes_.push_back(0);
    return place;
  }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_ = {0};
};

/// Types of linux/btf.h (Documentation/bpf/btf.rst), numbered from 1.
class Types {
 public:
  enum Kind : std::uint32_t {
    kInt = 1,
    kPointer = 2,
    kArrayOf = 3,
    kStruct = 4,
    kFunction = 12,
    kPrototype = 13,
    kVariable = 14,
    kSection = 15
  };

  std::uint32_t integer(std::string_view name, std::uint32_t bytes, bool negative) {
    return add(name, kInt, 0, bytes, {(negative ? 1U << 24 : 0) | bytes * 8});
  }
  std::uint32_t pointer(std::uint32_t to) { return add("", kPointer, 0, to, {}); }
  std::uint32_t array(std::uint32_t of, std::uint32_t index, std::int64_t count) {
    return add("", kArrayOf, 0, 0, {of, index, static_cast<std::uint32_t>(count)});
  }
  struct Member {
    const char* name;
    std::uint32_t type;
    std::int64_t at;
  };
  std::uint32_t structure(std::string_view name, std::int64_t size, const std::vector<Member>& members) {
    const std::uint32_t id = add(name, kStruct, static_cast<std::uint32_t>(members.size()), static_cast<std::uint32_t>(size), {});
    for (const Member& each : members)
      for (const std::uint32_t word : {names_.at(each.name), each.type, static_cast<std::uint32_t>(8 * each.at)})
        append(types_, word);
    return id;
  }
  /// A map as libbpf reads it: struct { int (*type)[2]; … } NAME SEC(".maps").
  struct Number {
    const char* name;
    std::int64_t value;
  };
  std::uint32_t map(std::string_view name, std::uint32_t whole, std::uint32_t index, std::initializer_list<Number> numbers) {
    std::vector<Member> members;
    for (const Number& each : numbers)
      members.push_back({each.name, pointer(array(whole, index, each.value)), static_cast<std::int64_t>(8 * members.size())});
    return variable(name, structure("", static_cast<std::int64_t>(8 * members.size()), members), true);
  }
  std::uint32_t prototype(std::uint32_t result, std::uint32_t argument) {
    return add("", kPrototype, 1, result, {names_.at("arguments"), argument});
  }
  std::uint32_t function(std::string_view name, std::uint32_t prototype) { return add(name, kFunction, 1, prototype, {}); }
  std::uint32_t variable(std::string_view name, std::uint32_t type, bool global = false) {
    return add(name, kVariable, 0, type, {global ? 1U : 0U});
  }
  struct Placed {
    std::uint32_t variable, at, bytes;
  };
  void section(std::string_view name, std::uint32_t bytes, const std::vector<Placed>& variables) {
    add(name, kSection, static_cast<std::uint32_t>(variables.size()), bytes, {});
    for (const auto& [variable, at, size] : variables)
      for (const std::uint32_t word : {variable, at, size}) append(types_, word);
  }

  std::uint32_t name(std::string_view name) { return names_.at(name); }
  [[nodiscard]] Bytes bytes() const {
    Bytes all;
    header(all, {0, static_cast<std::uint32_t>(types_.size()), static_cast<std::uint32_t>(types_.size()),
                 static_cast<std::uint32_t>(names_.bytes().size())});
    append(all, types_);
    append(all, names_.bytes());
    return all;
  }
  /// Of .BTF and of .BTF.ext: where two tables behind it begin, and how long they are.
  static void header(Bytes& to, std::initializer_list<std::uint32_t> tables) {
    append(to, std::uint16_t{0xeb9f});
    append(to, std::uint16_t{1});  // version, no flags
    append(to, static_cast<std::uint32_t>(8 + 4 * tables.size()));
    for (const std::uint32_t each : tables) append(to, each);
  }

 private:
  std::uint32_t add(std::string_view name, Kind kind, std::uint32_t count, std::uint32_t size_or_type,
                    std::initializer_list<std::uint32_t> more) {
    append(types_, name.empty() ? 0U : names_.at(name));
    append(types_, count | kind << 24);
    append(types_, size_or_type);
    for (const std::uint32_t word : more) append(types_, word);
    return ++count_;
  }
  Strings names_;
  Bytes types_;
  std::uint32_t count_ = 0;
};

/// Sections, and symbols in them; local symbols come first.
class Relocatable {
 public:
  Relocatable() { symbol("", STB_LOCAL, STT_NOTYPE, 0, 0, 0); }

  std::uint16_t section(std::string_view name, std::uint32_t type, std::uint64_t flags, Bytes contents);
  std::uint32_t symbol(std::string_view name, int binding, int type, std::uint16_t section, std::uint64_t at,
                       std::uint64_t bytes);
  /// An instruction of `section` loads the address of a symbol.
  void relocate(std::uint16_t section, std::uint64_t at, std::uint32_t symbol);
  [[nodiscard]] Bytes bytes() &&;

 private:
  struct Section {
    Elf64_Shdr head;
    Bytes contents, relocations;
    std::string name;
  };
  Strings names_;
  std::vector<Section> sections_ = std::vector<Section>(1);
  Bytes symbols_;
  std::uint32_t count_ = 0, locals_ = 0;
};

}  // namespace soma::bpf
