// Attention over a paged KV cache (kv_layout.h).
#pragma once

#include "ops/core/operator.h"

namespace cairn {

/// WriteKv(k f32 [T, Hkv, D], v f32 [T, Hkv, D], k_cache, v_cache of kv_cache_shape(dtype, num_blocks, Hkv, block_size,
/// D), slot_mapping i64 [T]) -> (k_cache, v_cache), updated in place. Token t goes to slot_mapping[t] = block *
/// block_size + offset, rounded to the cache's type; slots outside the cache (negative: padding) are skipped. No two
/// tokens share a slot. What is stored differs from x by at most
///   f32      nothing;
///   f16      2^-11 |x| + 2^-25, infinity beyond 65504;
///   bf16     2^-8 |x|;
///   i8       max |x| / 254 over the token's head (plus rounding of f32): integers of -127 .. 127 and one scale a token
///            and head, max |x| / 127; a row with nan or infinity becomes nan;
///   f8_e4m3  2^-4 |x| + 2^-10; beyond 448 it saturates.
extern const Operator kWriteKv;

/// RotaryWriteKv(q f32 [T, Hq, D], k f32 [T, Hkv, D], v f32 [T, Hkv, D], k_cache, v_cache, slot_mapping i64 [T],
/// positions i32 [T], then rope_freqs f32 [rotary_dim / 2] with attribute rope_freqs = 1, then q_norm and k_norm [D]
/// with attribute eps) -> (q [T, Hq, D], k_cache, v_cache): RmsNorm of each head of q and k where there are norms, then
/// RotaryEmbedding of q and k with its attributes, then WriteKv, all in one step and with the bits of those operators.
extern const Operator kRotaryWriteKv;

/// PagedAttention(q f32 [T, Hq, D], k_cache, v_cache, block_tables i32 [S, max_blocks], query_start_loc i32 [S + 1],
/// seq_lens i32 [S]) -> f32 [T, Hq * D]; attributes scale, products "f32" (default) or "bf16", sliding_window W (0:
/// none) and attn_logit_softcapping c (0: none). Sequence s owns tokens query_start_loc[s] .. query_start_loc[s + 1];
/// token j of L sits at position seq_lens[s] - L + j and sees positions 0 .. its own, with a window only the last W of
/// them; what nothing sees is not read. Query head h reads KV head h / (Hq / Hkv). Scores are q . k * scale, capped to
/// c tanh(score / c). Softmax in f32; a token that sees nothing gives 0. Tokens of no sequence are left unwritten. D is
/// a multiple of 16 up to 512. A token's result has the same bits whatever else is in the batch, however its prefill
/// was cut and whatever the number of workers: sums run over fixed steps of 256 positions counted from 0, merged in
/// order. Against the formula with the cache's values: absolute error below 2^-18 * (1 + max |score|) * max |v|. With
/// products "bf16" q and the probabilities (times the scales of an i8 cache) may be rounded to bf16 before they are
/// multiplied with a bf16, i8 or f8_e4m3 cache, whose elements bf16 holds, where the processor has such products: error
/// below 2^-7 * (1 + max |score|) * max |v|.
extern const Operator kPagedAttention;

}  // namespace cairn
