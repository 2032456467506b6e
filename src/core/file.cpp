// bytes ↔ a file: read whole, or replaced so that a kill at any moment leaves the old or the new one.
#include "core/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "core/random.h"

namespace soma {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::size_t kSuffix = 6;  // of kLetters, behind a temporary file's last dot

Error failed(const fs::path& file, std::string_view what, int reason) {
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

int open_file(const fs::path& file, int flags, mode_t mode = 0) {
  int descriptor = -1;
  do descriptor = ::open(file.c_str(), flags | O_CLOEXEC, mode);
  while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

bool synced(int fd) {
  int failed = 0;
  do failed = ::fsync(fd);
  while (failed != 0 && errno == EINTR);
  return failed == 0;
}

fs::path parent_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : "."; }

std::string temporary_prefix(const fs::path& file) { return "." + file.filename().string() + "."; }

/// A new file beside `file`, with the mode that any new file gets. Who else makes one at the same time gets another name.
Descriptor make_temporary(const fs::path& file, std::string& name) {
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto seed = static_cast<std::uint64_t>(now.tv_nsec) << 32 ^ static_cast<std::uint64_t>(::getpid());
  for (std::uint64_t attempt = 0; attempt < 100; ++attempt) {
    std::string word;
    for (std::uint64_t i = 0; i < kSuffix; ++i)
      word += kLetters[random_below(kLetters.size(), seed, static_cast<std::uint32_t>(now.tv_sec), attempt * kSuffix + i)];
    name = (parent_of(file) / (temporary_prefix(file) + word)).string();
    const int fd = open_file(name, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd >= 0 || errno != EEXIST) return Descriptor(fd);
  }
  return Descriptor(-1);
}

/// Where the bytes go in the end: behind every symbolic link, even one whose target is not there yet.
Result<fs::path> behind_links(fs::path file) {
  constexpr int kMostLinks = 40;  // as the kernel's own limit
  for (int i = 0; i < kMostLinks; ++i) {
    std::array<char, 4096> target{};
    const ssize_t length = ::readlink(file.c_str(), target.data(), target.size());
    if (length < 0 && (errno == EINVAL || errno == ENOENT)) return file;  // no link
    if (length < 0) return failed(file, "write", errno);
    if (length == static_cast<ssize_t>(target.size())) return failed(file, "write", ENAMETOOLONG);
    file = parent_of(file) / std::string_view(target.data(), static_cast<std::size_t>(length));
  }
  return failed(file, "write", ELOOP);
}

/// Into what is no regular file, and so cannot be replaced: a terminal, a pipe, a device. Does not wait for somebody to read a
/// pipe.
Result<void> write_into(const fs::path& file, std::span<const std::span<const std::byte>> chunks) {
  const Descriptor out(open_file(file, O_WRONLY | O_NONBLOCK));
  if (out.fd < 0 && errno == ENXIO)
    return Error{Error::Kind::io,
                 fmt::format("{}: cannot write: nobody reads from it; try starting the reader first", file.string())};
  if (out.fd < 0 || ::fcntl(out.fd, F_SETFL, 0) != 0) return failed(file, "write", errno);
  for (const auto chunk : chunks)
    if (!write_all(out.fd, chunk)) return failed(file, "write", errno);
  return {};
}

}  // namespace

// Some file systems have nothing to sync there, and say EINVAL.
Result<void> sync_directory(const fs::path& directory) {
  const Descriptor parent(open_file(directory.empty() ? fs::path(".") : directory, O_RDONLY | O_DIRECTORY));
  if (parent.fd < 0 || (!synced(parent.fd) && errno != EINVAL)) return failed(directory, "sync", errno);
  return {};
}

Result<std::string> read_file(const fs::path& file, std::size_t limit) {
  const Descriptor in(open_file(file, O_RDONLY));
  if (in.fd < 0) return failed(file, "open", errno);
  struct stat status {};
  if (::fstat(in.fd, &status) != 0) return failed(file, "read", errno);
  if (S_ISDIR(status.st_mode)) return failed(file, "read", EISDIR);
  const auto too_long = [&] { return Error{Error::Kind::data, fmt::format("{}: more than {} bytes", file.string(), limit)}; };
  if (status.st_size > 0 && static_cast<std::size_t>(status.st_size) > limit) return too_long();
  std::string contents;
  contents.reserve(static_cast<std::size_t>(status.st_size) + 1);
  std::array<char, 1 << 16> buffer;
  while (true) {
    const ssize_t got = ::read(in.fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(file, "read", errno);
    if (got == 0) return contents;
    contents.append(buffer.data(), static_cast<std::size_t>(got));
    if (contents.size() > limit) return too_long();
  }
}

/// A file that stays open as long as somebody reads its bytes.
class FileMapping {
 public:
  /// Takes the descriptor. `start` is null where the system could not map the file.
  FileMapping(fs::path file, int descriptor, const struct stat& status)
      : file_(std::move(file)), in_(descriptor), size_(static_cast<std::size_t>(status.st_size)), written_(status.st_mtim) {
    void* const start =
        S_ISREG(status.st_mode) && size_ > 0 ? ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, in_.fd, 0) : MAP_FAILED;
    if (start != MAP_FAILED) start_ = start;
  }
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;
  ~FileMapping() {
    if (start_ != nullptr) ::munmap(start_, size_);
  }

  [[nodiscard]] bool mapped() const { return start_ != nullptr; }
  [[nodiscard]] std::string_view bytes() const { return {static_cast<const char*>(start_), size_}; }
  [[nodiscard]] Result<void> unchanged() const {
    struct stat now {};
    if (::fstat(in_.fd, &now) != 0) return failed(file_, "read", errno);
    const auto size = static_cast<std::size_t>(now.st_size);
    if (size == size_ && now.st_mtim.tv_sec == written_.tv_sec && now.st_mtim.tv_nsec == written_.tv_nsec) return {};
    return Error{
        Error::Kind::data,
        fmt::format("{}: wanted a file that stays as it is while it is read, got one written to ({} bytes, then {}); try "
                    "again when it is whole",
                    file_.string(), size_, size)};
  }

 private:
  fs::path file_;
  Descriptor in_;
  std::size_t size_;
  timespec written_;
  void* start_ = nullptr;
};

Result<void> FileBytes::unchanged() const { return mapping != nullptr ? mapping->unchanged() : Result<void>(); }

Result<FileBytes> map_file(const fs::path& file) {
  const int descriptor = open_file(file, O_RDONLY);
  if (descriptor < 0) return failed(file, "open", errno);
  struct stat status {};
  const int unknown = ::fstat(descriptor, &status) != 0 ? errno : 0;
  const auto mapping = std::make_shared<const FileMapping>(file, descriptor, status);
  if (unknown != 0) return failed(file, "read", unknown);
  if (mapping->mapped()) return FileBytes{mapping, mapping->bytes(), mapping.get()};
  Result<std::string> contents = read_file(file);
  if (!contents) return contents.error();
  const auto held = std::make_shared<const std::string>(std::move(*contents));
  return FileBytes{held, *held};
}

Result<void> write_file(const fs::path& given, std::span<const std::span<const std::byte>> chunks) {
  const auto followed = behind_links(given);
  if (!followed) return followed.error();
  const fs::path& file = *followed;
  struct stat old {};
  const bool there = ::stat(file.c_str(), &old) == 0;
  if (!there && errno != ENOENT) return failed(file, "write", errno);
  if (there && S_ISDIR(old.st_mode)) return failed(file, "write", EISDIR);
  if (there && !S_ISREG(old.st_mode)) return write_into(file, chunks);

  std::string temporary;
  int reason = 0;
  {
    const Descriptor out = make_temporary(file, temporary);
    if (out.fd < 0) return failed(file, "write", errno);
    bool ok = true;
    for (const auto chunk : chunks) ok = ok && write_all(out.fd, chunk);
    struct stat made {};
    ok = ok && ::fstat(out.fd, &made) == 0;
    if (ok && there && (made.st_uid != old.st_uid || made.st_gid != old.st_gid))
      ok = ::fchown(out.fd, old.st_uid, old.st_gid) == 0;
    if (ok && there) ok = ::fchmod(out.fd, old.st_mode & 07777) == 0;
    ok = ok && synced(out.fd);
    if (!ok) reason = errno;
  }
  if (reason == 0 && ::rename(temporary.c_str(), file.c_str()) != 0) reason = errno;
  if (reason != 0) {
    ::unlink(temporary.c_str());
    return failed(file, "write", reason);
  }
  return sync_directory(parent_of(file));
}

Result<void> write_file(const fs::path& file, std::string_view contents) {
  const std::array chunks = {std::as_bytes(std::span(contents))};
  return write_file(file, chunks);
}

Result<void> remove_leftovers(const fs::path& given) {
  const auto file = behind_links(given);
  if (!file) return file.error();
  const fs::path directory = parent_of(*file);
  const std::string prefix = temporary_prefix(*file);
  std::error_code failure;
  for (fs::directory_iterator it(directory, failure), end; !failure && it != end; it.increment(failure)) {
    const std::string name = it->path().filename().string();
    const bool ours = name.size() == prefix.size() + kSuffix && name.starts_with(prefix) &&
                      name.find_first_not_of(kLetters, prefix.size()) == std::string::npos;
    if (ours && ::unlink(it->path().c_str()) != 0 && errno != ENOENT) return failed(it->path(), "remove", errno);
  }
  if (failure && failure != std::errc::no_such_file_or_directory) return failed(directory, "read", failure.value());
  return {};
}

Result<void> make_directory(const fs::path& directory) {
  const auto there = is_folder(directory);
  if (!there) return there.error();
  if (*there) return {};
  if (const fs::path parent = directory.parent_path(); !parent.empty() && parent != directory)
    if (auto made = make_directory(parent); !made) return made;
  if (::mkdir(directory.c_str(), 0777) == 0) return sync_directory(parent_of(directory));
  const int reason = errno;
  const auto now = is_folder(directory);  // somebody else may have made it, and "a/" is there once "a" is
  if (now && *now) return {};
  return failed(directory, "make the directory", reason);
}

Result<fs::file_type> look_at(const fs::path& path) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (status.type() == fs::file_type::none || status.type() == fs::file_type::unknown)
    return failed(path, "look at", failure.value());
  return status.type();
}

Result<bool> is_there(const fs::path& path) {
  const auto type = look_at(path);
  if (!type) return type.error();
  return *type != fs::file_type::not_found;
}
Result<bool> is_file(const fs::path& path) {
  const auto type = look_at(path);
  if (!type) return type.error();
  return *type == fs::file_type::regular;
}
Result<bool> is_folder(const fs::path& path) {
  const auto type = look_at(path);
  if (!type) return type.error();
  return *type == fs::file_type::directory;
}

}  // namespace soma
