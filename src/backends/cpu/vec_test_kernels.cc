#include "backends/cpu/vec_test_kernels.h"

#include "backends/cpu/vec.h"

namespace cairn::CAIRN_ISA {
namespace {

bool is(const char* a, const char* b) { return __builtin_strcmp(a, b) == 0; }

void unary(const char* op, const float* x, float* y) {
  Vf a = load(x);
  if (is(op, "exp")) store(y, exp(a));
  if (is(op, "sigmoid")) store(y, sigmoid(a));
  if (is(op, "round")) store(y, round_nearest(a));
  if (is(op, "abs")) store(y, abs(a));
  if (is(op, "pow2")) store(y, pow2(a));
  if (is(op, "bf16")) {
    std::uint16_t bits[16];
    store_bf16(bits, a);
    store(y, load_bf16(bits));
  }
}

float reduce(const char* op, const float* x) { return is(op, "add") ? reduce_add(load(x)) : reduce_max(load(x)); }

void dot_bytes(bool small, const std::uint8_t* w, const std::int8_t* a, std::int32_t* acc) {
  istore(acc, small ? dot_u7i8(iload(acc), bload(w), bload(a)) : dot_u8i8(iload(acc), bload(w), bload(a)));
}

void dot_pairs(const std::uint16_t* w, const std::uint16_t* a, float* acc) {
  store(acc, dot_bf16(load(acc), bload(w), bload(a)));
}

void load16(bool half, const std::uint16_t* x, float* y) { store(y, half ? load_f16(x) : load_bf16(x)); }

void to_i8(const float* x, std::int8_t* y) { store_i8(y, to_int(load(x))); }

}  // namespace

extern const VecTable kVecTable;
const VecTable kVecTable = {unary, reduce, dot_bytes, dot_pairs, load16, to_i8};

}  // namespace cairn::CAIRN_ISA
