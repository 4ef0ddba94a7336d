#include <gtest/gtest.h>

#include <cstdlib>

#include "backends/cpu/isa.h"
#include "base/error.h"

namespace cairn {
namespace {

TEST(Isa, EnvironmentCapsTheChoiceAndUnknownNamesAreRefused) {
  const char* before = std::getenv("CAIRN_ISA");
  std::string saved = before ? before : "";
  for (Isa isa : supported_isas()) {
    setenv("CAIRN_ISA", std::string(to_string(isa)).c_str(), 1);
    EXPECT_EQ(choose_isa(), isa);
  }
  setenv("CAIRN_ISA", "mmx", 1);
  EXPECT_THROW(choose_isa(), Error);
  unsetenv("CAIRN_ISA");
  EXPECT_EQ(choose_isa(), supported_isas().back());
  if (before) setenv("CAIRN_ISA", saved.c_str(), 1);
}

}  // namespace
}  // namespace cairn
