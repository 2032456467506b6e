// any text → a table or an error that names its place; the first byte picks how it is read.
#include <cstdint>
#include <string>
#include <string_view>

#include "data/table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  soma::DataOptions options;
  if ((data[0] & 1) != 0) options.labelled = false;
  if ((data[0] & 2) != 0) options.header = (data[0] & 4) != 0;
  if ((data[0] & 8) != 0) options.label = (data[0] & 16) != 0 ? "a" : "-1";
  if ((data[0] & 32) != 0) options.columns = {{"a", {}}, {"b", {"x", "y"}}};
  if ((data[0] & 64) != 0) options.class_names = {"0", "1"};
  if ((data[0] & 128) != 0) options.image_shape = {1, 1, 2};
  const soma::Result<soma::Dataset> table = soma::parse_table(std::string(text), "fuzz", options);
  if (!table) return 0;
  SOMA_REQUIRE(std::ssize(table->floats) + std::ssize(table->bytes) == table->count * table->sample_size());
  const bool classes = options.labelled && table->task == soma::Task::classes;
  SOMA_REQUIRE(std::ssize(table->labels) == (classes ? table->count : 0));
  SOMA_REQUIRE(std::ssize(table->targets) == table->count * std::ssize(table->target_names));
  for (const std::int32_t label : table->labels) SOMA_REQUIRE(label >= 0 && label < std::ssize(table->class_names));
  return 0;
}
