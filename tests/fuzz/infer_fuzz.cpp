// any body and header length → an inference request that fits the model, or one line that says why not.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "serve/infer_answer.h"
#include "serve/infer_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace soma;
  static const ModelFace model = {"m", "1", {1, 2, 2}, 2, {"a", "b"}};
  static http::Budget budget(std::size_t{1} << 30);
  if (size == 0) return 0;
  // The first byte is the header's length, or 255 for none.
  const std::string header = data[0] == 255 ? "" : std::to_string(data[0]);
  const std::span<const std::byte> body(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  InferRequest request;
  const auto read = read_infer_request(body, header, model, {.rows = 1000, .depth = 20}, budget, request);
  if (!read) {
    SOMA_REQUIRE(read.error().message.starts_with("infer: ") && read.error().message.find('\n') == std::string::npos);
    return 0;
  }
  const std::size_t value = request.layout == Layout::bytes ? 1 : sizeof(float);
  SOMA_REQUIRE(request.rows >= 0 && request.rows <= 1000);
  SOMA_REQUIRE(request.samples.size() == static_cast<std::size_t>(request.rows) * 4 * value);
  http::SlabPool pool;
  http::Buffer answer;
  answer.start(pool, 100);
  const std::vector<float> y(static_cast<std::size_t>(request.rows) * 2, 0.5F);
  const auto json = write_infer_answer(request, model, y, answer);
  SOMA_REQUIRE(json.ok() && *json <= answer.size() && answer.view().starts_with('{'));
  return 0;
}
