#include "model/checkpoint/describe.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"

namespace cairn {
namespace {

constexpr std::int64_t kCacheBytes = 2;  // of an element, in bf16

std::string bytes_text(std::int64_t bytes) { return human_bytes(static_cast<std::uint64_t>(bytes)); }

// Text of a file on its way to a terminal: no control characters but line ends and tabs.
std::string printable(std::string_view text) {
  std::string result = sanitize_utf8(text);
  std::replace_if(
      result.begin(), result.end(), [](unsigned char c) { return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F; },
      '?');
  return result;
}

std::string rope_text(const RopeConfig& rope) {
  if (rope.scaling == "default") return rope.scaling;
  if (rope.scaling != "llama3") return fmt::format("{}, factor {}", rope.scaling, rope.factor);
  return fmt::format("{}, factor {}, frequencies {} to {} of {} positions", rope.scaling, rope.factor,
                     rope.low_freq_factor, rope.high_freq_factor, rope.original_max_position_embeddings);
}

std::string configuration(const Checkpoint& checkpoint) {
  const ModelConfig& c = checkpoint.config();
  std::string text = "configuration\n";
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
  line("rope_scaling", checkpoint.find("rope_freqs.weight") ? "by the tensor rope_freqs.weight" : rope_text(c.rope));
  line("rope_pairs", c.rope.interleaved ? "neighbours" : "halves");
  line("tie_word_embeddings", c.tie_word_embeddings);
  line("attention_bias", c.attention_bias);
  line("mlp_bias", c.mlp_bias);
  if (!c.sliding_window.empty()) {
    const auto windowed = std::count_if(c.sliding_window.begin(), c.sliding_window.end(), [](auto w) { return w > 0; });
    line("sliding_window",
         fmt::format("{} in {} of {} layers", *std::max_element(c.sliding_window.begin(), c.sliding_window.end()),
                     windowed, c.num_hidden_layers));
  }
  if (c.attn_logit_softcapping > 0) line("attn_logit_softcapping", c.attn_logit_softcapping);
  line("eos_token_ids", fmt::format("{}", fmt::join(checkpoint.generation().eos_token_ids, ", ")));
  return text;
}

std::string tensors_and_totals(const Checkpoint& checkpoint) {
  const ModelConfig& c = checkpoint.config();
  struct Total {
    int tensors = 0;
    std::int64_t bytes = 0;
  };
  std::map<DType, Total> totals;
  std::int64_t all = 0, parameters = 0;
  std::string text = "tensors\n";
  for (const TensorEntry& tensor : checkpoint.tensors()) {
    std::int64_t bytes = byte_size(tensor.view.dtype, tensor.view.shape);
    text += fmt::format("  {:<52} {:<12} {:<18} {:>12}\n", printable(tensor.name), name(tensor.view.dtype),
                        to_string(tensor.view.shape), bytes);
    Total& total = totals[tensor.view.dtype];
    total.tensors += 1;
    total.bytes += bytes;
    all += bytes;
    parameters += tensor.view.shape.elements();
  }
  text += "\ntotals\n";
  for (const auto& [dtype, total] : totals)
    text += fmt::format("  {:<12} {:>5} tensors  {}\n", name(dtype), total.tensors, bytes_text(total.bytes));
  text += fmt::format("  {} parameters, {:.2f} bits each\n", parameters,
                      parameters > 0 ? 8.0 * static_cast<double>(all) / static_cast<double>(parameters) : 0.0);
  std::int64_t token = 2 * kCacheBytes * c.num_hidden_layers * c.num_key_value_heads * c.head_dim;
  text += fmt::format("\nmemory\n  weights   {}\n  KV cache  {} a token in bf16, {} for a request of {} tokens\n",
                      bytes_text(all), bytes_text(token), bytes_text(token * c.max_position_embeddings),
                      c.max_position_embeddings);
  return text;
}

}  // namespace

std::string describe(const Checkpoint& checkpoint) {
  const std::string& chat = checkpoint.tokenizer().chat_template;
  return fmt::format("{} ({})\n\n{}\n{}\nchat template\n{}\n", printable(checkpoint.path()), checkpoint.format(),
                     configuration(checkpoint), tensors_and_totals(checkpoint),
                     chat.empty() ? "  none" : printable(chat));
}

}  // namespace cairn
