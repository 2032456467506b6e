// $FAULT=KIND:N → the N-th call of a kind that a program makes from main on fails, or is its last: a library for LD_PRELOAD.
//
//   malloc open read write fsync rename stat mkdir unlink flock thread    fails as a full disk, a dead disk or a limit would
//   kill     SIGKILL before the N-th call that changes a disk
//   power    as kill; what was synced until then is in $FAULT_DISK (see fsync), and the rest is as if it had never been
//
// $FAULT_COUNTS=FILE: how many calls of each kind there were. Nothing here allocates, since malloc is among what fails.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

enum Kind { kMalloc, kOpen, kRead, kWrite, kFsync, kRename, kStat, kMkdir, kUnlink, kFlock, kThread, kKill, kPower, kKinds };
constexpr std::array<const char*, kKinds> kNames = {"malloc", "open",   "read",  "write",  "fsync", "rename", "stat",
                                                    "mkdir",  "unlink", "flock", "thread", "kill",  "power"};

std::array<std::atomic<long>, kKinds> calls;
std::atomic<bool> live{false};
int wanted = -1;
long wanted_call = 0;
const char* disk = nullptr;

template <class F>
F* next(F*& found, const char* name) {
  if (found == nullptr) found = reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
  return found;
}
#define NEXT(name) next(name##_next, #name)

bool fails(Kind kind, int reason) {
  if (!live.load(std::memory_order_relaxed)) return false;
  const long call = calls[kind].fetch_add(1, std::memory_order_relaxed) + 1;
  if (kind != wanted || call != wanted_call) return false;
  errno = reason;
  return true;
}

/// Before each call that changes a disk.
void may_die() {
  if (!live.load(std::memory_order_relaxed)) return;
  const long call = calls[kKill].fetch_add(1, std::memory_order_relaxed) + 1;
  calls[kPower].store(call, std::memory_order_relaxed);
  if ((wanted == kKill || wanted == kPower) && call == wanted_call) syscall(SYS_kill, getpid(), SIGKILL);
}

int raw_open(const char* path, int flags) {
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600));
}
void raw_write(int to, const char* bytes, long size) {
  for (long done = 0; done < size;) {
    const long wrote = syscall(SYS_write, to, bytes + done, size - done);
    if (wrote <= 0) return;
    done += wrote;
  }
}

using Path = std::array<char, 512>;

/// Where the disk has a file (f) or directory (d).
Path place(const struct stat& status, const char* end) {
  Path path{};
  std::snprintf(path.data(), path.size(), "%.400s/%lu.%c%s", disk, static_cast<unsigned long>(status.st_ino),
                S_ISDIR(status.st_mode) ? 'd' : 'f', end);
  return path;
}

/// What a sync has put on the disk: the content of a file in $FAULT_DISK/INODE.f, the lines "INODE NAME" of a directory in
/// INODE.d, directories' names ending in "/". In place only when whole.
void keep(int fd) {
  struct stat status {};
  if (disk == nullptr || fstat(fd, &status) != 0) return;
  const Path path = place(status, ""), draft = place(status, ".draft");
  std::array<char, 64> from{};
  std::array<char, 4096> buffer{};
  std::snprintf(from.data(), from.size(), "/proc/self/fd/%d", fd);
  const int out = raw_open(draft.data(), O_WRONLY | O_CREAT | O_TRUNC), in = raw_open(from.data(), O_RDONLY);
  if (S_ISDIR(status.st_mode)) {
    struct Entry {
      unsigned long inode;
      long offset;
      unsigned short length;
      unsigned char type;
      char name[1];
    };
    for (long got = 0; (got = syscall(SYS_getdents64, in, buffer.data(), buffer.size())) > 0;)
      for (long at = 0; at < got;) {
        const auto* entry = reinterpret_cast<const Entry*>(buffer.data() + at);
        std::array<char, 300> line{};
        const int size = std::snprintf(line.data(), line.size(), "%lu %s%s\n", entry->inode,
                                       static_cast<const char*>(entry->name), entry->type == DT_DIR ? "/" : "");
        if (std::strcmp(entry->name, ".") != 0 && std::strcmp(entry->name, "..") != 0) raw_write(out, line.data(), size);
        at += entry->length;
      }
  } else {
    for (long got = 0; (got = syscall(SYS_read, in, buffer.data(), buffer.size())) > 0;) raw_write(out, buffer.data(), got);
  }
  syscall(SYS_close, in);
  syscall(SYS_close, out);
  syscall(SYS_renameat2, AT_FDCWD, draft.data(), AT_FDCWD, path.data(), 0);
}

/// A new file has the number of one that was removed, but nothing of it is on the disk.
void forget(int fd) {
  struct stat status {};
  if (disk == nullptr || fd < 0 || fstat(fd, &status) != 0 || status.st_size > 0) return;
  syscall(SYS_unlinkat, AT_FDCWD, place(status, "").data(), 0);
}

