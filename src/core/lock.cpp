// a file to lock → its only owner, or who that is: flock(2), with the owner's name inside for people.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/file.h"
#include "core/text.h"
#include "soma/file.h"

namespace soma {
namespace {

std::string host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// The words this process was started with.
std::string command() {
  const auto words = read_file("/proc/self/cmdline");
  std::string line = words ? *words : "";
  std::replace(line.begin(), line.end(), '\0', ' ');
  return one_line(line.substr(0, line.find_last_not_of(' ') + 1), 200);
}

/// "process 7 on host x (soma train …)", as its owner wrote it; the owner may be writing it at this moment.
std::string owner(const std::filesystem::path& file) {
  const auto text = read_file(file, 4096);
  if (!text || text->empty()) return "another process";
  return one_line(text->substr(0, text->find('\n')), 300);
}

/// Whether the file behind the descriptor is the one at the path: its last owner may have removed it in between.
bool same_file(const struct stat& here, const std::filesystem::path& path) {
  struct stat there {};
  return ::stat(path.c_str(), &there) == 0 && here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

bool cannot_lock(int reason) { return reason == ENOLCK || reason == ENOSYS || reason == EOPNOTSUPP || reason == EINVAL; }

}  // namespace

Result<Lock> Lock::take(const std::filesystem::path& file, std::string_view what) {
  const auto failed = [&](int reason) {
    return Error{Error::Kind::io, fmt::format("{}: cannot lock: {}", file.string(), std::strerror(reason))};
  };
  while (true) {
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (descriptor < 0) return failed(errno);
    Lock lock(file, descriptor);
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      const int reason = errno;
      if (!cannot_lock(reason)) lock.file_.clear();  // somebody else's: not ours to remove
      if (reason == EWOULDBLOCK)
        return Error{Error::Kind::unavailable,
                     fmt::format("{}: wanted to be the only one who writes there, got {} at it; try another "
                                 "place, or again when that has ended",
                                 what, owner(file))};
      if (!cannot_lock(reason)) return failed(reason);
      lock.warning_ =
          fmt::format("{}: its file system cannot lock ({}): nothing keeps a second run out", what, std::strerror(reason));
    }
    struct stat status {};
    if (::fstat(descriptor, &status) != 0) return failed(errno);
    if (lock.warning_.empty() && !same_file(status, file)) {
      lock.file_.clear();
      continue;
    }
    lock.inherited_ = lock.warning_.empty() && status.st_size > 0;
    const std::string text = fmt::format("process {} on host {} ({})\n", ::getpid(), host(), command());
    if (::ftruncate(descriptor, 0) != 0 || ::write(descriptor, text.data(), text.size()) < 0) return failed(errno);
    return lock;
  }
}

Lock::Lock(Lock&& other) noexcept
    : file_(std::move(other.file_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      inherited_(other.inherited_),
      warning_(std::move(other.warning_)) {
  other.file_.clear();
}
Lock& Lock::operator=(Lock&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(inherited_, other.inherited_);
  std::swap(warning_, other.warning_);
  return *this;
}

Lock::~Lock() {
  if (descriptor_ < 0) return;
  // Removed while it is locked, so that it cannot be the next owner's; one that stays behind is taken over by the next run.
  if (!file_.empty()) ::unlink(file_.c_str());
  ::close(descriptor_);
}

}  // namespace soma
