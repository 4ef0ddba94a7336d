#include "engine/runner/graph_runner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "graph/passes.h"
#include "model/arch/architecture.h"
#include "ops/attention/kv_cache.h"
#include "ops/registry/registry.h"
#include "runtime/placement.h"

namespace cairn {
namespace {

DType kv_dtype(const std::string& name, DType model) {
  if (name == "auto") return model == DType::f32 ? DType::f32 : DType::bf16;
  static constexpr std::pair<std::string_view, DType> names[] = {
      {"bfloat16", DType::bf16}, {"float16", DType::f16}, {"float32", DType::f32},
      {"int8", DType::i8},       {"fp8", DType::f8_e4m3}, {"fp8_e4m3", DType::f8_e4m3},
  };
  std::string known;
  for (const auto& [dtype_name, dtype] : names) {
    if (name == dtype_name) return dtype;
    known += ", " + std::string(dtype_name);
  }
  fail_invalid("kv_cache_dtype '{}': one of auto{}", name, known);
}

bool precise_activations(const std::string& name, const ModelConfig& model) {
  if (name == "auto") return model.hidden_size < 1024;
  if (name == "int8" || name == "int16") return name == "int16";
  fail_invalid("activation_precision '{}': one of auto, int8, int16", name);
}

RunnerConfig checked(RunnerConfig config) {
  if (config.threads == 0) config.threads = available_processors();
  if (config.block_size < 16 || config.block_size % 16 != 0 || config.block_size > 1024)
    fail_invalid("block_size {}: a multiple of 16 up to 1024", config.block_size);
  if (config.max_num_seqs < 1 || config.max_num_seqs > 65536) fail_invalid("max_num_seqs {}: between 1 and 65536", config.max_num_seqs);
  if (config.max_num_batched_tokens < config.max_num_seqs || config.max_num_batched_tokens > (1 << 20))
    fail_invalid("max_num_batched_tokens {}: at least max_num_seqs ({}), at most 1048576", config.max_num_batched_tokens, config.max_num_seqs);
  if (!(config.memory_utilization > 0 && config.memory_utilization <= 1))
    fail_invalid("memory_utilization {}: above 0, at most 1", config.memory_utilization);
  return config;
}

template <typename T>
TensorView vector_view(const std::vector<T>& data, DType dtype) {
  return make_view(const_cast<T*>(data.data()), dtype, {static_cast<std::int64_t>(data.size())});
}

}  // namespace

GraphRunner::GraphRunner(std::shared_ptr<const Checkpoint> checkpoint, const RunnerConfig& config, Isa isa, Log log,
                         const std::function<void(const WeightProgress&)>& progress)
    : checkpoint_(std::move(checkpoint)), config_(checked(config)), isa_(isa),
      team_(config_.threads, place_members(config_.threads_bind, config_.threads)) {
  const ModelConfig& model = checkpoint_->config();
  std::int64_t longest = model.max_position_embeddings;
  if (config_.max_model_len > longest)
    fail_invalid("max_model_len {}: the model was made for at most {} tokens", config_.max_model_len, longest);
  max_model_len_ = config_.max_model_len > 0 ? config_.max_model_len : longest;

  ModelGraphOptions options;
  options.max_num_batched_tokens = config_.max_num_batched_tokens;
  options.max_num_seqs = config_.max_num_seqs;
  options.max_blocks_per_seq = (max_model_len_ + config_.block_size - 1) / config_.block_size;
  options.block_size = config_.block_size;
  options.kv_dtype = kv_dtype(config_.kv_cache_dtype, model.dtype);
  std::int64_t weight_bytes = 0;
  for (const TensorEntry& tensor : checkpoint_->tensors()) weight_bytes += byte_size(tensor.view.dtype, tensor.view.shape);
  size_cache(kv_block_bytes(model, options), weight_bytes);
  options.num_kv_blocks = num_kv_blocks_;

  OperatorRegistry operators = builtin_operators();
  Graph graph = run_passes(build_model_graph(*checkpoint_, operators, options), {operators, isa_, precise_activations(config_.activation_precision, model)});
  WeightLoading loading;
  loading.release = [this](const TensorView& stored) {
    for (const TensorEntry& tensor : checkpoint_->tensors())
      if (tensor.view.data == stored.data) checkpoint_->drop(tensor);
  };
  loading.progress = progress;
  loading.cache = open_weight_cache(graph, *log);
  weights_ = std::make_unique<Weights>(graph, team_, std::move(loading));
  plan_ = std::make_unique<Plan>(std::move(graph), *weights_, isa_, team_);

  Shape cache = kv_cache_shape(options.kv_dtype, num_kv_blocks_, model.num_key_value_heads, config_.block_size, model.head_dim);
  std::int64_t layer_bytes = byte_size(options.kv_dtype, cache);
  kv_arena_ = Arena("KV cache", static_cast<std::size_t>(2 * model.num_hidden_layers * (layer_bytes + 64)));
  inputs_.resize(plan_->graph().inputs().size());
  for (std::size_t i = 7; i < inputs_.size(); ++i)
    inputs_[i] = make_view(kv_arena_.allocate(static_cast<std::size_t>(layer_bytes)), options.kv_dtype, cache);
  log->info("{}: {} layers, {} in memory, KV cache {} blocks of {} tokens ({}, {}), {} threads, {}", model.architecture,
            model.num_hidden_layers, human_bytes(static_cast<std::uint64_t>(weights_->packed_bytes())), num_kv_blocks_, config_.block_size,
            name(options.kv_dtype), human_bytes(kv_arena_.capacity()), team_.size(), to_string(isa_));
}

std::unique_ptr<WeightCache> GraphRunner::open_weight_cache(const Graph& graph, spdlog::logger& log) const {
  if (config_.weight_cache_dir.empty()) return nullptr;
  try {
    auto cache = std::make_unique<WeightCache>(config_.weight_cache_dir, std::filesystem::absolute(checkpoint_->path()).string(),
                                               checkpoint_->stamp() + packing_key(graph), static_cast<std::size_t>(packed_bytes(graph)));
    log.info("packed weights {} {}", cache->filled() ? "from" : "will be kept in", cache->path());
    return cache;
  } catch (const Error& error) {
    log.warn("no weight cache: {}", error.what());
    return nullptr;
  }
}

void GraphRunner::size_cache(std::int64_t block_bytes, std::int64_t weight_bytes) {
  std::int64_t per_request = (max_model_len_ + config_.block_size - 1) / config_.block_size;
  auto budget = static_cast<std::int64_t>(config_.kv_cache_bytes);
  if (budget == 0) {
    budget = static_cast<std::int64_t>(config_.memory_utilization * static_cast<double>(memory_limit())) - weight_bytes;
    // Never more than every request at full length could use.
    budget = std::min(budget, (config_.max_num_seqs * per_request + 1) * block_bytes);
  }
  num_kv_blocks_ = budget / block_bytes;
  if (num_kv_blocks_ < per_request + 1)
    fail(ErrorKind::resource_exhausted,
         "the KV cache would have {}, but one request of max_model_len {} needs {}; lower max_model_len or give it more memory "
         "(--kv-cache-memory-bytes, --memory-utilization)",
         human_bytes(static_cast<std::uint64_t>(std::max<std::int64_t>(budget, 0))), max_model_len_,
         human_bytes(static_cast<std::uint64_t>((per_request + 1) * block_bytes)));
}

std::span<float> GraphRunner::execute(const StepBatch& batch) {
  inputs_[0] = vector_view(batch.token_ids, DType::i32);
  inputs_[1] = vector_view(batch.positions, DType::i32);
  inputs_[2] = vector_view(batch.slot_mapping, DType::i64);
  inputs_[3] = vector_view(batch.query_start_loc, DType::i32);
  inputs_[4] = vector_view(batch.seq_lens, DType::i32);
  inputs_[5] = make_view(const_cast<std::int32_t*>(batch.block_tables.data()), DType::i32,
                         {static_cast<std::int64_t>(batch.seq_lens.size()), batch.max_blocks});
  inputs_[6] = vector_view(batch.logits_rows, DType::i32);
  plan_->run(inputs_);
  const TensorView& logits = plan_->output(0);
  return {logits.as<float>(), static_cast<std::size_t>(logits.shape.elements())};
}

void GraphRunner::parallel_for(std::int64_t n, const std::function<void(std::int64_t)>& body) {
  if (n <= 1 || team_.size() == 1) return ModelRunner::parallel_for(n, body);
  std::atomic<std::int64_t> next{0};
  team_.run([&](int) {
    for (std::int64_t i = next.fetch_add(1); i < n; i = next.fetch_add(1)) body(i);
  });
}

}  // namespace cairn
