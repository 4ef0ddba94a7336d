// Chooses one token from a row of logits: greedy, or a draw under temperature, min-p, top-k and top-p.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/row_scan.h"

namespace cairn {

/// Filters in the order they apply; defaults filter nothing. `temperature` is above 0.
struct TokenFilter {
  double temperature = 1.0;
  double min_p = 0.0;  // keep tokens at least this fraction as likely as the likeliest
  int top_k = 0;       // keep the k likeliest, and those equal to the k-th
  double top_p = 1.0;  // keep the likeliest until they hold this share of what is left; of equals, low ids first
};

/// Buffers that a choice needs; keep one per row worked on at the same time.
struct ChoiceScratch {
  RowSummary summary;
  RowWeights weights;
  std::vector<Candidate> candidates;
  std::vector<float> values;
  std::vector<int> ids;
};

/// Draws from softmax(row / temperature) after the filters, by inverting the cumulative distribution at `u` in [0, 1).
/// `scratch.summary` must summarise `row`; it must be valid, with a finite maximum.
int draw_token(std::span<const float> row, const TokenFilter& filter, double u, ChoiceScratch& scratch);

}  // namespace cairn
