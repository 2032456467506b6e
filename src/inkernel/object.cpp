// a function and its image → a relocatable ELF object with BTF: what clang would have written for it.
#include <elf.h>

#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

#include "inkernel/callable.h"

namespace soma::bpf {
namespace {

constexpr std::uint16_t kMachine = 247;  // EM_BPF
constexpr std::uint32_t kAddress64 = 1;  // R_BPF_64_64
constexpr std::uint16_t kBtfMagic = 0xeb9f;

using Bytes = std::vector<std::uint8_t>;

template <class T>
void append(Bytes& to, const T& value) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
  to.insert(to.end(), bytes, bytes + sizeof(value));
}
void append(Bytes& to, const Bytes& from) { to.insert(to.end(), from.begin(), from.end()); }

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
    kArray = 3,
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
    return add("", kArray, 0, 0, {of, index, static_cast<std::uint32_t>(count)});
  }
  struct Member {
    const char* name;
    std::uint32_t type;
    std::int64_t at;
  };
  std::uint32_t structure(std::string_view name, std::int64_t size, std::initializer_list<Member> members) {
    const std::uint32_t id = add(name, kStruct, static_cast<std::uint32_t>(members.size()), static_cast<std::uint32_t>(size), {});
    for (const Member& each : members)
      for (const std::uint32_t word : {names_.at(each.name), each.type, static_cast<std::uint32_t>(8 * each.at)})
        append(types_, word);
    return id;
  }
  std::uint32_t prototype(std::uint32_t result, std::uint32_t argument) {
    return add("", kPrototype, 1, result, {names_.at("arguments"), argument});
  }
  std::uint32_t function(std::string_view name, std::uint32_t prototype) { return add(name, kFunction, 1, prototype, {}); }
  std::uint32_t variable(std::string_view name, std::uint32_t type) { return add(name, kVariable, 0, type, {0}); }
  void section(std::string_view name, std::uint32_t variable, std::uint32_t bytes) {
    add(name, kSection, 1, bytes, {variable, 0, bytes});
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
    append(to, kBtfMagic);
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

struct Typed {
  Bytes types, extension;
};

Typed types_of(const Callable& callable) {
  Types types;
  const std::uint32_t word = types.integer("int", 4, true), bits = types.integer("unsigned int", 4, false),
                      wide = types.integer("unsigned long long", 8, false), byte = types.integer("unsigned char", 1, false),
                      half = types.integer("short", 2, true);
  const std::uint32_t value = callable.type == ValueType::byte ? byte : callable.type == ValueType::int16 ? half : bits;
  const std::uint32_t arguments =
      types.structure("soma_args", callable.size,
                      {{"label", word, 0},
                       {"outputs", types.array(bits, bits, callable.outputs), 4},
                       {"loops", types.array(wide, bits, kCallableRaw / 8), callable.loops_at},
                       {"values", types.array(value, bits, callable.values), callable.values_at},
                       {"memory", types.array(byte, bits, callable.size - callable.memory_at), callable.memory_at}});
  const std::uint32_t function = types.function("soma_predict", types.prototype(word, types.pointer(arguments)));
  const std::uint32_t image = types.variable("soma_image", types.array(wide, bits, std::ssize(callable.image) / 8));
  types.section(kImageSection, image, static_cast<std::uint32_t>(callable.image.size()));
  // The kernel wants to know where the function begins, and one line of its source.
  const std::uint32_t text = types.name(".text"), file = types.name("soma"),
                      line = types.name("int soma_predict(struct soma_args *arguments)");
  Bytes tables;
  for (const std::uint32_t each : {8U, text, 1U, 0U, function}) append(tables, each);
  for (const std::uint32_t each : {16U, text, 1U, 0U, file, line, 1U << 10}) append(tables, each);
  Typed made;
  Types::header(made.extension, {0, 20, 20, 28});
  append(made.extension, tables);
  made.types = types.bytes();
  return made;
}

}  // namespace

Bytes elf_object(const Callable& callable) {
  enum Section : std::uint16_t { kNone, kNames, kText, kRelocations, kImage, kSymbols, kTypes, kExtension, kSections };
  Strings names;
  Elf64_Shdr sections[kSections] = {};
  Bytes contents[kSections];
  const auto describe = [&](Section which, std::string_view name, std::uint32_t type, std::uint64_t flags, Bytes bytes) {
    sections[which] = {.sh_name = names.at(name), .sh_type = type, .sh_flags = flags, .sh_addralign = 8};
    contents[which] = std::move(bytes);
  };
  Bytes text;
  for (Instruction each : callable.code.instructions) append(text, each);
  const std::size_t load = callable.code.maps.front() * sizeof(Instruction);
  std::memset(&text[load + 1], 7, 1);  // r7 = 0, until it is relocated
  std::memset(&text[load + 4], 0, 4);
  describe(kText, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, text);
  Bytes symbols, relocations;
  const auto symbol = [&](std::string_view name, int binding, int type, Section section, std::size_t size) {
    append(symbols, Elf64_Sym{.st_name = name.empty() ? 0 : names.at(name),
                              .st_info = static_cast<std::uint8_t>(ELF64_ST_INFO(binding, type)),
                              .st_shndx = section,
                              .st_size = size});
  };
  symbol("", STB_LOCAL, STT_NOTYPE, kNone, 0);
  symbol("", STB_LOCAL, STT_SECTION, kImage, 0);
  symbol("soma_image", STB_LOCAL, STT_OBJECT, kImage, callable.image.size());
  symbol("soma_predict", STB_GLOBAL, STT_FUNC, kText, text.size());
  append(relocations, Elf64_Rel{.r_offset = load, .r_info = ELF64_R_INFO(std::uint64_t{1}, kAddress64)});
  describe(kRelocations, ".rel.text", SHT_REL, 0, relocations);
  describe(kImage, kImageSection, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, callable.image);
  describe(kSymbols, ".symtab", SHT_SYMTAB, 0, symbols);
  const Typed typed = types_of(callable);
  describe(kTypes, ".BTF", SHT_PROGBITS, 0, typed.types);
  describe(kExtension, ".BTF.ext", SHT_PROGBITS, 0, typed.extension);
  describe(kNames, ".strtab", SHT_STRTAB, 0, {});
  contents[kNames] = names.bytes();
  sections[kRelocations].sh_link = kSymbols, sections[kRelocations].sh_info = kText,
  sections[kRelocations].sh_entsize = sizeof(Elf64_Rel);
  sections[kSymbols].sh_link = kNames, sections[kSymbols].sh_info = 3, sections[kSymbols].sh_entsize = sizeof(Elf64_Sym);

  Bytes object(sizeof(Elf64_Ehdr));
  for (int i = kNames; i < kSections; ++i) {
    object.resize((object.size() + 7) / 8 * 8);
    sections[i].sh_offset = object.size();
    sections[i].sh_size = contents[i].size();
    append(object, contents[i]);
  }
  object.resize((object.size() + 7) / 8 * 8);
  const Elf64_Ehdr head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                           .e_type = ET_REL,
                           .e_machine = kMachine,
                           .e_version = EV_CURRENT,
                           .e_shoff = object.size(),
                           .e_ehsize = sizeof(Elf64_Ehdr),
                           .e_shentsize = sizeof(Elf64_Shdr),
                           .e_shnum = kSections,
                           .e_shstrndx = kNames};
  std::memcpy(object.data(), &head, sizeof(head));
  for (const Elf64_Shdr& each : sections) append(object, each);
  return object;
}

}  // namespace soma::bpf
