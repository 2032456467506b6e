// an int8 model → a BPF function for other people's programs, as C to include and as an object to link.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inkernel/compiled.h"
#include "inkernel/layout.h"
#include "inkernel/system.h"
#include "soma/kernel.h"

namespace soma::bpf {

/// int soma_predict(struct soma_args *): the struct is the caller's, and all that the function writes to. Offsets in bytes.
struct Callable {
  Code code;  ///< names Map::image once
  std::vector<std::uint8_t> image;
  ValueType type = ValueType::byte;
  std::int64_t values = 0, outputs = 0;  ///< how many
  std::int64_t loops_at = 0;             ///< behind the label and the outputs; what follows lies as in a scratch
  std::int64_t values_at = 0, memory_at = 0, size = 0;
};
/// `prepared` has its raw values at kCallableRaw.
Callable make_callable(const Prepared& prepared, ValueType type);
inline constexpr std::int64_t kCallableRaw = 64;

/// C to include: the struct, and the function as words of bytecode; or its declaration alone where SOMA_LINKED is defined.
std::string c_header(const Callable& callable, const std::string& model);

/// A relocatable ELF object with BTF, for `bpftool gen object`.
std::vector<std::uint8_t> elf_object(const Callable& callable);
/// One for whatever loads BPF objects: the whole program in the section xdp, its image and maps. `compiled` is of
/// Form::image_beside.
std::vector<std::uint8_t> xdp_object(const Compiled& compiled);
inline constexpr const char* kImageSection = ".data.soma";  ///< libbpf makes a map of it

}  // namespace soma::bpf
