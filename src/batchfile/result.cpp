// what a pass found → a line of the result file, in the thesis's columns; the text of a result file → with one line more.
#include "batchfile/result.h"

#include <fmt/format.h>

#include "soma/batchfile.h"

namespace soma {

std::string batch_result_header() {
  return "Mode;CPUs;Parallel;WorkerBatch;LearningRate;WorkerSetupTime;EpochElapsedTime;EpochLines;TotalElapsedTime;TotalLines;"
         "Correct;Incorrect;CorrectPercent;IncorrectPercent;ErrorRate";
}

std::string to_line(const BatchResult& r) {
  std::string line =
      fmt::format("{};{};{};{};{:.10f};{:.10f};{:.10f};{};{:.10f};{};", r.train ? "train" : "test", r.cores, r.parallel,
                  r.worker_batch, r.rate, r.setup_seconds, r.seconds, r.lines, r.total_seconds, r.total_lines);
  if (r.train) return line + ";;;;";
  const double percent = 100.0 / static_cast<double>(r.correct + r.incorrect);
  return line + fmt::format("{};{};{:.10f};{:.10f};{:.10f}", r.correct, r.incorrect, static_cast<double>(r.correct) * percent,
                            static_cast<double>(r.incorrect) * percent, r.error_rate);
}

std::string with_result_line(std::string text, std::string_view line) {
  const std::size_t end = text.rfind('\n');
  text.resize(end == std::string::npos ? 0 : end + 1);
  if (text.empty()) text = batch_result_header() + "\n";
  return text.append(line).append("\n");
}

}  // namespace soma
