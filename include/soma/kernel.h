// an int8 model → answers from inside the Linux kernel; a sample ↔ the messages that ask for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soma/error.h"
#include "soma/model.h"

namespace soma {

/// How the values of a question are written, in the order of a picture: rows, columns, channels.
enum class ValueType : std::uint8_t {
  byte = 0,     ///< the number itself, as pixels are
  int16 = 1,    ///< a number of KernelOptions::int16_units-ths
  float32 = 2,  ///< the number
};

/// What the kernel (or `soma serve`) says to one question.
struct KernelAnswer {
  std::uint64_t id = 0;        ///< the question's
  std::uint32_t model = 0;     ///< which model said so: kernel_model_tag of it
  std::int32_t label = 0;      ///< index of the greatest output, the first of equal ones; -1 where there is none
  std::vector<float> outputs;  ///< none: the values before those of a stream are not there; the whole window is wanted
};

/// The payload of a UDP packet; docs/in-kernel.md has every byte. It is padded so that an answer with `outputs` numbers is no
/// longer than the question: others are not answered. The values are whole ones of `type`.
/// `position`: they go on a stream, whose value so many they begin with; less than a sample where the ones before are known.
std::vector<std::uint8_t> make_question(ValueType type, std::span<const std::uint8_t> values, std::uint64_t id,
                                        std::int64_t outputs = 16, std::optional<std::uint64_t> position = {});
[[nodiscard]] Result<KernelAnswer> read_answer(std::span<const std::uint8_t> payload);

/// Tells models apart: a checksum of everything that the kernel computes with. Never 0.
[[nodiscard]] Result<std::uint32_t> kernel_model_tag(const Model& model, double int16_units = 1);

/// How the bytecode counts turns.
enum class KernelLoops {
  automatic,  ///< as this kernel can
  may_goto,   ///< Linux 6.9: verified in constant time
  bounded,    ///< Linux 5.18: the verifier walks every turn, which takes CAP_PERFMON; no streams
};

struct KernelOptions {
  std::uint16_t port = 9000;
  std::int64_t max_products = 100'000;            ///< multiply-adds of one answer; at most kMostKernelProducts
  std::int64_t questions_per_second = 1'000'000;  ///< of one source, and a hundredth of it at once; more are dropped
  double int16_units = 1;                         ///< an int16 n stands for n / int16_units
  std::int64_t streams = 1024;                    ///< clients whose last values are kept; 0 = of none
  KernelLoops loops = KernelLoops::automatic;
};
inline constexpr std::int64_t kMostKernelProducts = 400'000;  ///< 50 µs of a processor that does nothing else meanwhile

/// How long one answer takes: the whole program by BPF_PROG_TEST_RUN, and the network alone by the executor of `soma serve` on
/// this processor, in turns; the best of each.
struct KernelTiming {
  double kernel_ns = 0, user_ns = 0;
  std::int64_t instructions = 0, verified_instructions = 0, jited_bytes = 0;
};

/// Packets of one program since it was loaded, over all processors. Of one at tc: marked, passed, dropped.
struct KernelCounters {
  std::uint64_t answered = 0;
  std::uint64_t passed = 0;   ///< to its port, but no question that it answers: left to the rest of the system, untouched
  std::uint64_t limited = 0;  ///< dropped: too many from one source
};

struct BpfOptions {
  ValueType type = ValueType::byte;  ///< of the values that callers write
  double int16_units = 1;
  std::int64_t max_products = 100'000;
  std::uint16_t port = 9000;  ///< of the program
};
/// A model in 8 bits as a function for other people's BPF programs: `directory`/NAME.bpf.h to include and NAME.bpf.o to link (the
/// header says how it is called), and as a whole program that answers at a port: NAME.xdp.o, for whatever loads BPF objects.
[[nodiscard]] Result<void> write_bpf(const Model& model, const std::filesystem::path& directory, const std::string& name,
                                     const BpfOptions& options = {});

enum class KernelMode {
  automatic,  ///< native where the driver can, else generic; on veth generic
  native,
  generic,
};

/// How one model took the place of another.
enum class KernelSwap {
  weights,  ///< the bytecode is the same: one store
  program,
};

/// A model loaded into the kernel, answering nobody until it is attached. One thread may call it at a time. Everything is undone
/// by the destructor, or by the end of the process.
class KernelProgram {
 public:
  /// Fails in one line: on models without a quantization, layers or sizes that have no room, and where the kernel or the
  /// process's capabilities do not allow it, naming what is missing.
  [[nodiscard]] static Result<KernelProgram> load(const Model& model, const KernelOptions& options = {});
  KernelProgram(KernelProgram&&) noexcept;
  KernelProgram& operator=(KernelProgram&&) noexcept;
  ~KernelProgram();

