#include "ops/rotary/frequencies.h"

#include <cmath>
#include <numbers>
#include <string>

#include "base/error.h"

namespace cairn {
namespace {

double positive(const Attributes& attributes, std::string_view name) {
  double value = attributes.get<double>(name);
  if (!(value > 0) || std::isinf(value))
    fail_invalid("RotaryEmbedding: {} is {}, must be positive and finite", name, value);
  return value;
}

// Source: transformers, modeling_rope_utils, _compute_llama3_parameters; Llama 3.1 release.
void scale_llama3(std::vector<float>& frequencies, const Attributes& attributes) {
  const double factor = positive(attributes, "factor"), low = positive(attributes, "low_freq_factor");
  const double high = positive(attributes, "high_freq_factor");
  const auto length = static_cast<double>(attributes.get<std::int64_t>("original_max_position_embeddings"));
  if (!(length > 0))
    fail_invalid("RotaryEmbedding: original_max_position_embeddings must be positive for llama3 scaling");
  if (!(high > low)) fail_invalid("RotaryEmbedding: high_freq_factor {} must be above low_freq_factor {}", high, low);
  const auto longest = static_cast<float>(length / low), shortest = static_cast<float>(length / high);
  for (float& frequency : frequencies) {
    const float wavelength = static_cast<float>(2 * std::numbers::pi) / frequency;
    if (wavelength < shortest) continue;
    const float divided = frequency / static_cast<float>(factor);
    if (wavelength > longest) {
      frequency = divided;
      continue;
    }
    const float smooth =
        (static_cast<float>(length) / wavelength - static_cast<float>(low)) / static_cast<float>(high - low);
    frequency = (1 - smooth) * frequency / static_cast<float>(factor) + smooth * frequency;
  }
}

}  // namespace

std::vector<float> rotary_frequencies(const Attributes& attributes) {
  const double theta = positive(attributes, "theta");
  const auto dim = attributes.get<std::int64_t>("rotary_dim");
  std::vector<float> frequencies(static_cast<std::size_t>(dim / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dim);
    frequencies[i] = 1.0f / static_cast<float>(std::pow(static_cast<double>(static_cast<float>(theta)),
                                                        static_cast<double>(exponent)));
  }
  const std::string scaling = attributes.get_or<std::string>("scaling", "default");
  if (scaling == "llama3") {
    scale_llama3(frequencies, attributes);
  } else if (scaling == "linear") {
    for (float& frequency : frequencies) frequency /= static_cast<float>(positive(attributes, "factor"));
  } else if (scaling != "default") {
    fail(ErrorKind::unsupported, "RotaryEmbedding: scaling '{}' is not supported; known: default, linear, llama3",
         scaling);
  }
  return frequencies;
}

}  // namespace cairn
