// The model runner: a checkpoint's graph, passed, packed and planned, over a paged KV cache.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/cpu/isa.h"
#include "base/log.h"
#include "engine/model_runner.h"
#include "graph/plan.h"
#include "model/checkpoint/checkpoint.h"
#include "runtime/thread_team.h"

namespace cairn {

struct RunnerConfig {
  int threads = 0;                        // 0: all processors this process may use
  std::string threads_bind = "none";      // none, auto, or a list of processors (runtime/placement.h)
  std::int64_t max_model_len = 0;         // 0: the model's
  std::int64_t max_num_batched_tokens = 2048;
  std::int64_t max_num_seqs = 256;
  std::int64_t block_size = 16;           // a multiple of 16
  // auto (float32 for f32 models, else bfloat16), bfloat16, float16, float32, int8 (a scale a token and head), fp8 or
  // fp8_e4m3 (saturating, no scale)
  std::string kv_cache_dtype = "auto";
  // Beside quantized weights: int8, int16 (twice the products, an f32 model's answers), or auto: int16 for models of a
  // hidden size below 1024, whose greedy answers int8 changes at 3 % of positions.
  std::string activation_precision = "auto";
  std::uint64_t kv_cache_bytes = 0;       // 0: by memory_utilization
  std::string weight_cache_dir;           // folder of packed weights, to be mapped at the next load; empty: none
  double memory_utilization = 0.5;        // share of the machine's (or cgroup's) memory for weights and cache
};

class GraphRunner final : public ModelRunner {
 public:
  /// Loads, packs and plans. `progress` (optional) hears of packing. Throws invalid_argument for a bad configuration,
  /// resource_exhausted when the cache cannot hold one request of max_model_len, naming both sizes.
  GraphRunner(std::shared_ptr<const Checkpoint> checkpoint, const RunnerConfig& config, Isa isa, Log log,
              const std::function<void(const WeightProgress&)>& progress = nullptr);

  int vocab_size() const override { return static_cast<int>(checkpoint_->config().vocab_size); }
  std::int64_t max_model_len() const override { return max_model_len_; }
  std::int64_t block_size() const override { return config_.block_size; }
  std::int64_t num_kv_blocks() const override { return num_kv_blocks_; }
  std::int64_t max_num_batched_tokens() const override { return config_.max_num_batched_tokens; }
  std::int64_t max_num_seqs() const override { return config_.max_num_seqs; }
  std::span<float> execute(const StepBatch& batch) override;
  void parallel_for(std::int64_t n, const std::function<void(std::int64_t)>& body) override;

  Plan& plan() { return *plan_; }
  const Weights& weights() const { return *weights_; }
  std::uint64_t kv_cache_bytes() const { return kv_arena_.capacity(); }
  Isa isa() const { return isa_; }
  int threads() const { return team_.size(); }

 private:
  std::unique_ptr<WeightCache> open_weight_cache(const Graph& graph, spdlog::logger& log) const;
  void size_cache(std::int64_t block_bytes, std::int64_t weight_bytes);

  std::shared_ptr<const Checkpoint> checkpoint_;
  RunnerConfig config_;
  Isa isa_;
  ThreadTeam team_;
  std::int64_t max_model_len_ = 0, num_kv_blocks_ = 0;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<Plan> plan_;
  Arena kv_arena_;
  std::vector<TensorView> inputs_;  // of the plan; the caches are bound once
};

}  // namespace cairn
