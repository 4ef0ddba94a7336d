#include "model/arch/decoder.h"

#include <cmath>

#include "base/error.h"
#include "ops/attention/kv_cache.h"

namespace cairn {

DecoderBuilder::DecoderBuilder(const Checkpoint& checkpoint, const OperatorRegistry& operators, const ModelGraphOptions& options)
    : checkpoint_(&checkpoint), operators_(&operators), config_(checkpoint.config()), graph_(config_.architecture) {
  Dim tokens = graph_.add_symbol("tokens", options.max_num_batched_tokens);
  Dim seqs = graph_.add_symbol("seqs", options.max_num_seqs);
  Dim bounds = graph_.add_symbol("bounds", options.max_num_seqs + 1);
  Dim blocks = graph_.add_symbol("blocks", options.max_blocks_per_seq);
  Dim rows = graph_.add_symbol("rows", options.max_num_batched_tokens);
  token_ids_ = graph_.add_input("token_ids", {DType::i32, {tokens}});
  positions_ = graph_.add_input("positions", {DType::i32, {tokens}});
  slot_mapping_ = graph_.add_input("slot_mapping", {DType::i64, {tokens}});
  query_start_loc_ = graph_.add_input("query_start_loc", {DType::i32, {bounds}});
  seq_lens_ = graph_.add_input("seq_lens", {DType::i32, {seqs}});
  block_tables_ = graph_.add_input("block_tables", {DType::i32, {seqs, blocks}});
  logits_rows_ = graph_.add_input("logits_rows", {DType::i32, {rows}});
  const Shape cache_shape = kv_cache_shape(options.kv_dtype, options.num_kv_blocks, config_.num_key_value_heads,
                                           options.block_size, config_.head_dim);
  const ValueType cache{options.kv_dtype, SymShape(cache_shape.dims().begin(), cache_shape.dims().end())};
  for (std::int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    k_cache_.push_back(graph_.add_input(fmt::format("k_cache.{}", layer), cache));
    v_cache_.push_back(graph_.add_input(fmt::format("v_cache.{}", layer), cache));
  }
}

ValueId DecoderBuilder::weight(const std::string& name) {
  for (const auto& [known, id] : weights_)
    if (known == name) return id;
  const TensorEntry* entry = checkpoint_->find(name);
  if (!entry) fail(ErrorKind::not_found, "{}: tensor '{}' is missing", checkpoint_->path(), name);
  weights_.emplace_back(name, graph_.add_weight(name, entry->view));
  return weights_.back().second;
}

ValueId DecoderBuilder::embed() {
  return graph_.add1(op("Embedding"), "embed_tokens", {token_ids_, weight("model.embed_tokens.weight")});
}

ValueId DecoderBuilder::norm(ValueId x, const std::string& name) {
  return graph_.add1(op("RmsNorm"), name, {x, weight("model." + name + ".weight")}, {{"eps", config_.rms_norm_eps}});
}

ValueId DecoderBuilder::linear(ValueId x, const std::string& name, const std::string& bias) {
  ValueId y = graph_.add1(op("MatMul"), name, {x, weight("model." + name + ".weight")});
  return bias.empty() ? y : graph_.add1(op("Add"), bias, {y, weight("model." + bias)});
}

ValueId DecoderBuilder::heads(ValueId x, std::int64_t count, const std::string& name) {
  return graph_.add1(op("Reshape"), name + ".heads", {x}, {{"heads", count}});
}

ValueId DecoderBuilder::rotary(ValueId x, const std::string& name) {
  const RopeConfig& rope = config_.rope;
  Attributes attributes = {{"theta", rope.theta}, {"interleaved", std::int64_t{rope.interleaved}}, {"rotary_dim", config_.head_dim},
                           {"scaling", rope.scaling}, {"factor", rope.factor}, {"low_freq_factor", rope.low_freq_factor},
                           {"high_freq_factor", rope.high_freq_factor},
                           {"original_max_position_embeddings", rope.original_max_position_embeddings}};
  std::vector<ValueId> inputs = {x, positions_};
  if (checkpoint_->find("rope_freqs.weight")) inputs.push_back(weight("rope_freqs.weight"));
  return graph_.add1(op("RotaryEmbedding"), name + ".rotary", std::move(inputs), std::move(attributes));
}

ValueId DecoderBuilder::attention(ValueId q, ValueId k, ValueId v, std::int64_t layer, const std::string& name) {
  auto l = static_cast<std::size_t>(layer);
  std::vector<ValueId> caches = graph_.add(op("WriteKv"), name + ".kv", {k, v, k_cache_[l], v_cache_[l], slot_mapping_});
  Attributes attributes = {{"scale", 1.0 / std::sqrt(static_cast<double>(config_.head_dim))}};
  if (!config_.sliding_window.empty() && config_.sliding_window[l] > 0)
    attributes.set("sliding_window", config_.sliding_window[l]);
  if (config_.attn_logit_softcapping > 0) attributes.set("attn_logit_softcapping", config_.attn_logit_softcapping);
  return graph_.add1(op("PagedAttention"), name, {q, caches[0], caches[1], block_tables_, query_start_loc_, seq_lens_},
                     std::move(attributes));
}

ValueId DecoderBuilder::swiglu(ValueId gate, ValueId up, const std::string& name) {
  return graph_.add1(op("SwiGlu"), name, {gate, up});
}

ValueId DecoderBuilder::add(ValueId a, ValueId b, const std::string& name) { return graph_.add1(op("Add"), name, {a, b}); }

Graph DecoderBuilder::finish(ValueId hidden) {
  ValueId rows = graph_.add1(op("GatherRows"), "logits_rows", {hidden, logits_rows_});
  ValueId normed = norm(rows, "norm");
  ValueId head = weight(config_.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight");
  graph_.add_output("logits", graph_.add1(op("MatMul"), "lm_head", {normed, head}));
  return std::move(graph_);
}

}  // namespace cairn
