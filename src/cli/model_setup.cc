#include "cli/model_setup.h"

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/text.h"
#include "cli/model_names.h"
#include "cli/progress.h"

namespace cairn {
namespace {

std::string token_or_empty(const Tokenizer& tokenizer, std::optional<int> id) {
  return id ? std::string(tokenizer.token_text(*id)) : std::string();
}

void add_cache_flags(CLI::App& command, EngineFlags& flags) {
  RunnerConfig& runner = flags.runner;
  command.add_option("--block-size", runner.block_size, "tokens a KV block, a multiple of 16")
      ->capture_default_str()
      ->group("Engine");
  command
      .add_option("--kv-cache-dtype", runner.kv_cache_dtype,
                  "auto (float32 for a model of f32, else bfloat16), bfloat16, float16, float32, int8 or fp8")
      ->check(CLI::IsMember({"auto", "bfloat16", "float16", "float32", "int8", "fp8", "fp8_e4m3"}))
      ->capture_default_str()
      ->group("Engine");
  command.add_option("--kv-cache-memory-bytes", flags.kv_cache_memory, "size of the KV cache, e.g. 2GiB")
      ->group("Engine");
  command
      .add_option("--memory-utilization,--gpu-memory-utilization", runner.memory_utilization,
                  "share of the machine's memory for weights and KV cache")
      ->capture_default_str()
      ->group("Engine");
  command
      .add_flag("--enable-prefix-caching,!--no-enable-prefix-caching", flags.engine.enable_prefix_caching,
                "share the KV blocks of equal beginnings (default)")
      ->group("Engine");
}

void add_weight_flags(CLI::App& command, EngineFlags& flags) {
  command
      .add_option(
          "--activation-precision", flags.runner.activation_precision,
          "of activations beside quantized weights: int8, int16 (slower, closer), or auto: int16 for small models")
      ->check(CLI::IsMember({"auto", "int8", "int16"}))
      ->capture_default_str()
      ->group("Engine");
  command
      .add_option("--weight-cache-dir", flags.runner.weight_cache_dir,
                  "keep packed weights in this folder (as large as the model), so that the next start maps them")
      ->group("Engine");
}

void add_scheduler_flags(CLI::App& command, EngineFlags& flags) {
  RunnerConfig& runner = flags.runner;
  EngineConfig& engine = flags.engine;
  command.add_option("--max-model-len", runner.max_model_len, "longest prompt and answer together; 0: the model's")
      ->group("Engine");
  command.add_option("--max-num-seqs", runner.max_num_seqs, "most requests in a step")
      ->capture_default_str()
      ->group("Engine");
  command.add_option("--max-num-batched-tokens", runner.max_num_batched_tokens, "most tokens in a step")
      ->capture_default_str()
      ->group("Engine");
  command
      .add_flag("--enable-chunked-prefill,!--no-enable-chunked-prefill", engine.enable_chunked_prefill,
                "cut long prompts over several steps (default)")
      ->group("Engine");
  command
      .add_option("--long-prefill-token-threshold", engine.long_prefill_token_threshold,
                  "most prompt tokens of one request in a step; 0: no bound")
      ->capture_default_str()
      ->group("Engine");
  command.add_option("--scheduling-policy", flags.policy, "fcfs or priority")
      ->check(CLI::IsMember({"fcfs", "priority"}))
      ->capture_default_str()
      ->group("Engine");
  command.add_option("--max-waiting", engine.max_waiting, "longest queue; more are refused")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group("Engine");
  command.add_option("--max-logprobs", engine.max_logprobs, "most log-probabilities a position; -1: all")
      ->capture_default_str()
      ->group("Engine");
}

}  // namespace

void EngineFlags::add_to(CLI::App& command) {
  command.add_option("MODEL,--model", model,
                     "a .gguf file, a model folder, or the name of a model in the model folder");
  command.add_option("--threads", runner.threads, "threads that compute; 0: all processors")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str()
      ->group("Engine");
  command.add_option("--threads-bind", runner.threads_bind,
                     "where they run: none (anywhere), auto (spread over nodes and cores), or processors as in 0-3,8")
      ->capture_default_str()
      ->group("Engine");
  add_scheduler_flags(command, *this);
  add_cache_flags(command, *this);
  add_weight_flags(command, *this);
  command.add_option("--chat-template", chat_template, "a Jinja file in place of the model's template")
      ->check(CLI::ExistingFile);
  command
      .add_option("--generation-config", generation_config,
                  "auto: sampling defaults of the model; vllm: those of the API")
      ->check(CLI::IsMember({"auto", "vllm"}))
      ->capture_default_str();
  command.add_option("--log-level", log_level, "trace, debug, info, warning, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
}

std::string EngineFlags::model_path() const { return resolve_model(model); }

ModelText open_model_text(const EngineFlags& flags) {
  ModelText text;
  text.checkpoint = Checkpoint::open(flags.model_path());
  text.tokenizer = Tokenizer::create(text.checkpoint->tokenizer());
  std::string source =
      flags.chat_template.empty() ? text.checkpoint->tokenizer().chat_template : read_text_file(flags.chat_template);
  if (!source.empty()) text.chat_template = std::make_shared<const ChatTemplate>(source);
  text.generation = text.checkpoint->generation();
  if (text.generation.eos_token_ids.empty() && text.tokenizer->eos_token_id())
    text.generation.eos_token_ids = {*text.tokenizer->eos_token_id()};
  if (flags.generation_config == "vllm") {
    GenerationConfig bare;
    bare.eos_token_ids = text.generation.eos_token_ids;
    text.generation = bare;
  }
  text.bos_token = token_or_empty(*text.tokenizer, text.tokenizer->bos_token_id());
  text.eos_token = token_or_empty(*text.tokenizer, text.tokenizer->eos_token_id());
  return text;
}

std::unique_ptr<GraphRunner> make_runner(const EngineFlags& flags, std::shared_ptr<const Checkpoint> checkpoint,
                                         Log log) {
  RunnerConfig config = flags.runner;
  if (!flags.kv_cache_memory.empty())
    config.kv_cache_bytes = parse_bytes(flags.kv_cache_memory, "--kv-cache-memory-bytes");
  std::unique_ptr<Progress> bar;
  auto on_progress = [&](const WeightProgress& progress) {
    if (!bar) bar = std::make_unique<Progress>("packing weights", "B", progress.total_bytes);
    bar->update(progress.done_bytes);
  };
  return std::make_unique<GraphRunner>(std::move(checkpoint), config, choose_isa(), std::move(log), on_progress);
}

std::unique_ptr<Engine> make_engine(const EngineFlags& flags, const ModelText& text, Log log) {
  EngineConfig config = flags.engine;
  config.policy = flags.policy == "priority" ? SchedulingPolicy::priority : SchedulingPolicy::fcfs;
  config.eos_token_ids = text.generation.eos_token_ids;
  return std::make_unique<Engine>(config, make_runner(flags, text.checkpoint, log), text.tokenizer, log);
}

std::string render_chat(const ModelText& text, const nlohmann::ordered_json& messages) {
  if (!text.chat_template)
    fail(ErrorKind::unsupported, "{} has no chat template; give one by --chat-template", text.checkpoint->path());
  return text.chat_template->render({{"messages", messages},
                                     {"add_generation_prompt", true},
                                     {"bos_token", text.bos_token},
                                     {"eos_token", text.eos_token}});
}

}  // namespace cairn
