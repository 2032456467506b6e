// sections, symbols, types → the bytes of a relocatable ELF object with BTF, as clang would have written them.
#include "inkernel/relocatable.h"

#include <cstring>

namespace soma::bpf {
namespace {

constexpr std::uint16_t kMachine = 247;  // EM_BPF
constexpr std::uint32_t kAddress64 = 1;  // R_BPF_64_64

}  // namespace

std::uint16_t Relocatable::section(std::string_view name, std::uint32_t type, std::uint64_t flags, Bytes contents) {
  sections_.push_back({{.sh_name = names_.at(name), .sh_type = type, .sh_flags = flags, .sh_addralign = 8},
                       std::move(contents),
                       {},
                       std::string(name)});
  return static_cast<std::uint16_t>(sections_.size() - 1);
}

std::uint32_t Relocatable::symbol(std::string_view name, int binding, int type, std::uint16_t section, std::uint64_t at,
                                  std::uint64_t bytes) {
  append(symbols_, Elf64_Sym{.st_name = name.empty() ? 0 : names_.at(name),
                             .st_info = static_cast<std::uint8_t>(ELF64_ST_INFO(binding, type)),
                             .st_shndx = section,
                             .st_value = at,
                             .st_size = bytes});
  if (binding == STB_LOCAL) locals_ = count_ + 1;
  return count_++;
}

void Relocatable::relocate(std::uint16_t section, std::uint64_t at, std::uint32_t symbol) {
  append(sections_[section].relocations, Elf64_Rel{.r_offset = at, .r_info = ELF64_R_INFO(std::uint64_t{symbol}, kAddress64)});
}

Bytes Relocatable::bytes() && {
  const std::size_t own = sections_.size();
  for (std::size_t i = 1; i < own; ++i)
    if (!sections_[i].relocations.empty()) {
      const std::uint16_t added = section(".rel" + sections_[i].name, SHT_REL, 0, sections_[i].relocations);
      sections_[added].head.sh_info = static_cast<std::uint32_t>(i);
      sections_[added].head.sh_entsize = sizeof(Elf64_Rel);
    }
  const std::uint16_t table = section(".symtab", SHT_SYMTAB, 0, symbols_), names = section(".strtab", SHT_STRTAB, 0, {});
  sections_[names].contents = names_.bytes();
  for (std::size_t i = own; i < table; ++i) sections_[i].head.sh_link = table;
  sections_[table].head.sh_link = names, sections_[table].head.sh_info = locals_,
  sections_[table].head.sh_entsize = sizeof(Elf64_Sym);

  Bytes object(sizeof(Elf64_Ehdr));
  for (std::size_t i = 1; i < sections_.size(); ++i) {
    object.resize((object.size() + 7) / 8 * 8);
    sections_[i].head.sh_offset = object.size();
    sections_[i].head.sh_size = sections_[i].contents.size();
    append(object, sections_[i].contents);
  }
  object.resize((object.size() + 7) / 8 * 8);
  const Elf64_Ehdr head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                           .e_type = ET_REL,
                           .e_machine = kMachine,
                           .e_version = EV_CURRENT,
                           .e_shoff = object.size(),
                           .e_ehsize = sizeof(Elf64_Ehdr),
                           .e_shentsize = sizeof(Elf64_Shdr),
                           .e_shnum = static_cast<std::uint16_t>(sections_.size()),
                           .e_shstrndx = names};
  std::memcpy(object.data(), &head, sizeof(head));
  for (const Section& each : sections_) append(object, each.head);
  return object;
}

}  // namespace soma::bpf
