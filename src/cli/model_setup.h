// From flags to a model that answers: checkpoint, tokenizer, chat template, runner and engine.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/runner/graph_runner.h"
#include "model/chat_template/chat_template.h"
#include "model/checkpoint/checkpoint.h"
#include "model/tokenizer/tokenizer.h"

namespace cairn {

/// Flags that every command with an engine takes; named as vLLM's.
struct EngineFlags {
  std::string model;  // positional or --model
  RunnerConfig runner;
  EngineConfig engine;
  std::string kv_cache_memory;             // bytes, with or without a unit; empty: by memory_utilization
  std::string policy = "fcfs";             // or "priority"
  std::string chat_template;               // a file in place of the model's own
  std::string generation_config = "auto";  // or "vllm": the API's defaults
  std::string log_level = "warning";

  /// Adds MODEL and the flags. Must outlive the parse.
  void add_to(CLI::App& command);
  /// The model that was named. Throws invalid_argument when there is none.
  std::string model_path() const;
  Log make_log() const { return cairn::make_log(log_level); }
};

/// Parts of a model that need no weights.
struct ModelText {
  std::shared_ptr<const Checkpoint> checkpoint;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;  // null when the model has none
  GenerationConfig generation;
  std::string bos_token, eos_token;  // as the template sees them; empty when there is none
};

/// Opens the checkpoint and builds tokenizer and template. Throws what those throw.
ModelText open_model_text(const EngineFlags& flags);

/// Packs the weights, showing progress on stderr, and plans.
std::unique_ptr<GraphRunner> make_runner(const EngineFlags& flags, std::shared_ptr<const Checkpoint> checkpoint,
                                         Log log);

/// The engine over such a runner.
std::unique_ptr<Engine> make_engine(const EngineFlags& flags, const ModelText& text, Log log);

/// What the template makes of `messages` (a list of {role, content}), ready for an answer. Throws unsupported when the
/// model has no template.
std::string render_chat(const ModelText& text, const nlohmann::ordered_json& messages);

}  // namespace cairn