void say_counts() {
  live = false;
  const char* file = std::getenv("FAULT_COUNTS");
  const int out = file == nullptr ? -1 : raw_open(file, O_WRONLY | O_CREAT | O_TRUNC);
  for (int kind = 0; out >= 0 && kind < kKinds; ++kind) {
    std::array<char, 64> line{};
    raw_write(out, line.data(),
              std::snprintf(line.data(), line.size(), "%s %ld\n", kNames[static_cast<std::size_t>(kind)],
                            calls[static_cast<std::size_t>(kind)].load()));
  }
}

int (*program)(int, char**, char**) = nullptr;
int counted_main(int argc, char** argv, char** environment) {
  if (const char* fault = std::getenv("FAULT"))
    for (int kind = 0; kind < kKinds; ++kind) {
      const std::size_t length = std::strlen(kNames[static_cast<std::size_t>(kind)]);
      if (std::strncmp(fault, kNames[static_cast<std::size_t>(kind)], length) != 0 || fault[length] != ':') continue;
      wanted = kind;
      wanted_call = std::atol(fault + length + 1);
    }
  disk = std::getenv("FAULT_DISK");
  unsetenv("LD_PRELOAD");  // what the program starts is not under test
  std::atexit(say_counts);
  live = true;
  return program(argc, argv, environment);
}

}  // namespace

extern "C" {

void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t size) { return fails(kMalloc, ENOMEM) ? nullptr : __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) { return fails(kMalloc, ENOMEM) ? nullptr : __libc_calloc(count, size); }
void* realloc(void* old, std::size_t size) { return fails(kMalloc, ENOMEM) ? nullptr : __libc_realloc(old, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return fails(kMalloc, ENOMEM) ? nullptr : __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  if (fails(kMalloc, ENOMEM)) return ENOMEM;
  *out = __libc_memalign(alignment, size);
  return *out == nullptr ? ENOMEM : 0;
}

using Open = int(const char*, int, ...);
static Open *open_next, *open64_next;
static int open_as(Open* real, const char* path, int flags, mode_t mode) {
  if (flags & O_CREAT) may_die();
  if (fails(kOpen, EIO)) return -1;
  const int fd = real(path, flags, mode);
  if (flags & O_CREAT) forget(fd);
  return fd;
}
static mode_t mode_of(int flags, std::va_list arguments) { return flags & O_CREAT ? va_arg(arguments, mode_t) : 0; }
int open(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_as(NEXT(open), path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_as(NEXT(open64), path, flags, mode);
}

static decltype(read)* read_next;
ssize_t read(int fd, void* bytes, std::size_t size) { return fails(kRead, EIO) ? -1 : NEXT(read)(fd, bytes, size); }
static decltype(write)* write_next;
ssize_t write(int fd, const void* bytes, std::size_t size) {
  may_die();
  return fails(kWrite, ENOSPC) ? -1 : NEXT(write)(fd, bytes, size);
}
static decltype(fsync)* fsync_next;
int fsync(int fd) {
  may_die();
  if (fails(kFsync, EIO)) return -1;
  const int failed = NEXT(fsync)(fd);
  if (failed == 0) keep(fd);
  return failed;
}
static decltype(rename)* rename_next;
int rename(const char* from, const char* to) {
  may_die();
  return fails(kRename, EIO) ? -1 : NEXT(rename)(from, to);
}
static decltype(unlink)* unlink_next;
int unlink(const char* path) {
  may_die();
  return fails(kUnlink, EIO) ? -1 : NEXT(unlink)(path);
}
static decltype(mkdir)* mkdir_next;
int mkdir(const char* path, mode_t mode) {
  may_die();
  return fails(kMkdir, ENOSPC) ? -1 : NEXT(mkdir)(path, mode);
}
static decltype(flock)* flock_next;
int flock(int fd, int what) { return fails(kFlock, EIO) ? -1 : NEXT(flock)(fd, what); }
using Stat = int(const char*, struct stat*);
static Stat *stat_next, *stat64_next;
int stat(const char* path, struct stat* status) { return fails(kStat, EIO) ? -1 : NEXT(stat)(path, status); }
int stat64(const char* path, struct stat64* status) {
  return fails(kStat, EIO) ? -1 : NEXT(stat64)(path, reinterpret_cast<struct stat*>(status));
}
static decltype(pthread_create)* pthread_create_next;
int pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*work)(void*), void* argument) {
  return fails(kThread, EAGAIN) ? EAGAIN : NEXT(pthread_create)(thread, how, work, argument);
}

using StartMain = int(int (*)(int, char**, char**), int, char**, void (*)(), void (*)(), void (*)(), void*);
static StartMain* __libc_start_main_next;
int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(), void (*fini)(), void (*loader)(),
                      void* stack) {
  program = main;
  return NEXT(__libc_start_main)(counted_main, argc, argv, init, fini, loader, stack);
}
}
