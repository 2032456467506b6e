// a model of packets → soma kernel load --at tc or socket, and soma kernel features: what such a model is trained on.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>

#include "interrupt.h"
#include "kernel_command.h"
#include "soma/classify.h"

namespace soma::app {
namespace {

/// "CLASS" or "CLASS=MARK" → which class, by name or number.
Result<std::pair<std::size_t, std::uint32_t>> verdict_of(const Model& model, const std::string& word, std::size_t classes) {
  const std::size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  std::size_t label = 0, read = 0;
  const auto named = std::find(model.class_names.begin(), model.class_names.end(), name);
  unsigned long mark = 1;
  try {
    label = named != model.class_names.end() ? static_cast<std::size_t>(named - model.class_names.begin())
                                             : static_cast<std::size_t>(std::stoul(name, &read));
    if (equals != std::string::npos) mark = std::stoul(word.substr(equals + 1), &read, 0);
  } catch (const std::exception&) {
    label = classes;
  }
  if (label < classes && mark <= 0xffffffff) return std::pair(label, static_cast<std::uint32_t>(mark));
  return Error{Error::Kind::usage, fmt::format("kernel: wanted a class of {}, got '{}'; try soma info", model.name, word)};
}

struct CaptureOptions {
  std::string file;
};

/// pcap, as tcpdump -w writes it: a CSV of features.
int features(const CaptureOptions& options) {
  std::ifstream file(options.file, std::ios::binary);
  std::array<std::uint32_t, 6> head{};
  const auto wrong = [&](std::string_view got) {
    return complain({Error::Kind::data,
                     fmt::format("kernel: {}: wanted a capture of Ethernet frames, got {}; try tcpdump -w", options.file, got)});
  };
  if (!file.read(reinterpret_cast<char*>(head.data()), sizeof(head))) return wrong("a shorter file");
  constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4, kNanoseconds = 0xa1b23c4d, kEthernet = 1, kMostFrame = 1 << 18;
  if (head[0] != kMicroseconds && head[0] != kNanoseconds) return wrong("another format");
  if ((head[5] & 0xffff) != kEthernet) return wrong("frames of another kind");
  for (std::size_t i = 0; i < kFlowFeatures.size(); ++i) fmt::print("{}{}", i == 0 ? "" : ",", kFlowFeatures[i]);
  fmt::print("\n");
  FlowTable flows;
  std::array<std::uint32_t, 4> packet{};  // seconds, their fraction, bytes here, bytes there were
  std::vector<std::uint8_t> frame;
  while (file.read(reinterpret_cast<char*>(packet.data()), sizeof(packet))) {
    if (packet[2] > kMostFrame) return wrong("a frame too long");
    frame.resize(packet[2]);
    if (!file.read(reinterpret_cast<char*>(frame.data()), static_cast<std::streamsize>(frame.size())))
      return wrong("half a frame");
    const std::uint64_t fraction = head[0] == kNanoseconds ? packet[1] : std::uint64_t{1000} * packet[1];
    const auto row = flows.add(frame, std::uint64_t{1'000'000'000} * packet[0] + fraction);
    for (std::size_t i = 0; row && i < row->size(); ++i) fmt::print("{}{:.0f}", i == 0 ? "" : ",", (*row)[i]);
    if (row) fmt::print("\n");
  }
  return done;
}

}  // namespace

int load_classifier(const ClassifyOptions& options) {
  const auto usage = [](std::string message) { return complain({Error::Kind::usage, std::move(message)}); };
  const bool socket = options.at == "socket";
  if (socket ? options.process == 0 : options.interface.empty())
    return usage(fmt::format("kernel: wanted {} with --at {}; try {}", socket ? "--process and --port" : "--dev", options.at,
                             socket ? "ss -lup" : "ip link"));
  const Result<Model> model = read_onnx(options.model);
  if (!model) return complain(model.error());
  ClassifierOptions wanted;
  wanted.max_products = options.max_products;
  const std::size_t classes = model->class_names.empty() ? 256 : model->class_names.size();
  for (const auto& [words, kind] : {std::pair(&options.drop, Verdict::Kind::drop), std::pair(&options.mark, Verdict::Kind::mark)})
    for (const std::string& word : *words) {
      const auto verdict = verdict_of(*model, word, classes);
      if (!verdict) return complain(verdict.error());
      wanted.verdicts.resize(std::max(wanted.verdicts.size(), verdict->first + 1));
      wanted.verdicts[verdict->first] = {kind, verdict->second};
    }
  if (wanted.verdicts.empty()) return usage("kernel: wanted --drop or --mark with a class, got neither; try --drop CLASS");
  auto classifier = KernelClassifier::load(*model, wanted);
  if (!classifier) return complain(classifier.error());
  const auto* stop = catch_interrupts();
  const auto attached =
      socket ? classifier->gate(options.process, options.port) : classifier->attach(options.interface, options.at == "tc-egress");
  if (!attached) return complain(attached.error());
  fmt::print("{} looks at every packet {}; Ctrl-C ends it\n", model->name,
             socket ? fmt::format("to UDP port {} of process {}", options.port, options.process)
                    : fmt::format("that {} {}", options.interface, options.at == "tc-egress" ? "sends" : "receives"));
  std::fflush(stdout);
  while (!stop->load() && classifier->attached()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto counted = classifier->counters();
  if (!counted) return complain(counted.error());
  fmt::print("{} passed, {} marked, {} dropped\n", counted->passed, counted->marked, counted->dropped);
  return done;
}

void add_features(CLI::App& command, Action& action) {
  auto options = std::make_shared<CaptureOptions>();
  CLI::App* each = command.add_subcommand("features", "What a model for --at tc sees of each packet of a capture, as CSV");
  each->add_option("FILE", options->file, "As tcpdump -w writes it")->required();
  each->callback([options, &action] { action = [options] { return features(*options); }; });
}

}  // namespace soma::app
