// a request for a GPU → why there is none: this build was made without SOMA_GPU.
#include "gpu/device.h"

namespace soma {

bool built_with_gpu() { return false; }

Result<std::vector<Gpu>> gpus(std::vector<std::string>*) {
  return Error{Error::Kind::unavailable, "unavailable: built without SOMA_GPU"};
}

Result<std::vector<GpuCheck>> check_gpu(std::string_view) {
  return Error{Error::Kind::unavailable, "unavailable: built without SOMA_GPU"};
}

namespace gpu {

Result<std::unique_ptr<Device>> Device::open(std::string_view wanted) {
  return Error{Error::Kind::unavailable, "--device " + std::string(wanted) + ": unavailable: built without SOMA_GPU"};
}

}  // namespace gpu
}  // namespace soma
