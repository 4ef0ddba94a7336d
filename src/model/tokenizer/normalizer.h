// Unicode normalization before splitting.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

enum class NormalForm { nfc, nfd, nfkc, nfkd };

/// Applies normal forms in order, by ICU. Code points that Unicode assigned after version 9 stay as they are, since the
/// reference tokenizers' tables end there. Immutable; safe to use from many threads.
class Normalizer {
 public:
  /// No forms: text stays as it is.
  Normalizer();
  explicit Normalizer(const std::vector<NormalForm>& forms);
  ~Normalizer();
  Normalizer(Normalizer&&) noexcept;
  Normalizer& operator=(Normalizer&&) noexcept;

  bool empty() const { return steps_.empty(); }
  /// `text` in its normal form: itself, or a view into `storage`.
  std::string_view normalize(std::string_view text, std::string& storage) const;

 private:
  struct Step;
  std::vector<std::unique_ptr<Step>> steps_;
};

}  // namespace cairn
