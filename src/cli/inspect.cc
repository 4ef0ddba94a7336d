// cairn inspect: what a model is, what it needs, and what the graph's passes make of it. Packs no weights.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/model_names.h"
#include "graph/passes.h"
#include "graph/plan.h"
#include "graph/print.h"
#include "model/arch/architecture.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/describe.h"
#include "ops/registry/registry.h"

namespace cairn {
namespace {

struct InspectFlags {
  std::string model, graph, out;
  bool plan = false;
  int threads = 0;
  ModelGraphOptions options;
};

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    fail(ErrorKind::resource_exhausted, "cannot write to standard output");
}

std::string describe_cache(const ModelConfig& config, const ModelGraphOptions& options) {
  auto block = static_cast<std::uint64_t>(kv_block_bytes(config, options));
  auto longest =
      static_cast<std::uint64_t>((config.max_position_embeddings + options.block_size - 1) / options.block_size);
  return fmt::format("KV cache ({}): {} a token, {} for one request of {} tokens\n", name(options.kv_dtype),
                     human_bytes(block / static_cast<std::uint64_t>(options.block_size)), human_bytes(block * longest),
                     config.max_position_embeddings);
}

// Prints graphs as they come, or writes each to a file of the folder.
class GraphWriter {
 public:
  GraphWriter(std::string format, std::string folder) : format_(std::move(format)), folder_(std::move(folder)) {
    if (!folder_.empty()) std::filesystem::create_directories(folder_);
  }
  void write(std::string_view pass, std::string_view doc, const Graph& graph) {
    std::string text = format_ == "svg" ? to_svg(graph) : to_text(graph);
    int number = count_++;
    if (folder_.empty()) {
      if (format_ == "text") print(fmt::format("\n# {}: {}\n", pass, doc));
      return print(text);
    }
    std::string path = fmt::format("{}/{:02}-{}.{}", folder_, number, pass, format_ == "svg" ? "svg" : "txt");
    std::ofstream file(path, std::ios::binary);
    file << text << std::flush;
    if (!file) fail_invalid("cannot write {}: {}", path, std::strerror(errno));
    print(path + "\n");
  }

 private:
  std::string format_, folder_;
  int count_ = 0;
};

int inspect(InspectFlags flags) {
  std::unique_ptr<Checkpoint> checkpoint = Checkpoint::open(resolve_model(flags.model));
  const ModelConfig& config = checkpoint->config();
  ModelGraphOptions& options = flags.options;
  if (options.max_num_batched_tokens < 1 || options.max_num_seqs < 1)
    fail_invalid("--max-num-batched-tokens and --max-num-seqs must be at least 1");
  if (config.dtype == DType::f32) options.kv_dtype = DType::f32;
  options.max_blocks_per_seq = (config.max_position_embeddings + options.block_size - 1) / options.block_size;
  if (flags.graph.empty() && !flags.plan) {
    print(describe(*checkpoint) + describe_cache(config, options));
    return 0;
  }
  OperatorRegistry operators = builtin_operators();
  Isa isa = choose_isa();
  Graph graph = build_model_graph(*checkpoint, operators, options);
  if (!flags.graph.empty()) {
    GraphWriter writer(flags.graph, flags.out);
    writer.write("model", "as the architecture builds it", graph);
    graph = run_passes(std::move(graph), {operators, isa},
                       [&](const Pass& pass, const Graph& after) { writer.write(pass.name, pass.doc, after); });
  } else {
    graph = run_passes(std::move(graph), {operators, isa});
  }
  if (flags.plan) {
    Weights weights(graph);
    ThreadTeam team(flags.threads > 0 ? flags.threads : available_processors());
    Plan plan(std::move(graph), weights, isa, team);
    print(fmt::format("for at most {} tokens and {} sequences a step, {} threads, {}\n", options.max_num_batched_tokens,
                      options.max_num_seqs, team.size(), to_string(isa)));
    print(describe(plan));
    print(describe_cache(config, options));
  }
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, Action& action) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* command =
      app.add_subcommand("inspect", "Show a model's configuration, tensors, memory, chat template, graph or plan");
  command->add_option("MODEL,--model", flags->model,
                      "a .gguf file, a model folder, or the name of a model in the model folder");
  CLI::Option* graph =
      command->add_option("--graph", flags->graph, "the graph before and after each pass, as text or svg")
          ->check(CLI::IsMember({"text", "svg"}));
  command->add_option("--out", flags->out, "write the graphs to this folder, a file a pass, and not to standard output")
      ->needs(graph);
  command->add_flag("--plan", flags->plan, "steps, buffers and peak memory of the plan");
  command
      ->add_option("--max-num-batched-tokens", flags->options.max_num_batched_tokens,
                   "most tokens in a step, for --plan")
      ->capture_default_str();
  command->add_option("--max-num-seqs", flags->options.max_num_seqs, "most requests in a step, for --plan")
      ->capture_default_str();
  command->add_option("--threads", flags->threads, "threads, for --plan; 0: all processors")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  command->callback([flags, &action] {
    if (flags->graph == "svg" && flags->out.empty())
      throw CLI::RequiredError("--graph svg makes a picture a pass: --out FOLDER");
    action = [flags] { return inspect(*flags); };
  });
}

}  // namespace cairn
