#include "model/tokenizer/normalizer.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uniset.h>

#include <limits>

#include "base/error.h"

namespace cairn {
namespace {

void check(UErrorCode status, const char* what) {
  if (U_FAILURE(status)) fail(ErrorKind::internal, "normalizer: {}: ICU reports {}", what, u_errorName(status));
}

const icu::Normalizer2& normalizer_of(NormalForm form) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* found = nullptr;
  switch (form) {
    case NormalForm::nfc:
      found = icu::Normalizer2::getNFCInstance(status);
      break;
    case NormalForm::nfd:
      found = icu::Normalizer2::getNFDInstance(status);
      break;
    case NormalForm::nfkc:
      found = icu::Normalizer2::getNFKCInstance(status);
      break;
    case NormalForm::nfkd:
      found = icu::Normalizer2::getNFKDInstance(status);
      break;
  }
  check(status, "loading its tables");
  return *found;
}

icu::UnicodeSet known_code_points() {
  UErrorCode status = U_ZERO_ERROR;
  icu::UnicodeSet set(icu::UnicodeString::fromUTF8("[:age=9.0:]"), status);
  check(status, "making the set of known code points");
  set.freeze();
  return set;
}

bool is_ascii(std::string_view text) {
  unsigned char all = 0;
  for (char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

}  // namespace

struct Normalizer::Step {
  explicit Step(NormalForm form) : known(known_code_points()), filtered(normalizer_of(form), known) {}
  icu::UnicodeSet known;
  icu::FilteredNormalizer2 filtered;
};

Normalizer::Normalizer() = default;
Normalizer::~Normalizer() = default;
Normalizer::Normalizer(Normalizer&&) noexcept = default;
Normalizer& Normalizer::operator=(Normalizer&&) noexcept = default;

Normalizer::Normalizer(const std::vector<NormalForm>& forms) {
  for (NormalForm form : forms) steps_.push_back(std::make_unique<Step>(form));
}

std::string_view Normalizer::normalize(std::string_view text, std::string& storage) const {
  if (steps_.empty() || is_ascii(text)) return text;
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    fail_invalid("text of {} bytes is too long to normalize; the limit is 2 GiB", text.size());
  for (const auto& step : steps_) {
    UErrorCode status = U_ZERO_ERROR;
    icu::StringPiece source(text.data(), static_cast<std::int32_t>(text.size()));
    if (step->filtered.isNormalizedUTF8(source, status)) continue;
    std::string result;
    icu::StringByteSink<std::string> sink(&result, source.length());
    step->filtered.normalizeUTF8(0, source, sink, nullptr, status);
    check(status, "normalizing");
    storage = std::move(result);
    text = storage;
  }
  return text;
}

}  // namespace cairn
