// One output's share of one block, to and from a panel; the inner step of packing.
#pragma once

#include <cstddef>

#include "ops/matmul/panel_format.h"

namespace cairn {

/// Where a block's scales and quants lie in a panel.
struct BlockPlace {
  std::uint8_t* scales = nullptr;
  std::uint8_t* quants = nullptr;
};

/// Writes `count` stored blocks of one output (block.k elements in `stored_bytes` each) into lane `lane` of as many
/// panel blocks from `to` on.
void pack_blocks(PanelFormat format, const std::uint8_t* source, std::int64_t stored_bytes, BlockPlace to,
                 const PanelBlock& block, std::int64_t count, int lane);

/// The exact inverse for one block: writes it to `out` (at most kMaxStoredBlock bytes).
void unpack_block(PanelFormat format, BlockPlace from, const PanelBlock& block, int lane, std::uint8_t* out);

inline constexpr std::size_t kMaxStoredBlock = 210;

}  // namespace cairn
