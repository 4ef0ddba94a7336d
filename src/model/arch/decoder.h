// What decoder-only models share; an architecture adds what is its own.
#pragma once

#include <string>
#include <vector>

#include "model/arch/architecture.h"

namespace cairn {

Graph build_llama(const Checkpoint& checkpoint, const OperatorRegistry& operators, const ModelGraphOptions& options);
Graph build_qwen3(const Checkpoint& checkpoint, const OperatorRegistry& operators, const ModelGraphOptions& options);

/// Builds the parts of a pre-norm decoder. Names of nodes are those of the weights they read.
class DecoderBuilder {
 public:
  DecoderBuilder(const Checkpoint& checkpoint, const OperatorRegistry& operators, const ModelGraphOptions& options);

  const ModelConfig& config() const { return config_; }

  ValueId embed();                                          // f32 [tokens, hidden]
  ValueId norm(ValueId x, const std::string& weight);       // RmsNorm over the last dimension
  ValueId linear(ValueId x, const std::string& weight, const std::string& bias = {});  // x W^T (+ b)
  ValueId heads(ValueId x, std::int64_t count, const std::string& name);               // [tokens, H*D] as [tokens, H, D]
  ValueId rotary(ValueId x, const std::string& name);
  /// Writes k and v [tokens, kv heads, D] to layer's cache and attends: [tokens, q heads * D].
  ValueId attention(ValueId q, ValueId k, ValueId v, std::int64_t layer, const std::string& name);
  ValueId swiglu(ValueId gate, ValueId up, const std::string& name);
  ValueId add(ValueId a, ValueId b, const std::string& name);
  /// Picks the rows whose logits are wanted, applies the final norm and the head; ends the graph.
  Graph finish(ValueId hidden);

 private:
  ValueId weight(const std::string& name);
  const Operator& op(std::string_view name) const { return operators_->find(name); }

  const Checkpoint* checkpoint_;
  const OperatorRegistry* operators_;
  const ModelConfig& config_;
  Graph graph_;
  ValueId token_ids_, positions_, slot_mapping_, query_start_loc_, seq_lens_, block_tables_, logits_rows_;
  std::vector<ValueId> k_cache_, v_cache_;
  std::vector<std::pair<std::string, ValueId>> weights_;  // those added so far: a tied one is added once
};

}  // namespace cairn
