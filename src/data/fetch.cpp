// a data set's name → its files downloaded from a public mirror by the curl program, checked, and put in place.
#include "data/fetch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/file.h"
#include "core/sha256.h"
#include "data/names.h"
#include "soma/dataset.h"

namespace soma {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = std::size_t{1} << 27;

const std::array<RemoteSet, 3>& remote_sets() {
  static const std::array<RemoteSet, 3> sets = {{
      {"mnist",
       {"https://storage.googleapis.com/cvdf-datasets/mnist", "https://ossci-datasets.s3.amazonaws.com/mnist"},
       {{"train-images-idx3-ubyte.gz", "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971"},
        {"train-labels-idx1-ubyte.gz", "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203"},
        {"t10k-images-idx3-ubyte.gz", "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be"},
        {"t10k-labels-idx1-ubyte.gz", "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b"}}},
      {"fashion-mnist",
       {"https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"},
       {{"train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"},
        {"train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"},
        {"t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"},
        {"t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"}}},
      {"iris",
       {"https://raw.githubusercontent.com/mwaskom/seaborn-data/master"},
       {{"iris.csv", "9cc1c345c71bcc9b486b74cbf6063fa66f4bb5e0f603a4b3c3471ec2e5e8e355"}}},
  }};
  return sets;
}

/// Both ends of a pipe, closed at the end of the scope.
struct Pipe {
  std::array<int, 2> end = {-1, -1};
  Pipe() {
    if (::pipe2(end.data(), O_CLOEXEC) != 0) end = {-1, -1};
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_writer();
    if (end[0] >= 0) ::close(end[0]);
  }
  void close_writer() {
    if (end[1] >= 0) ::close(end[1]);
    end[1] = -1;
  }
  std::string read_all() const {
    std::string contents;
    std::array<char, 4096> buffer;
    while (true) {
      const ssize_t got = ::read(end[0], buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return contents;
      contents.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }
};

/// Removes a file at the end of the scope.
struct Temporary {
  fs::path file;
  explicit Temporary(fs::path path) : file(std::move(path)) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    std::error_code ignored;  // it may never have been made
    fs::remove(file, ignored);
  }
};

// Runs curl without a shell. Its one line of complaint becomes the error.
Result<void> run_curl(const std::string& url, const fs::path& output) {
  const std::string limit = std::to_string(kMostBytes), target = output.string();
  std::vector<std::string> arguments = {
      "curl", "--fail",  "--silent", "--show-error", "--location",  "--connect-timeout", "10",  "--max-time",
      "600",  "--retry", "2",        "--proto",      "=https,file", "--max-filesize",    limit, "--output",
      target, "--",      url};
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  Pipe complaint;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, complaint.end[1], STDERR_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  pid_t child = -1;
  const int refused = ::posix_spawnp(&child, "curl", &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  complaint.close_writer();
  if (refused == ENOENT) return Error{Error::Kind::unavailable, "wanted the program curl, got none; try apt install curl"};
  if (refused != 0) return Error{Error::Kind::io, fmt::format("cannot run curl: {}", std::strerror(refused))};
  std::string text = complaint.read_all();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  text.resize(std::min(text.find('\n'), text.size()));
  return Error{Error::Kind::io, text.empty() ? "curl failed" : text};
}

// One file from the first mirror that has it whole.
Result<void> fetch_file(const RemoteFile& remote, const std::vector<std::string>& mirrors, const fs::path& directory,
                        const std::function<void(std::string_view)>& progress) {
  Error last{Error::Kind::io, "no mirror"};
  const Temporary part(directory / fmt::format(".{}.{}", remote.name, ::getpid()));
  for (const std::string& mirror : mirrors) {
    const std::string url = fmt::format("{}/{}", mirror, remote.name);
    if (progress) progress(fmt::format("fetching {}", url));
    if (const Result<void> ran = run_curl(url, part.file); !ran) {
      last = ran.error();
      continue;
    }
    const Result<std::string> bytes = read_file(part.file, kMostBytes);
    if (!bytes) return bytes.error();
    if (const std::string sum = sha256(*bytes); sum != remote.sha256) {
      last = {Error::Kind::data,
              fmt::format("{}: wanted SHA-256 {}…, got {}…", url, remote.sha256.substr(0, 12), sum.substr(0, 12))};
      continue;
    }
    return write_file(directory / remote.name, *bytes);
  }
  return last;
}

bool is_whole(const fs::path& file, std::string_view sum) {
  const Result<std::string> bytes = read_file(file, kMostBytes);
  return bytes && sha256(*bytes) == sum;
}

}  // namespace

Result<fs::path> fetch(const RemoteSet& set, const std::function<void(std::string_view)>& progress) {
  const fs::path base = download_directory();
  if (base.empty()) return Error{Error::Kind::io, fmt::format("{}: nowhere to put it; try SOMA_DATA=DIRECTORY", set.name)};
  const fs::path directory = base / set.name;
  if (const Result<void> made = make_directory(directory); !made) return made.error();
  std::vector<std::string> mirrors(set.mirrors.begin(), set.mirrors.end());
  if (const char* own = std::getenv("SOMA_MIRROR"); own != nullptr && *own != '\0') mirrors = {own};
  for (const RemoteFile& remote : set.files) {
    const fs::path file = directory / remote.name;
    if (is_whole(file, remote.sha256)) {
      if (progress) progress(fmt::format("{} is there already", file.string()));
      continue;
    }
    if (const Result<void> fetched = fetch_file(remote, mirrors, directory, progress); !fetched)
      return Error{fetched.error().kind, fmt::format("{}: could not fetch {}: {}; try to put its files into {}", set.name,
                                                     remote.name, fetched.error().message, directory.string())};
  }
  if (progress) progress(fmt::format("{} is in {}", set.name, directory.string()));
  return directory;
}

Result<fs::path> fetch_dataset(std::string_view name, const std::function<void(std::string_view)>& progress) {
  std::string names;
  for (const RemoteSet& set : remote_sets()) {
    if (set.name == name) return fetch(set, progress);
    names += fmt::format("{}{}", names.empty() ? "" : ", ", set.name);
  }
  const KnownDataset* known = known_dataset(name);
  if (known != nullptr && known->generated)
    return Error{Error::Kind::usage, fmt::format("{}: built in, there is nothing to fetch", name)};
  return Error{Error::Kind::usage, fmt::format("fetch: no data set '{}'; known: {}", name, names)};
}

}  // namespace soma
