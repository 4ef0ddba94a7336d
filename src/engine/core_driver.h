// Test support: runs an EngineCore step by step over the fake model, gathers its outputs and checks its books.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "engine/engine_core.h"
#include "engine/fake_model.h"

namespace cairn::testing {

using Answers = std::map<std::pair<std::uint64_t, int>, std::vector<int>>;

// Drives an EngineCore as the engine's thread does, and checks its books after each step.
struct Driver {
  explicit Driver(EngineConfig config = {}, FakeLimits limits = {}) : runner(limits), core(config, runner) {}

  std::uint64_t add(std::vector<int> prompt, SamplingParams params, std::uint64_t seed = 1, int priority = 0) {
    auto info = std::make_shared<RequestInfo>();
    info->key = next_key++;
    params.validate(runner.vocab_size());
    const int room = static_cast<int>(runner.max_model_len() - static_cast<std::int64_t>(prompt.size()));
    info->max_output_tokens = std::min(params.max_tokens.value_or(room), room);
    info->seed = seed;
    info->priority = priority;
    info->params = std::move(params);
    info->root_hash = core.kv_cache().root_hash("");
    info->prompt_hashes = core.kv_cache().hash_blocks(info->root_hash, prompt);
    info->prompt = std::move(prompt);
    core.add(info);
    return info->key;
  }
  void step() {
    take(core.step().outputs);
    check_books();
  }
  void run() {
    while (core.has_work()) {
      step();
      ASSERT_LT(++steps, 100000) << "no progress";
    }
  }
  void abort(std::uint64_t key) {
    std::vector<SequenceOutput> outputs;
    core.abort(key, -1, outputs);
    take(std::move(outputs));
    check_books();
  }
  void take(std::vector<SequenceOutput> outputs) {
    for (SequenceOutput& output : outputs) {
      const std::pair id(output.request_key, output.index);
      EXPECT_FALSE(finished.contains(id)) << "output after the end";
      if (output.token) answers[id].push_back(*output.token);
      if (output.finish_reason) finished[id] = output;
      if (output.logprobs) logprobs[id].push_back(*output.logprobs);
      if (!output.prompt_logprobs.empty()) prompt_logprobs[id] = output.prompt_logprobs;
    }
  }
  // Every block's count is the number of tables that hold it; nobody holds one twice; what nobody holds is free.
  void check_books() const {
    const BlockPool& pool = core.kv_cache().pool();
    std::map<std::int32_t, int> owners;
    for (const Sequence* sequence : core.live_sequences()) {
      const std::set<std::int32_t> distinct(sequence->block_table.begin(), sequence->block_table.end());
      ASSERT_EQ(distinct.size(), sequence->block_table.size());
      ASSERT_FALSE(distinct.contains(0));
      for (const std::int32_t block : distinct) ++owners[block];
      ASSERT_TRUE(sequence->status == SequenceStatus::running || sequence->block_table.empty());
    }
    std::int64_t shared = 0;
    for (std::int32_t block = 1; block <= pool.capacity(); ++block) {
      const int expected = owners.contains(block) ? owners[block] : 0;
      ASSERT_EQ(pool.ref_count(block), expected);
      shared += expected > 1;
    }
    ASSERT_EQ(pool.num_free(), pool.capacity() - static_cast<std::int64_t>(owners.size()));
    ASSERT_EQ(pool.num_shared(), shared);
  }

  FakeRunner runner;
  EngineCore core;
  std::uint64_t next_key = 1;
  int steps = 0;
  Answers answers;
  std::map<std::pair<std::uint64_t, int>, SequenceOutput> finished;
  std::map<std::pair<std::uint64_t, int>, std::vector<PositionLogprobs>> logprobs;
  std::map<std::pair<std::uint64_t, int>, std::vector<std::optional<PositionLogprobs>>> prompt_logprobs;
};

}  // namespace cairn::testing
