// bytes → the members of a ZIP archive, stored or deflated. Trusts no length field.
#include "data/zip.h"

#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <memory>

#include "core/text.h"

namespace soma {
namespace {

constexpr std::string_view kMember = "PK\x03\x04", kEntry = "PK\x01\x02", kEnd = "PK\x05\x06", kEnd64 = "PK\x06\x06";
constexpr std::size_t kMemberSize = 30, kEntrySize = 46, kEndSize = 22, kEnd64Size = 56, kLocatorSize = 20;
constexpr std::uint64_t kElsewhere = 0xffffffff;  // a size of 32 bits that stands in 64 bits elsewhere
constexpr std::size_t kBestRatio = 1032;          // deflate packs no better

Error wrong(std::string_view origin, std::string_view what) {
  return {Error::Kind::data, fmt::format("{}: the ZIP archive is {}; try to download or write it again", origin, what)};
}

/// Little-endian numbers of a record that is long enough for them.
std::uint64_t number(std::string_view record, std::size_t at, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(record[at + i]);
  return value;
}

struct Directory {
  std::uint64_t start = 0, count = 0;
};

/// Where the directory begins, and how many entries it has: said in the record at the very end, or in one of 64 bits before it.
bool find_directory(std::string_view archive, Directory& found) {
  if (archive.size() < kEndSize) return false;
  const std::size_t last = archive.size() - kEndSize;
  std::size_t end = archive.rfind(kEnd, last);  // a comment may follow
  if (end == std::string_view::npos) return false;
  found = {number(archive, end + 16, 4), number(archive, end + 10, 2)};
  if (found.start == kElsewhere || found.count == 0xffff) {
    if (end < kLocatorSize + kEnd64Size) return false;
    const std::uint64_t at = number(archive, end - kLocatorSize + 8, 8);
    if (at > archive.size() - kEnd64Size || !archive.substr(at).starts_with(kEnd64)) return false;
    found = {number(archive, at + 48, 8), number(archive, at + 32, 8)};
  }
  return found.start <= archive.size();
}

/// The 64-bit sizes of an entry's extra field, in the order in which the entry lacks them.
bool widen(std::string_view extra, std::uint64_t& size, std::uint64_t& packed, std::uint64_t& at) {
  while (extra.size() >= 4) {
    const std::uint64_t kind = number(extra, 0, 2), length = number(extra, 2, 2);
    if (length > extra.size() - 4) return false;
    std::string_view body = extra.substr(4, length);
    extra.remove_prefix(4 + length);
    if (kind != 1) continue;
    for (std::uint64_t* field : {&size, &packed, &at}) {
      if (*field != kElsewhere) continue;
      if (body.size() < 8) return false;
      *field = number(body, 0, 8);
      body.remove_prefix(8);
    }
  }
  return size != kElsewhere && packed != kElsewhere && at != kElsewhere;
}

}  // namespace

bool is_zip(std::string_view bytes) { return bytes.starts_with(kMember); }

Result<std::vector<ZipMember>> parse_zip(std::string_view archive, std::string_view origin) {
  Directory directory;
  if (!find_directory(archive, directory)) return wrong(origin, "cut short");
  std::string_view rest = archive.substr(directory.start);
  std::vector<ZipMember> members;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    if (rest.size() < kEntrySize || !rest.starts_with(kEntry)) return wrong(origin, "damaged");
    const std::uint64_t flags = number(rest, 8, 2), method = number(rest, 10, 2), name = number(rest, 28, 2),
                        extra = number(rest, 30, 2), comment = number(rest, 32, 2);
    std::uint64_t packed = number(rest, 20, 4), size = number(rest, 24, 4), at = number(rest, 42, 4);
    if (rest.size() - kEntrySize < name + extra + comment) return wrong(origin, "damaged");
    ZipMember member;
    member.name = rest.substr(kEntrySize, name);
    member.check = static_cast<std::uint32_t>(number(rest, 16, 4));
    member.deflated = method == 8;
    const bool wide = size == kElsewhere || packed == kElsewhere || at == kElsewhere;
    if (wide && !widen(rest.substr(kEntrySize + name, extra), size, packed, at)) return wrong(origin, "damaged");
    rest.remove_prefix(kEntrySize + name + extra + comment);
    if ((flags & 1) != 0 || (method != 0 && method != 8))
      return Error{Error::Kind::data, fmt::format("{}: '{}': wanted a member stored or deflated, got {}; try numpy.savez", origin,
                                                  one_line(member.name, 40),
                                                  (flags & 1) != 0 ? "an encrypted one" : fmt::format("method {}", method))};
    // The member repeats its name; what it says of sizes may be 0.
    if (at > archive.size() || archive.size() - at < kMemberSize || !archive.substr(at).starts_with(kMember))
      return wrong(origin, "damaged");
    const std::uint64_t skipped = kMemberSize + number(archive, at + 26, 2) + number(archive, at + 28, 2);
    if (skipped > archive.size() - at || packed > archive.size() - at - skipped) return wrong(origin, "cut short");
    member.packed = archive.substr(at + skipped, packed);
    member.size = size;
    if (!member.deflated && size != packed) return wrong(origin, "damaged");
    members.push_back(std::move(member));
  }
  return members;
}

Result<std::string> unpack(const ZipMember& member, std::string_view origin, std::size_t limit) {
  if (member.size > limit)
    return Error{Error::Kind::data,
                 fmt::format("{}: '{}': wanted at most {} bytes unpacked, got {}", origin, member.name, limit, member.size)};
  std::string contents;
  if (!member.deflated) {
    contents = member.packed;
  } else {
    if (member.size / kBestRatio > member.packed.size()) return wrong(origin, "damaged");
    contents.resize(member.size);
    const std::unique_ptr<libdeflate_decompressor, void (*)(libdeflate_decompressor*)> inflate(libdeflate_alloc_decompressor(),
                                                                                               libdeflate_free_decompressor);
    const libdeflate_result result = libdeflate_deflate_decompress(inflate.get(), member.packed.data(), member.packed.size(),
                                                                   contents.data(), contents.size(), nullptr);
    if (result != LIBDEFLATE_SUCCESS) return wrong(origin, "damaged");
  }
  if (libdeflate_crc32(0, contents.data(), contents.size()) != member.check) return wrong(origin, "damaged");
  return contents;
}

}  // namespace soma
