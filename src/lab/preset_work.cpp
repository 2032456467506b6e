// a preset's name → what an experiment trains on: MNIST, or the built-in digits where it is not found.
#include "lab/preset_work.h"

namespace soma {

Result<PresetWork> load_preset_work(const char* preset_name, const LabOptions& options, std::int64_t limit) {
  auto config = preset(preset_name);
  if (!config) return config.error();
  const auto mnist = find_dataset("mnist");
  if (!mnist) return mnist.error();
  PresetWork work{std::move(*config), {}, mnist->has_value()};
  if (!work.mnist) {
    work.config.data.train = "digits";
    work.config.data.test = "digits:test";
    if (options.quick) work.config.data.count = 6000;
  }
  work.config.data.limit = limit;
  work.config.train.threads = options.threads;
  auto data = load_run_data(work.config);
  if (!data) return data.error();
  work.data = std::move(*data);
  return work;
}

}  // namespace soma
