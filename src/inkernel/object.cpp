// a function and its image, or a whole program and its maps → a relocatable ELF object with BTF: what clang would have written.
#include <elf.h>

#include <cstring>

#include "inkernel/call.h"
#include "inkernel/callable.h"
#include "inkernel/relocatable.h"

namespace soma::bpf {
namespace {

/// Instructions as they lie in an object: what is relocated names nothing.
Bytes text_of(const Code& code) {
  Bytes text;
  for (std::size_t i = 0; i < code.instructions.size(); ++i) append(text, code.instructions[i]);
  for (const std::size_t at : code.maps) {
    const std::size_t load = at * sizeof(Instruction);
    text[load + 1] &= 15;  // the destination alone
    std::memset(&text[load + 4], 0, 4);
  }
  return text;
}

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
  const auto bytes = static_cast<std::uint32_t>(callable.image.size());
  types.section(kImageSection, bytes, {{image, 0, bytes}});
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
  Relocatable object;
  const Bytes text = text_of(callable.code);
  const auto code = object.section(".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, text);
  const auto image = object.section(kImageSection, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, callable.image);
  const auto weights = object.symbol("", STB_LOCAL, STT_SECTION, image, 0, 0);
  object.symbol("soma_image", STB_LOCAL, STT_OBJECT, image, 0, callable.image.size());
  object.symbol("soma_predict", STB_GLOBAL, STT_FUNC, code, 0, text.size());
  object.relocate(code, callable.code.maps.front() * sizeof(Instruction), weights);
  const Typed typed = types_of(callable);
  object.section(".BTF", SHT_PROGBITS, 0, typed.types);
  object.section(".BTF.ext", SHT_PROGBITS, 0, typed.extension);
  return std::move(object).bytes();
}

Bytes xdp_object(const Compiled& compiled) {
  constexpr std::uint32_t kMapBytes = 32;
  Relocatable object;
  Types types;
  const Bytes text = text_of(compiled.code);
  const std::vector<std::uint8_t>& image = compiled.prepared.image;
  const std::uint32_t whole = types.integer("int", 4, true), index = types.integer("unsigned int", 4, false),
                      wide = types.integer("unsigned long long", 8, false);
  const auto code = object.section("xdp", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, text);
  const auto data = object.section(kImageSection, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, image);
  const auto maps = object.section(".maps", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, Bytes(4 * kMapBytes));
  object.section("license", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, {'A', 'p', 'a', 'c', 'h', 'e', '-', '2', '.', '0', 0});
  const auto weights = object.symbol("", STB_LOCAL, STT_SECTION, data, 0, 0);
  object.symbol("soma_image", STB_LOCAL, STT_OBJECT, data, 0, image.size());
  object.symbol("soma_answer", STB_GLOBAL, STT_FUNC, code, 0, text.size());
  const auto bytes = static_cast<std::uint32_t>(image.size());
  types.section(kImageSection, bytes, {{types.variable("soma_image", types.array(wide, index, bytes / 8)), 0, bytes}});
  std::vector<Types::Placed> placed;
  std::vector<std::uint32_t> symbols(static_cast<std::size_t>(Map::image) + 1, weights);
  const auto map = [&](Map which, std::string_view name, MapType type, std::int64_t key, std::int64_t value,
                       std::int64_t entries) {
    const auto at = static_cast<std::uint32_t>(placed.size()) * kMapBytes;
    symbols[static_cast<std::size_t>(which)] = object.symbol(name, STB_GLOBAL, STT_OBJECT, maps, at, kMapBytes);
    placed.push_back(
        {types.map(name, whole, index, {{"type", type}, {"key_size", key}, {"value_size", value}, {"max_entries", entries}}), at,
         kMapBytes});
  };
  const Layout& layout = compiled.prepared.layout;
  map(Map::scratch, kScratchName, kPerCpuArray, 4, layout.scratch, 1);
  map(Map::buckets, kBucketsName, kArray, 4, kBucketBytes, 1);
  map(Map::counters, kCountersName, kPerCpuArray, 4, kCounterBytes, 1);
  map(Map::streams, kStreamsName, kLruHash, kStreamKeyBytes, stream_bytes(layout.inputs), compiled.streams);
  types.section(".maps", 4 * kMapBytes, placed);
  for (const std::size_t at : compiled.code.maps)
    object.relocate(code, at * sizeof(Instruction), symbols[static_cast<std::size_t>(compiled.code.instructions[at].immediate)]);
  object.section(".BTF", SHT_PROGBITS, 0, types.bytes());
  return std::move(object).bytes();
}

}  // namespace soma::bpf