  /// The answer to one question, through the whole program on a made-up packet (BPF_PROG_TEST_RUN): what a client would get.
  /// Fails when the program passes it on.
  [[nodiscard]] Result<KernelAnswer> ask(ValueType type, std::span<const std::uint8_t> values);
  /// The same with a frame of the caller's: the frame that would be sent, or empty when it is passed on (in `frame` is then what
  /// the rest of the system sees).
  [[nodiscard]] Result<std::vector<std::uint8_t>> run(std::vector<std::uint8_t>& frame);
  /// The same question `repeat` times, twenty times over.
  [[nodiscard]] Result<KernelTiming> time(ValueType type, std::span<const std::uint8_t> values, std::uint32_t repeat);

  /// Answers questions that arrive at a network interface of this process's network namespace, until the end of this object, or,
  /// where `pin` names a new file in a bpf file system, until unload_kernel. Returns the mode it got.
  [[nodiscard]] Result<KernelMode> attach(const std::string& interface, KernelMode mode = KernelMode::automatic,
                                          const std::string& pin = "");
  /// What to know about how it is attached, in one line; mostly "".
  [[nodiscard]] std::string warning() const;
  /// False before attach, and when somebody has unloaded it.
  [[nodiscard]] bool attached() const;
  /// From one packet to the next another model. No packet is lost or answered by a mixture.
  [[nodiscard]] Result<KernelSwap> swap(const Model& model);

  [[nodiscard]] Result<KernelCounters> counters() const;
  [[nodiscard]] std::int64_t products() const;
  [[nodiscard]] std::uint32_t model_tag() const;

 private:
  struct State;
  explicit KernelProgram(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A program of soma's that answers at a network interface now, whichever process loaded it.
struct RunningKernel {
  std::uint32_t id = 0;  ///< its link's, in the kernel
  std::string model;     ///< its name, at most 63 bytes of it
  std::uint32_t model_tag = 0;
  std::int64_t products = 0;
  std::string interface;  ///< as whoever loaded it called it, in the network namespace of that process
  KernelMode mode = KernelMode::native;
  std::string tc;  ///< "ingress" or "egress" of a KernelClassifier, which has no port; "" at XDP
  std::uint16_t port = 0;
  std::int64_t process = 0;  ///< that loaded it
  std::string pin;           ///< "" where it ends with that process
};

/// All of this machine. Takes root, as the next three do.
[[nodiscard]] Result<std::vector<RunningKernel>> running_kernels();

/// What a program did since it was loaded, and how long a run of it took on average while somebody watched.
struct KernelUse {
  KernelCounters counters;
  std::uint64_t runs = 0;  ///< within the watch; 0 where no packet came
  double run_ns = 0;
};
/// Watches for `seconds`. Meanwhile the kernel takes the time of every BPF program's runs, which costs each some 20 ns.
[[nodiscard]] Result<KernelUse> watch_kernel(std::uint32_t id, double seconds);
/// KernelProgram::swap from outside, with the options it was loaded with but for `max_products`.
[[nodiscard]] Result<KernelSwap> swap_kernel(std::uint32_t id, const Model& model, std::int64_t max_products);
/// Detaches it from its interface, and takes away its pin.
[[nodiscard]] Result<void> unload_kernel(std::uint32_t id);

/// Asks over UDP. One thread may call it at a time.
class KernelClient {
 public:
  /// `address` is HOST:PORT or [HOST]:PORT.
  [[nodiscard]] static Result<KernelClient> connect(const std::string& address);
  KernelClient(KernelClient&&) noexcept;
  KernelClient& operator=(KernelClient&&) noexcept;
  ~KernelClient();

  /// Asks again after a second without an answer, three times in all.
  [[nodiscard]] Result<KernelAnswer> ask(ValueType type, std::span<const std::uint8_t> values, std::int64_t outputs = 16);
  /// The same for a stream: only the last `fresh` values of the window, which are new since the last call, are sent, and the
  /// whole of it the first time and where those before have been forgotten.
  [[nodiscard]] Result<KernelAnswer> ask_next(ValueType type, std::span<const std::uint8_t> window, std::int64_t fresh,
                                              std::int64_t outputs = 16);
  /// How many times it had to ask again.
  [[nodiscard]] std::int64_t repeated() const { return repeated_; }

 private:
  KernelClient(int socket, std::string address);
  Result<KernelAnswer> exchange(const std::vector<std::uint8_t>& question);
  int socket_ = -1;
  std::string address_;
  std::uint64_t asked_ = 0, streamed_ = 0;
  std::int64_t repeated_ = 0;
};

}  // namespace soma
