// Kernel table of paged attention; one instance an instruction set.
#pragma once

#include <cstdint>

#include "ops/attention/kv_layout.h"

namespace cairn {

/// Positions that are handled between two updates of the running softmax. Part of the result's definition: the order of
/// every sum follows from it.
inline constexpr std::int64_t kStepTokens = 256;
inline constexpr std::int64_t kStepGroups = kStepTokens / kKvGroup;

/// What is asked for ahead of its use where a few rows wait for memory. Of groups of 4 KiB and more the first lines, so
/// many groups ahead: the processor's own prefetch then reads the rest, and asking for every line would take the places
/// in which it keeps its reads. Of shorter groups, at whose end it is still speeding up, every line.
inline constexpr std::int64_t kAhead = 8, kLinesAhead = 4;
inline constexpr std::int64_t kLongGroupBytes = 4096;

/// A softmax under way: floats [0] the maximum, [1] the sum, [2] and [3] scratch, [kStateHeader ..] the weighted sum of
/// values [head_dim].
inline constexpr std::int64_t kStateHeader = 16;

/// How q and probabilities are multiplied with the cache: as f32, or rounded to bf16.
enum class Products : std::uint8_t { f32, bf16 };

/// Positions that a tile of many rows passes over at a time, and of which decoded keys or values are kept.
inline constexpr std::int64_t kPartTokens = 64;

/// Positions of a step that a row sees; empty where begin >= end.
struct SeenRange {
  std::int64_t begin = 0, end = 0;
};

/// A tile of query rows against one step of positions. Rows stand in order of position.
struct AttentionStep {
  const void* k[kStepGroups + kAhead];  // groups of 16 keys and values, from the first that the first row sees to the
  const void* v[kStepGroups + kAhead];  // last that the last row sees, and kAhead places of what is read afterwards
  std::int64_t head_dim = 0;
  std::int64_t rows = 0;
  const void* q = nullptr;          // [rows, head_dim] as load_query made them
  const SeenRange* seen = nullptr;  // [rows], begin and end never below those of the row before
  float softcap = 0;                // c > 0: scores become c tanh(score / c)
  float* scores = nullptr;          // scratch [rows, kStepTokens]
  float* sums = nullptr;            // scratch [rows, head_dim]
  float* decoded = nullptr;         // scratch [kPartTokens, head_dim]
  float* states = nullptr;          // row r's state is at states + r * state_stride
  std::int64_t state_stride = 0;
  bool fresh = false;     // states are written instead of merged into
  bool few_rows = false;  // memory takes the time, not arithmetic
};

struct AttentionTable {
  /// q * scale, as f32 or rounded to bf16.
  void (*load_query)(const float* q, float scale, std::int64_t head_dim, Products products, void* out);
  /// [type of the cache][Products]; null where the products are not to be had, or cost more than those of f32.
  void (*step[kKvTypes][2])(const AttentionStep& step);
  /// Merges the state of a later range of positions into that of the earlier ones.
  void (*merge)(float* state, const float* later, std::int64_t head_dim);
  /// out = weighted sum / sum, or 0 when nothing was seen.
  void (*finish)(const float* state, float* out, std::int64_t head_dim);
};

}  // namespace cairn
