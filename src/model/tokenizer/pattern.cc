#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/tokenizer/pattern.h"

#include <pcre2.h>

#include <array>
#include <new>

#include "base/error.h"

namespace cairn {
namespace {

// Backtracking steps for one match: tokenizer patterns need a few for each byte, a catastrophic one gets stopped.
constexpr std::uint32_t kMatchLimit = 20'000'000;
constexpr std::uint32_t kHeapLimitKib = 64 * 1024;
constexpr std::size_t kMaxPatternBytes = 64 * 1024;

struct Free {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

struct PatternState::Impl {
  std::unique_ptr<pcre2_match_context, Free> context{pcre2_match_context_create(nullptr)};
  std::unique_ptr<pcre2_match_data, Free> data{pcre2_match_data_create(1, nullptr)};
};

PatternState::PatternState() : impl_(std::make_unique<Impl>()) {
  if (!impl_->context || !impl_->data) throw std::bad_alloc();
  pcre2_set_match_limit(impl_->context.get(), kMatchLimit);
  pcre2_set_heap_limit(impl_->context.get(), kHeapLimitKib);
}
PatternState::~PatternState() = default;
PatternState::PatternState(PatternState&&) noexcept = default;
PatternState& PatternState::operator=(PatternState&&) noexcept = default;

struct Pattern::Impl {
  std::unique_ptr<pcre2_code, Free> code;
  std::string what;
};

Pattern::Pattern(const std::string& pcre2_pattern, std::string_view what) : impl_(std::make_unique<Impl>()) {
  impl_->what = what;
  if (pcre2_pattern.size() > kMaxPatternBytes)
    fail_invalid("{}: the pattern is {} bytes long; the limit is {}", what, pcre2_pattern.size(), kMaxPatternBytes);
  std::unique_ptr<pcre2_compile_context, Free> context(pcre2_compile_context_create(nullptr));
  if (!context) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  // As in Ruby's syntax, ^ and $ stand at every line.
  constexpr std::uint32_t options =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NO_AUTO_CAPTURE | PCRE2_NEVER_BACKSLASH_C;
  int error = 0;
  PCRE2_SIZE offset = 0;
  impl_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre2_pattern.data()), pcre2_pattern.size(), options,
                                  &error, &offset, context.get()));
  if (!impl_->code)
    fail_invalid("{}: pattern '{}': {} (offset {})", what, pcre2_pattern.substr(0, 200), pcre2_message(error), offset);
  // Without JIT (not built in, or no executable memory) the interpreter matches the same, more slowly.
  pcre2_jit_compile(impl_->code.get(), PCRE2_JIT_COMPLETE);
}
Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

std::optional<std::pair<std::size_t, std::size_t>> Pattern::find(std::string_view text, std::size_t from,
                                                                 PatternState& state) const {
  auto match = [&](std::uint32_t options) {
    return pcre2_match(impl_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, options,
                       state.impl_->data.get(), state.impl_->context.get());
  };
  int found = match(PCRE2_NO_UTF_CHECK);
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = match(PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
  if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (found < 0)
    fail(ErrorKind::resource_exhausted, "{}: the pattern cannot be matched: {}", impl_->what, pcre2_message(found));
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(state.impl_->data.get());
  // \K is refused, so a match never ends before it starts.
  return std::pair<std::size_t, std::size_t>(bounds[0], bounds[1]);
}

}  // namespace cairn
