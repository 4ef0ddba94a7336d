// Chat templates: a Jinja interpreter wide enough for the templates that models ship.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace cairn {

/// Bounds on what a (hostile) template may do; exceeding one throws resource_exhausted naming the line.
struct TemplateLimits {
  int max_depth = 64;                       // nesting of expressions, blocks and macro calls
  std::int64_t max_iterations = 1'000'000;  // loop iterations in all
  std::int64_t max_output_bytes = std::int64_t{16} << 20;
};

/// A parsed template; immutable, thread-safe.
class ChatTemplate {
 public:
  /// Parses with Hugging Face's settings (trim_blocks, lstrip_blocks, loop controls, `tojson`, `raise_exception`,
  /// `strftime_now`). Throws invalid_argument with "chat template line N: …".
  explicit ChatTemplate(std::string_view source, TemplateLimits limits = {});
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;

  /// Renders with `variables` (an object: messages, tools, add_generation_prompt, bos_token, eos_token,
  /// enable_thinking …). Throws invalid_argument with the line for template errors and raise_exception.
  std::string render(const nlohmann::ordered_json& variables) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
