// a model file and one sample → ONNX Runtime's answer, through the C interface of its shared library.
#include "onnxruntime.h"

#include <dlfcn.h>

#include <cstdint>
#include <utility>

namespace soma::bench {
namespace {

// The package has no headers, and needs none: its interface is a table of functions that only ever grows at the end
// (onnxruntime_c_api.h), so a function's position in it is its name.
enum Position {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSession = 7,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetGraphOptimizationLevel = 23,
  kSetIntraOpThreads = 24,
  kCreateTensorWithData = 49,
  kCreateCpuMemoryInfo = 69,
};
constexpr std::uint32_t kInterface = 11;  // the version these positions are taken from; newer libraries serve it too
constexpr int kWarning = 2, kAllOptimizations = 99, kArenaAllocator = 1, kDefaultMemory = 0, kFloat = 1;

struct Base {
  void* const* (*table)(std::uint32_t version);
  const char* (*version)();
};

using Status = void*;

/// Calls a function of the table; its first failure is kept and ends everything after it.
class Table {
 public:
  explicit Table(void* const* functions) : functions_(functions) {}

  template <class... Arguments>
  void call(Position position, Arguments... arguments) {
    if (!problem.empty()) return;
    if (const Status failed = reinterpret_cast<Status (*)(Arguments...)>(functions_[position])(arguments...))
      problem = reinterpret_cast<const char* (*)(Status)>(functions_[kGetErrorMessage])(failed);
  }

  std::string problem;

 private:
  void* const* functions_;
};

}  // namespace

Result<OnnxSession> onnx_session(const std::string& library, const std::string& model, std::vector<float>& x,
                                 const std::vector<std::int64_t>& x_shape, std::vector<float>& y,
                                 const std::vector<std::int64_t>& y_shape) {
  void* opened = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* found = opened != nullptr ? dlsym(opened, "OrtGetApiBase") : nullptr;
  if (found == nullptr) return Error{Error::Kind::io, std::string("onnxruntime: ") + dlerror()};
  const Base* base = reinterpret_cast<const Base* (*)()>(found)();
  Table table(base->table(kInterface));
  void *environment = nullptr, *options = nullptr, *session = nullptr, *memory = nullptr, *input = nullptr, *output = nullptr;
  table.call(kCreateEnv, kWarning, "bench", &environment);
  table.call(kCreateSessionOptions, &options);
  table.call(kSetIntraOpThreads, options, 1);
  table.call(kSetGraphOptimizationLevel, options, kAllOptimizations);
  table.call(kCreateSession, static_cast<const void*>(environment), model.c_str(), static_cast<const void*>(options), &session);
  table.call(kCreateCpuMemoryInfo, kArenaAllocator, kDefaultMemory, &memory);
  const auto tensor = [&](std::vector<float>& numbers, const std::vector<std::int64_t>& shape, void** to) {
    table.call(kCreateTensorWithData, static_cast<const void*>(memory), static_cast<void*>(numbers.data()),
               numbers.size() * sizeof(float), shape.data(), shape.size(), kFloat, to);
  };
  tensor(x, x_shape, &input);
  tensor(y, y_shape, &output);
  if (!table.problem.empty()) return Error{Error::Kind::data, "onnxruntime: " + table.problem};

  const auto run = [table, session, input, output]() mutable {
    const char *x_name = "input", *y_name = "output";
    const void* inputs[] = {input};
    void* outputs[] = {output};
    table.call(kRun, session, static_cast<const void*>(nullptr), &x_name, &inputs[0], std::size_t{1}, &y_name, std::size_t{1},
               &outputs[0]);
    SOMA_REQUIRE(table.problem.empty());
  };
  return OnnxSession{base->version(), run};
}

}  // namespace soma::bench
