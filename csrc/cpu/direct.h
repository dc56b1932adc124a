// Gates from weights as they lie: for a single step of one or two sequences, which would use a packed weight once. The
// weights are transposed on the way into the sums, whose order is that of tile.h, so the bits are the same.
#pragma once

#include "pack.h"

namespace fastgan {
namespace FASTGAN_SET {

constexpr Index kDirectRows = 2;  // more would not leave their sums in registers

// A stretch of the left-hand matrix, and the weight [4H, depth] that it meets.
template <typename Real>
struct Pairing {
  Segment<Real> left;
  const Real* weight;
};

template <typename Real, int rows>
FASTGAN_APART void direct_gates(const Pairing<Real>* pairs, Index count, Index hidden, Index group, const Real* bias,
                                Sums<Real> to) {
  constexpr Index lanes = Set<Real>::lanes;
  Vec<Real> total[rows][4], sum[rows][4] = {};
  FASTGAN_UNROLL
  for (int r = 0; r < rows; ++r) {
    FASTGAN_UNROLL
    for (int gate = 0; gate < 4; ++gate) total[r][gate] = load(bias + gate * lanes);
  }
  for (Index p = 0; p < count; ++p) {
    const Segment<Real>& left = pairs[p].left;
    const auto row = [&](Index gate, Index c) {
      return pairs[p].weight + (gate * hidden + std::min(group * lanes + c, hidden - 1)) * left.depth;
    };
    for (Index first = 0, last; first < left.depth; first = last) {
      last = first + left.part_at(first);
      Index k = first;
      for (; k + lanes <= last; k += lanes) {
        FASTGAN_UNROLL
        for (int gate = 0; gate < 4; ++gate) {
          Vec<Real> block[lanes];
          FASTGAN_UNROLL
          for (int c = 0; c < lanes; ++c) block[c] = load(row(gate, c) + k);
          exchange_all<1, Real>(block);
          FASTGAN_UNROLL
          for (int c = 0; c < lanes; ++c) {
            FASTGAN_UNROLL
            for (int r = 0; r < rows; ++r) sum[r][gate] += block[c] * left.at[r * left.row + (k + c) * left.step];
          }
        }
      }
      for (; k < last; ++k) {
        FASTGAN_UNROLL
        for (int gate = 0; gate < 4; ++gate) {
          Real column[lanes];
          for (Index c = 0; c < lanes; ++c) column[c] = row(gate, c)[k];
          FASTGAN_UNROLL
          for (int r = 0; r < rows; ++r) sum[r][gate] += load(column) * left.at[r * left.row + k * left.step];
        }
      }
      if (last == left.depth && p + 1 < count && pairs[p + 1].left.joined) continue;
      FASTGAN_UNROLL
      for (int r = 0; r < rows; ++r) {
        FASTGAN_UNROLL
        for (int gate = 0; gate < 4; ++gate) {
          total[r][gate] += sum[r][gate];
          sum[r][gate] = Vec<Real>{};
        }
      }
    }
  }
  FASTGAN_UNROLL
  for (int r = 0; r < rows; ++r) {
    FASTGAN_UNROLL
    for (int gate = 0; gate < 4; ++gate) store(to[r] + gate * lanes, total[r][gate]);
  }
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
