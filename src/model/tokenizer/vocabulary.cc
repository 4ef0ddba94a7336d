#include "model/tokenizer/vocabulary.h"

#include <bit>
#include <functional>
#include <limits>

#include "base/error.h"
#include "model/tokenizer/byte_alphabet.h"

namespace cairn {
namespace {

constexpr std::size_t kMaxHoles = std::size_t{1} << 20;
constexpr std::size_t kMaxTokens = std::size_t{1} << 26;

}  // namespace

Vocabulary::Vocabulary(std::size_t expected_tokens) : max_size_(expected_tokens + kMaxHoles) {
  if (expected_tokens > kMaxTokens)
    fail_invalid("vocabulary: {} tokens are over the limit of {}", expected_tokens, kMaxTokens);
  slots_.assign(std::bit_ceil(expected_tokens * 2 + 16), -1);
}

void Vocabulary::add(std::int64_t id, std::string_view text) {
  if (id < 0 || static_cast<std::uint64_t>(id) >= max_size_)
    fail_invalid("vocabulary: id {} of token '{}' is out of range (0 to {})", id, text.substr(0, 80), max_size_ - 1);
  auto index = static_cast<std::size_t>(id);
  if (index >= entries_.size()) entries_.resize(index + 1);
  if (entries_[index].used)
    fail_invalid("vocabulary: id {} is given to two tokens, '{}' and '{}'", id,
                 this->text(static_cast<int>(id)).substr(0, 80), text.substr(0, 80));
  Entry entry;
  entry.used = true;
  entry.text = store(text);
  entry.text_size = static_cast<std::uint32_t>(text.size());
  std::optional<std::string> bytes = symbols_to_bytes(text);
  bool same = !bytes || *bytes == text;
  entry.bytes = same ? entry.text : store(*bytes);
  entry.bytes_size = same ? entry.text_size : static_cast<std::uint32_t>(bytes->size());
  entries_[index] = entry;
  if (++count_ * 2 > slots_.size()) grow();
  slots_[slot(text)] = static_cast<std::int32_t>(id);
}

std::optional<int> Vocabulary::find(std::string_view text) const {
  int id = slots_[slot(text)];
  return id < 0 ? std::nullopt : std::optional<int>(id);
}

std::string_view Vocabulary::text(int id) const {
  const Entry& found = entry(id);
  return std::string_view(arena_).substr(found.text, found.text_size);
}

std::string_view Vocabulary::bytes(int id) const {
  const Entry& found = entry(id);
  return std::string_view(arena_).substr(found.bytes, found.bytes_size);
}

const Vocabulary::Entry& Vocabulary::entry(int id) const {
  if (!contains(id)) fail_invalid("token id {} is not in the vocabulary (size {})", id, size());
  return entries_[static_cast<std::size_t>(id)];
}

std::uint32_t Vocabulary::store(std::string_view bytes) {
  std::size_t offset = arena_.size();
  if (offset + bytes.size() > std::numeric_limits<std::uint32_t>::max())
    fail_invalid("vocabulary: its tokens are over 4 GiB long");
  arena_.append(bytes);
  return static_cast<std::uint32_t>(offset);
}

// Where `text` is, or where it would go.
std::size_t Vocabulary::slot(std::string_view text) const {
  std::size_t mask = slots_.size() - 1;
  std::size_t at = std::hash<std::string_view>{}(text)&mask;
  while (slots_[at] >= 0 && this->text(slots_[at]) != text) at = (at + 1) & mask;
  return at;
}

void Vocabulary::grow() {
  std::vector<std::int32_t> old = std::move(slots_);
  slots_.assign(old.size() * 2, -1);
  for (std::int32_t id : old)
    if (id >= 0) slots_[slot(text(id))] = id;
}

}  // namespace cairn
