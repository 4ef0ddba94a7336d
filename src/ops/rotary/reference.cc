#include "ops/rotary/reference.h"

#include <cmath>
#include <vector>

#include "ops/core/rows.h"
#include "ops/rotary/frequencies.h"

namespace cairn {

void rotary_embedding_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                          const Attributes& attributes) {
  Rows<const float> x = rows_of<const float>(inputs[0]);
  Rows<float> out = rows_of<float>(outputs[0]);
  std::vector<float> frequencies = rotary_frequencies(attributes);
  const auto pairs = static_cast<std::int64_t>(frequencies.size());
  const bool interleaved = attributes.get<std::int64_t>("interleaved") != 0;
  for (std::int64_t row = 0; row < x.count; ++row) {
    const auto position = static_cast<float>(inputs[1].as<const std::int32_t>()[row / x.inner]);
    for (std::int64_t i = 0; i < x.columns; ++i) out.row(row)[i] = x.row(row)[i];
    for (std::int64_t i = 0; i < pairs; ++i) {
      float frequency = frequencies[static_cast<std::size_t>(i)];
      if (inputs.size() > 2) frequency = frequency / inputs[2].as<const float>()[i];
      const float angle = position * frequency;
      const std::int64_t first = interleaved ? 2 * i : i, second = interleaved ? 2 * i + 1 : i + pairs;
      const float a = x.row(row)[first], b = x.row(row)[second];
      out.row(row)[first] = a * std::cos(angle) - b * std::sin(angle);
      out.row(row)[second] = b * std::cos(angle) + a * std::sin(angle);
    }
  }
}

}  // namespace cairn
