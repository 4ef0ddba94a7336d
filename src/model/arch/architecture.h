// Architectures: each model's forward pass written once, as code that builds a graph.
#pragma once

#include <span>
#include <string_view>

#include "graph/graph.h"
#include "model/checkpoint/checkpoint.h"

namespace cairn {

/// The largest batch and the cache that a model graph is built for.
struct ModelGraphOptions {
  std::int64_t max_num_batched_tokens = 2048;
  std::int64_t max_num_seqs = 256;
  std::int64_t max_blocks_per_seq = 512;
  std::int64_t block_size = 16;
  std::int64_t num_kv_blocks = 1;
  DType kv_dtype = DType::bf16;  // f32, f16, bf16, i8 or f8_e4m3
};

/// One architecture of the table.
struct Architecture {
  std::string_view name;  // ModelConfig::architecture
  Graph (*build)(const Checkpoint&, const OperatorRegistry&, const ModelGraphOptions&);
};

std::span<const Architecture> architectures();

/// Builds the forward graph of a decoder-only language model.
///
/// Inputs, in order: token_ids i32 [tokens], positions i32 [tokens], slot_mapping i64 [tokens],
/// query_start_loc i32 [bounds] (sequences + 1), seq_lens i32 [seqs], block_tables i32 [seqs, blocks],
/// logits_rows i32 [rows], then k_cache.L and v_cache.L (kv_dtype, kv_cache_shape of ops/attention/kv_cache.h) for each
/// layer L. Output: logits f32 [rows, vocab_size].
///
/// Throws unsupported for an architecture that is not in the table, not_found for a missing tensor.
Graph build_model_graph(const Checkpoint& checkpoint, const OperatorRegistry& operators, const ModelGraphOptions& options);

/// Bytes of KV cache that one block takes over all layers.
std::int64_t kv_block_bytes(const ModelConfig& config, const ModelGraphOptions& options);

}  // namespace cairn
