#include <cstdint>
#include <vector>

#include "base/error.h"
#include "model/checkpoint/safetensors.h"

// Whatever the bytes, an Error or tensors that lie within them: the copies fail under AddressSanitizer otherwise.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    for (const auto& tensor : cairn::parse_safetensors({reinterpret_cast<const std::byte*>(data), size})) {
      auto bytes = static_cast<std::size_t>(cairn::byte_size(tensor.view.dtype, tensor.view.shape));
      std::vector<std::byte> copy(tensor.view.data, tensor.view.data + bytes);
    }
  } catch (const cairn::Error&) {
  }
  return 0;
}
