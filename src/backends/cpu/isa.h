// Instruction sets of the CPU backend, chosen at run time.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace cairn {

/// From least to most capable; each includes those before it in its family of processors.
enum class Isa : std::uint8_t {
  portable,      // the compiler's baseline of the target
  avx2,          // x86-64: AVX2, FMA, F16C
  avx512,        // AVX-512 F, BW, VL, DQ, CD
  avx512_vnni,   // + VNNI
  avx512_bf16,   // + BF16
  neon,          // aarch64: every processor's NEON
  neon_dotprod,  // + dot products of bytes (FEAT_DotProd)
  neon_i8mm,     // + those of unsigned with signed bytes (FEAT_I8MM)
};

std::string_view to_string(Isa isa);

/// Instruction sets this build has kernels for and this processor runs, least first; never empty.
std::vector<Isa> supported_isas();

/// The most capable supported set, or the one that the environment variable CAIRN_ISA names.
/// Throws unsupported when it names one that is unknown or does not run here, listing those that do.
Isa choose_isa();

}  // namespace cairn

// CAIRN_FOR_EACH_ISA(X) expands X(name) for every instruction set that this build has kernels for; kernel families use
// it to declare and collect their per-set tables.
#if defined(__x86_64__)
#define CAIRN_FOR_EACH_ISA(X) X(portable) X(avx2) X(avx512) X(avx512_vnni) X(avx512_bf16)
#elif defined(__aarch64__)
#define CAIRN_FOR_EACH_ISA(X) X(portable) X(neon) X(neon_dotprod) X(neon_i8mm)
#else
#define CAIRN_FOR_EACH_ISA(X) X(portable)
#endif
