#include "backends/cpu/isa.h"

#include <array>
#include <cstdlib>
#include <string>

#include "base/error.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace cairn {
namespace {

constexpr std::array<std::string_view, 8> kNames = {"portable",    "avx2", "avx512",       "avx512_vnni",
                                                    "avx512_bf16", "neon", "neon_dotprod", "neon_i8mm"};

bool runs_here(Isa isa) {
  if (isa == Isa::portable) return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  switch (isa) {
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
             __builtin_cpu_supports("bmi2");
    case Isa::avx512:
      return runs_here(Isa::avx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd");
    case Isa::avx512_vnni: return runs_here(Isa::avx512) && __builtin_cpu_supports("avx512vnni");
    case Isa::avx512_bf16: return runs_here(Isa::avx512_vnni) && __builtin_cpu_supports("avx512bf16");
    default: break;
  }
#elif defined(__aarch64__)
  switch (isa) {
    case Isa::neon: return getauxval(AT_HWCAP) & HWCAP_ASIMD;
    case Isa::neon_dotprod: return runs_here(Isa::neon) && getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
    case Isa::neon_i8mm: return runs_here(Isa::neon_dotprod) && getauxval(AT_HWCAP2) & HWCAP2_I8MM;
    default: break;
  }
#endif
  return false;
}

}  // namespace

std::string_view to_string(Isa isa) { return kNames[static_cast<std::size_t>(isa)]; }

std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
#define X(name) \
  if (runs_here(Isa::name)) isas.push_back(Isa::name);
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return isas;
}

Isa choose_isa() {
  std::vector<Isa> isas = supported_isas();
  const char* wanted = std::getenv("CAIRN_ISA");
  if (!wanted || !*wanted) return isas.back();
  std::string list;
  for (Isa isa : isas) {
    if (to_string(isa) == wanted) return isa;
    list += (list.empty() ? "" : ", ") + std::string(to_string(isa));
  }
  fail(ErrorKind::unsupported, "CAIRN_ISA={} does not run here; this machine and build run: {}", wanted, list);
}

}  // namespace cairn
