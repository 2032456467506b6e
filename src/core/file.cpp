// bytes ↔ a file: read whole, or replaced so that a kill at any moment leaves the old or the new one.
#include "core/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace soma {
namespace {

Error failed(const std::filesystem::path& file, std::string_view what, int reason) {
  return {Error::Kind::io, fmt::format("{}: cannot {}: {}", file.string(), what, std::strerror(reason))};
}

/// Closes a file descriptor at the end of its scope.
struct Descriptor {
  int fd;
  explicit Descriptor(int descriptor) : fd(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit) {
  const Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (in.fd < 0) return failed(file, "open", errno);
  struct stat status {};
  if (::fstat(in.fd, &status) != 0) return failed(file, "read", errno);
  if (S_ISDIR(status.st_mode)) return failed(file, "read", EISDIR);
  std::string contents;
  contents.reserve(static_cast<std::size_t>(status.st_size) + 1);
  std::array<char, 1 << 16> buffer;
  while (true) {
    const ssize_t got = ::read(in.fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(file, "read", errno);
    if (got == 0) return contents;
    contents.append(buffer.data(), static_cast<std::size_t>(got));
    if (contents.size() > limit) return Error{Error::Kind::data, fmt::format("{}: more than {} bytes", file.string(), limit)};
  }
}

Result<void> write_file(const std::filesystem::path& file, std::span<const std::span<const std::byte>> chunks) {
  const std::filesystem::path directory = file.has_parent_path() ? file.parent_path() : ".";
  std::string temporary = (directory / ("." + file.filename().string() + ".XXXXXX")).string();
  int reason = 0;
  {
    const Descriptor out(::mkostemp(temporary.data(), O_CLOEXEC));
    if (out.fd < 0) return failed(file, "write", errno);
    bool ok = true;
    for (const auto chunk : chunks) ok = ok && write_all(out.fd, chunk);
    const mode_t mask = ::umask(0);
    ::umask(mask);
    ok = ok && ::fchmod(out.fd, 0666 & ~mask) == 0 && ::fsync(out.fd) == 0;
    if (!ok) reason = errno;
  }
  if (reason == 0 && ::rename(temporary.c_str(), file.c_str()) != 0) reason = errno;
  if (reason != 0) {
    ::unlink(temporary.c_str());
    return failed(file, "write", reason);
  }
  const Descriptor parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.fd >= 0 && ::fsync(parent.fd) != 0 && errno != EINVAL) return failed(directory, "sync", errno);
  return {};
}

Result<void> write_file(const std::filesystem::path& file, std::string_view contents) {
  const std::array chunks = {std::as_bytes(std::span(contents))};
  return write_file(file, chunks);
}

Result<void> make_directory(const std::filesystem::path& directory) {
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure || !std::filesystem::is_directory(directory, failure))
    return Error{Error::Kind::io, fmt::format("{}: cannot make the directory: {}", directory.string(),
                                              failure ? failure.message() : "something else is there")};
  return {};
}

}  // namespace soma
