// What the operator benchmarks make their inputs of.
#pragma once

#include <random>

#include "ops/matmul/matmul.h"
#include "ops/matmul/packed_weight.h"
#include "runtime/arena.h"

namespace cairn::bench {

inline ValueType type_of(const TensorView& view) {
  return {view.dtype, SymShape(view.shape.dims().begin(), view.shape.dims().end()), view.layout};
}

/// A packed weight [n, k] in `arena` (packed_bytes, and 64 more a weight): 16-bit numbers near 1 where the format has
/// scales or floats; as good as any where it has quants.
inline TensorView random_packed(std::mt19937& random, Arena& arena, DType dtype, std::int64_t n, std::int64_t k) {
  const std::int64_t bytes = packed_bytes(dtype, n, k);
  TensorView weight = make_view(arena.allocate(static_cast<std::size_t>(bytes)), dtype, {n, k});
  weight.layout = Layout::panel16;
  for (std::int64_t b = 0; b < bytes / 2; ++b)
    weight.as<std::uint16_t>()[b] = static_cast<std::uint16_t>(0x3C00 ^ (random() & 0x80FF));
  return weight;
}

/// Rows [rows, k] as the kernels of a weight of `weight` read them.
inline Tensor random_activations(std::mt19937& random, DType weight, Isa isa, std::int64_t rows, std::int64_t k) {
  Tensor x(DType::f32, {rows, k});
  for (std::int64_t i = 0; i < rows * k; ++i) x.as<float>()[i] = 0.1f * static_cast<float>(random() % 16);
  const DType wanted = activation_dtype(weight, isa);
  if (wanted == DType::f32) return x;
  Tensor converted(wanted, {rows, k});
  const std::vector<TensorView> from = {x.view()}, to = {converted.view()};
  const std::vector<ValueType> types = {type_of(x.view())}, out_types = {type_of(converted.view())};
  kQuantizeActivation.prepare({types, out_types, {}, isa})->run(from, to, nullptr, 0, {});
  return converted;
}

}  // namespace cairn::bench
