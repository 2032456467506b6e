// LabOptions → LabReport: every experiment, one function each.
#pragma once

#include <string>

#include "soma/lab.h"

namespace soma {

/// Says what is being measured, when somebody listens.
inline void say(const LabOptions& options, const std::string& line) {
  if (options.progress) options.progress(line);
}

// Each fills tables, charts, verdicts and notes; run_experiment adds machine, target, compiler and time.
Result<LabReport> run_peak(const LabOptions& options);
Result<LabReport> run_gemm(const LabOptions& options);
Result<LabReport> run_layers(const LabOptions& options);
Result<LabReport> run_train(const LabOptions& options);
Result<LabReport> run_latency(const LabOptions& options);
Result<LabReport> run_serve(const LabOptions& options);
Result<LabReport> run_go_service_layers(const LabOptions& options);
Result<LabReport> run_in_kernel(const LabOptions& options);
Result<LabReport> run_toynn_platforms(const LabOptions& options);
Result<LabReport> run_gpu(const LabOptions& options);
Result<LabReport> run_cnn_timeline(const LabOptions& options);
Result<LabReport> run_neuro_go(const LabOptions& options);
Result<LabReport> run_thesis_speedup(const LabOptions& options);

}  // namespace soma
