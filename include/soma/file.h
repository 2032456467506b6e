// a path → what stands there, as far as the system can tell; and the right to be the only one who writes there.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "soma/error.h"

namespace soma {

/// What stands at `path`, symbolic links followed: not_found when nothing does. An error when the system could not look (a disk
/// or a network that fails, a directory that may not be searched): then nothing is known, least of all that nothing is there.
[[nodiscard]] Result<std::filesystem::file_type> look_at(const std::filesystem::path& path);
[[nodiscard]] Result<bool> is_there(const std::filesystem::path& path);
[[nodiscard]] Result<bool> is_file(const std::filesystem::path& path);  ///< a regular one
[[nodiscard]] Result<bool> is_folder(const std::filesystem::path& path);

/// Makes the directory and its parents, each synced in the one above it.
[[nodiscard]] Result<void> make_directory(const std::filesystem::path& directory);

/// What soma writes is sealed: it carries a SHA-256 of every other byte in the file. What to do with a file of soma's that is not
/// what it wrote; those of 0.1.0 have no seal, those of other programs need none.
enum class Changed { refuse, accept };

/// The right to be the only writer of something, among all processes that ask for it: flock(2) on a file made for that, so the
/// kernel frees it when its owner dies, however it dies. The file holds who the owner is, as text, and is removed at the end; one
/// that a kill has left behind locks nobody out.
class Lock {
 public:
  /// Makes `file`, in a directory that is there. `what` names in errors what is written to. Somebody else's lock is an error of
  /// kind unavailable that says who has it.
  [[nodiscard]] static Result<Lock> take(const std::filesystem::path& file, std::string_view what);
  Lock(Lock&& other) noexcept;
  Lock& operator=(Lock&& other) noexcept;
  ~Lock();

  /// One line for the user where this file system cannot lock, and two writers would not notice each other; else empty.
  [[nodiscard]] const std::string& warning() const { return warning_; }
  /// The last owner was killed before it let go.
  [[nodiscard]] bool inherited() const { return inherited_; }
  /// Lets go at the end as if killed: the next owner inherits.
  void leave_behind() { file_.clear(); }

 private:
  Lock(std::filesystem::path file, int descriptor) : file_(std::move(file)), descriptor_(descriptor) {}
  std::filesystem::path file_;
  int descriptor_ = -1;
  bool inherited_ = false;
  std::string warning_;
};

}  // namespace soma
