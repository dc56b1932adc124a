// Weights in the order in which a pass over many sequences reads them: slab by slab, 16 terms after 16, and of these
// the first eight for all tiles, then the others. A piece is what one column has of eight terms.
#pragma once

#include "device.h"
#include "stream_plan.h"

namespace fastgan::cuda {

constexpr int kPackThreads = 256;

// Of eight columns in the order of a product, the unit of the group that column `column` of tile `tile` is.
FASTGAN_DEVICE int unit_of(int tile, int column) { return 8 * (column / 2) + 2 * tile + column % 2; }

// The first of two terms that follow each other, of a half (0 or 1) of 16: a thread of four has eight of every 32.
FASTGAN_DEVICE int term_of(int sixteen, int half, int quarter) {
  return kGroup * (sixteen / 2) + 8 * quarter + 4 * (sixteen % 2) + 2 * half;
}

// Of the way forth a gate's row, tiles being gate by gate. Null where there is no such row or term.
FASTGAN_DEVICE const std::uint16_t* forth(const StreamPack& call, int slab, int tile, int column, int term) {
  const bool wide = call.inputs > kThin, of_input = wide && slab % 2 == 0;
  const int group = wide ? slab / 2 : slab, width = of_input ? call.inputs : call.hidden;
  const int row = kGroup * group + unit_of(tile % 4, column);
  if (row >= call.hidden || term >= width) return nullptr;
  return static_cast<const std::uint16_t*>(of_input ? call.w_ih : call.w_hh) + (tile / 4 * call.hidden + row) * width +
         term;
}

// Of the way back what leads from the gates of a group's units, 32 of each kind, to a unit.
FASTGAN_DEVICE const std::uint16_t* back(const StreamPack& call, int group, int tile, int column, int term) {
  const int gate = kGroup * group + term % kGroup, unit = kGroup * (tile / 4) + unit_of(tile % 4, column);
  if (unit >= call.hidden || gate >= call.hidden) return nullptr;
  return static_cast<const std::uint16_t*>(call.w_hh) + (term / kGroup * call.hidden + gate) * call.hidden + unit;
}

// A thread for each piece of all slabs.
template <int kGroups>
FASTGAN_KERNEL(kPackThreads / 32)
stream_pack(FASTGAN_ARGUMENT StreamPack call) {
  const int tiles = call.back ? 4 * kGroups : 16;
  const int k = block() * threads() + thread(), slab = k / (kPieces * kGroups), place = k % (kPieces * kGroups);
  const int column = place % 8, tile = place / 8 % tiles, half = place / 8 / tiles % 2, sixteen = place / 16 / tiles;
  std::uint32_t two[4];
  FASTGAN_UNROLL_ALL
  for (int quarter = 0; quarter < 4; ++quarter) {
    const int term = term_of(sixteen, half, quarter);
    const std::uint16_t* from =
        call.back ? back(call, slab, tile, column, term) : forth(call, slab, tile, column, term);
    const int step = call.back ? call.hidden : 1;
    two[quarter] = from == nullptr ? 0 : from[0] | std::uint32_t(from[step]) << 16;
  }
  static_cast<Vector*>(call.packed)[k] = {two[0], two[1], two[2], two[3]};
}

}  // namespace fastgan::cuda
