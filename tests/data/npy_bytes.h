// numbers and names → the bytes of NPY files, and of NPZ archives of them as numpy.savez writes them.
#pragma once

#include <libdeflate.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace soma::test {

inline std::string npy_of(const std::string& dictionary, std::string_view values, char version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += version;
  bytes += '\0';
  bytes += static_cast<char>(dictionary.size() & 0xff);
  bytes += static_cast<char>(dictionary.size() >> 8);
  if (version > 1) bytes.append(2, '\0');
  return bytes + dictionary + std::string(values);
}

template <class T>
std::string npy(const std::string& type, const std::string& shape, const std::vector<T>& values, char version = 1) {
  std::string raw(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(raw.data(), values.data(), raw.size());
  return npy_of("{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }  \n", raw, version);
}

inline std::string little_endian(std::uint64_t x, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(x >> 8 * i & 0xff);
  return text;
}

/// Named members, stored or deflated; `wide` puts sizes into the 64-bit field, as numpy does for large arrays.
inline std::string zip(const std::vector<std::pair<std::string, std::string>>& members, bool deflated = false,
                       bool wide = false) {
  std::string archive, directory;
  for (const auto& [name, contents] : members) {
    std::string packed = contents;
    if (deflated) {
      libdeflate_compressor* deflate = libdeflate_alloc_compressor(6);
      packed.resize(libdeflate_deflate_compress_bound(deflate, contents.size()));
      packed.resize(libdeflate_deflate_compress(deflate, contents.data(), contents.size(), packed.data(), packed.size()));
      libdeflate_free_compressor(deflate);
    }
    const std::string sizes = wide ? std::string(8, '\xff') : little_endian(packed.size(), 4) + little_endian(contents.size(), 4);
    const std::string extra =
        wide ? little_endian(1, 2) + little_endian(16, 2) + little_endian(contents.size(), 8) + little_endian(packed.size(), 8)
             : "";
    const std::string head = little_endian(20, 2) + little_endian(0, 2) + little_endian(deflated ? 8 : 0, 2) +
                             std::string(4, '\0') + little_endian(libdeflate_crc32(0, contents.data(), contents.size()), 4) +
                             sizes + little_endian(name.size(), 2) + little_endian(extra.size(), 2);
    directory +=
        "PK\x01\x02" + little_endian(20, 2) + head + std::string(10, '\0') + little_endian(archive.size(), 4) + name + extra;
    archive += "PK\x03\x04" + head + name + extra + packed;
  }
  const std::string end = std::string("PK\x05\x06") + std::string(4, '\0') + little_endian(members.size(), 2) +
                          little_endian(members.size(), 2) + little_endian(directory.size(), 4) +
                          little_endian(archive.size(), 4) + std::string(2, '\0');
  return archive + directory + end;
}

}  // namespace soma::test
