#include "model/tokenizer/unicode_additions.h"

namespace cairn {
namespace {

constexpr UnicodeAddition kAdditions[] = {
#include "model/tokenizer/unicode_additions.inc"
};

}  // namespace

std::span<const UnicodeAddition> unicode_additions() { return kAdditions; }

}  // namespace cairn
