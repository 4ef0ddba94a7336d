// The seam between the engine's bookkeeping and the model: a step's batch goes in, logits come out.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace cairn {

/// The flattened tokens of one step, sequence after sequence. Field terms as vLLM's.
struct StepBatch {
  std::vector<std::int32_t> token_ids;        // [tokens]
  std::vector<std::int32_t> positions;        // [tokens] position in its sequence
  std::vector<std::int64_t> slot_mapping;     // [tokens] block_id * block_size + offset: where the token's KV goes
  std::vector<std::int32_t> query_start_loc;  // [seqs + 1] first token of each sequence; the last is the token count
  std::vector<std::int32_t> seq_lens;         // [seqs] tokens in the cache after this step
  std::vector<std::int32_t> block_tables;     // [seqs, max_blocks] ids; unused entries 0
  std::int64_t max_blocks = 0;
  std::vector<std::int32_t> logits_rows;  // [rows] indices of the tokens whose logits are wanted
};

/// Runs the model over a paged KV cache that it owns. Used from one thread at a time.
class ModelRunner {
 public:
  virtual ~ModelRunner() = default;
  virtual int vocab_size() const = 0;
  virtual std::int64_t max_model_len() const = 0;
  virtual std::int64_t block_size() const = 0;     // tokens a KV block
  virtual std::int64_t num_kv_blocks() const = 0;  // block 0 is the null block, never given to a request
  virtual std::int64_t max_num_batched_tokens() const = 0;
  virtual std::int64_t max_num_seqs() const = 0;
  /// Logits [rows, vocab_size] f32, row-major, valid until the next call. May be modified by the caller.
  /// A row's bits do not depend on what else is in the batch. In each layer the keys and values of the whole batch are
  /// stored before any attention reads them: sequences that start in the same step share a common prefix's blocks.
  virtual std::span<float> execute(const StepBatch& batch) = 0;
  /// Runs body(i) for i in [0, n) on the runner's threads; returns when all are done.
  virtual void parallel_for(std::int64_t n, const std::function<void(std::int64_t)>& body) {
    for (std::int64_t i = 0; i < n; ++i) body(i);
  }
};

}  // namespace cairn
