#include <cstdint>

#include "base/error.h"
#include "model/checkpoint/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    cairn::parse_gguf({reinterpret_cast<const std::byte*>(data), size});
  } catch (const cairn::Error&) {
  }
  return 0;
}
