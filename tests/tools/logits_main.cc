// cairn_logits MODEL CHUNK < ids.jsonl > logits.bin
//
// For conformance scripts: each input line is a JSON list of token ids; the output is, line after line, f32
// [ids, vocab_size] little-endian, the logits at every position, computed CHUNK tokens a step.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "engine/runner/graph_runner.h"
#include "numerics/whole_prompt.h"

int main(int argc, char** argv) try {
  if (argc != 3) cairn::fail_invalid("usage: cairn_logits MODEL CHUNK < ids.jsonl > logits.bin");
  std::shared_ptr<const cairn::Checkpoint> checkpoint = cairn::Checkpoint::open(argv[1]);
  cairn::RunnerConfig config;
  config.max_model_len = std::min<std::int64_t>(2048, checkpoint->config().max_position_embeddings);
  config.max_num_seqs = 1;
  cairn::GraphRunner runner(checkpoint, config, cairn::choose_isa(), cairn::make_log("warning"));
  std::string line;
  while (std::getline(std::cin, line)) {
    auto ids = nlohmann::json::parse(line).get<std::vector<int>>();
    std::vector<float> logits = cairn::logits_at_every_position(runner, ids, std::stoll(argv[2]));
    if (std::fwrite(logits.data(), sizeof(float), logits.size(), stdout) != logits.size()) return 1;
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "cairn_logits: %s\n", error.what());
  return 1;
}
