#include "model/checkpoint/describe.h"

#include <map>

#include "base/error.h"
#include "base/text.h"

namespace cairn {

std::string describe(const Checkpoint& checkpoint) {
  const ModelConfig& c = checkpoint.config();
  std::string text = fmt::format("{} ({})\n\nconfiguration\n", checkpoint.path(), checkpoint.format());
  auto line = [&](std::string_view key, const auto& value) { text += fmt::format("  {:<28} {}\n", key, value); };
  line("architecture", c.architecture);
  line("vocab_size", c.vocab_size);
  line("hidden_size", c.hidden_size);
  line("intermediate_size", c.intermediate_size);
  line("num_hidden_layers", c.num_hidden_layers);
  line("num_attention_heads", c.num_attention_heads);
  line("num_key_value_heads", c.num_key_value_heads);
  line("head_dim", c.head_dim);
  line("max_position_embeddings", c.max_position_embeddings);
  line("rms_norm_eps", c.rms_norm_eps);
  line("rope_theta", c.rope.theta);
  line("rope_scaling", c.rope.scaling == "default" ? c.rope.scaling : fmt::format("{} (factor {})", c.rope.scaling, c.rope.factor));
  line("tie_word_embeddings", c.tie_word_embeddings);
  line("attention_bias", c.attention_bias);
  line("mlp_bias", c.mlp_bias);
  std::string eos;
  for (int id : checkpoint.generation().eos_token_ids) eos += (eos.empty() ? "" : ", ") + std::to_string(id);
  line("eos_token_ids", eos);

  text += "\ntensors\n";
  std::map<std::string_view, std::pair<int, std::int64_t>> totals;
  std::int64_t all = 0;
  for (const TensorEntry& tensor : checkpoint.tensors()) {
    std::int64_t bytes = byte_size(tensor.view.dtype, tensor.view.shape);
    text += fmt::format("  {:<52} {:<5} {:<18} {:>12}\n", tensor.name, name(tensor.view.dtype), to_string(tensor.view.shape), bytes);
    totals[name(tensor.view.dtype)].first += 1;
    totals[name(tensor.view.dtype)].second += bytes;
    all += bytes;
  }
  text += "\ntotals\n";
  for (const auto& [dtype, total] : totals)
    text += fmt::format("  {:<5} {:>5} tensors  {}\n", dtype, total.first, human_bytes(static_cast<std::uint64_t>(total.second)));
  std::int64_t kv = 2 * 2 * c.num_hidden_layers * c.num_key_value_heads * c.head_dim;
  text += fmt::format("  weights in memory {}, KV cache {} a token in bf16 ({} for one request of full length)\n",
                      human_bytes(static_cast<std::uint64_t>(all)), human_bytes(static_cast<std::uint64_t>(kv)),
                      human_bytes(static_cast<std::uint64_t>(kv * c.max_position_embeddings)));
  const std::string& chat = checkpoint.tokenizer().chat_template;
  return text + "\nchat template\n" + (chat.empty() ? "  none\n" : chat + "\n");
}

}  // namespace cairn
