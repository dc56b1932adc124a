// Matrix products in registers. A panel is a strip of the right-hand matrix, two vectors wide and as deep as it goes; a
// tile is what a few rows of the left-hand matrix make of a part of it.
//
// A part is at most kPart deep and summed by itself, then added to what was there: one long sum would gather more
// rounding errors. Where parts begin depends on the depths alone. So every element is summed in the same order whatever
// the number of rows, panels or threads, and a sequence gives the same bits alone and in any batch.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "simd.h"

namespace fastgan {
namespace FASTGAN_SET {

// A stretch of the left-hand matrix: element (r, k) is at[r * row + k * step].
template <typename Real>
struct Segment {
  const Real* at;
  Index row, step, depth;
};

// Where the sums start or go: element (r, j) of panel p is at[r * row + p * panel + j].
template <typename Real>
struct Square {
  Real* at;
  Index row, panel;
};

// Panels of a right-hand matrix: row k of panel p begins at at[p * size + k * step]. Packed ones are read from front to
// back.
template <typename Real>
struct Panels {
  const Real* at;
  Index size, step;

  Panels from(Index row) const { return {at + row * step, size, step}; }
};

template <typename Real>
Panels<Real> packed(const Real* at, Index depth) {
  return {at, depth * Set<Real>::columns, Set<Real>::columns};
}

constexpr Index kPart = 128;
constexpr Index kThin = 4;  // so little depth makes no part of its own: it goes in front of the next one

// to = from + thin * panel + deep * panel; the panel's first rows belong to `thin`.
template <typename Real, int rows, int panels>
FASTGAN_APART void tile(Segment<Real> thin, Segment<Real> deep, Panels<Real> right, Square<const Real> from,
                        Square<Real> to) {
  using S = Set<Real>;
  Vec<Real> sum[panels][rows][2] = {};
  const Real* panel = right.at + thin.depth * right.step;
  const Real* left = deep.at;
  for (Index k = deep.depth; k > 0; --k) {
    FASTGAN_UNROLL
    for (int p = 0; p < panels; ++p) {
      const Vec<Real> b0 = load(panel + p * right.size), b1 = load(panel + p * right.size + S::lanes);
      FASTGAN_UNROLL
      for (int r = 0; r < rows; ++r) {
        const Real a = left[r * deep.row];
        sum[p][r][0] += b0 * a;
        sum[p][r][1] += b1 * a;
      }
    }
    panel += right.step;
    left += deep.step;
  }
  FASTGAN_UNROLL
  for (int p = 0; p < panels; ++p) {
    FASTGAN_UNROLL
    for (int r = 0; r < rows; ++r) {
      FASTGAN_UNROLL
      for (int half = 0; half < 2; ++half) {
        const Index column = p * from.panel + half * S::lanes;
        Vec<Real> start = load(from.at + r * from.row + column);
        for (Index k = 0; k < thin.depth; ++k) {
          start += load(right.at + p * right.size + k * right.step + half * S::lanes) *
                   thin.at[r * thin.row + k * thin.step];
        }
        store(to.at + r * to.row + p * to.panel + half * S::lanes, start + sum[p][r][half]);
      }
    }
  }
}

template <typename Real>
using Tile = void (*)(Segment<Real>, Segment<Real>, Panels<Real>, Square<const Real>, Square<Real>);

// Few rows leave registers free, which hold further panels.
constexpr int wide(int rows) { return std::min(kRows / rows, 4); }

template <typename Real, int... r>
constexpr std::array<Tile<Real>, sizeof...(r)> narrow_tiles(std::integer_sequence<int, r...>) {
  return {&tile<Real, r + 1, 1>...};
}
template <typename Real, int... r>
constexpr std::array<Tile<Real>, sizeof...(r)> wide_tiles(std::integer_sequence<int, r...>) {
  return {&tile<Real, r + 1, wide(r + 1)>...};
}

// Rows of a tile and how many of them: n rows in as few tiles as they need, as even as they can be.
template <typename Visit>
FASTGAN_INLINE void each_tile(Index rows, Visit visit) {
  const Index tiles = (rows + kRows - 1) / kRows;
  for (Index k = 0, first = 0; k < tiles; ++k) {
    const Index count = (rows - first) / (tiles - k);
    visit(first, count);
    first += count;
  }
}

template <typename Real>
FASTGAN_INLINE Index panels_of(Index columns, Index per_panel) {
  return (columns + per_panel - 1) / per_panel;
}

template <typename Real>
constexpr Real kZeros[Set<Real>::columns] = {};

// Calls visit(thin, deep, its panels, first) for each part of segments that lie side by side.
template <typename Real, typename Visit>
FASTGAN_INLINE void each_part(const Segment<Real>* segment, Index segments, Panels<Real> right, Visit visit) {
  constexpr Segment<Real> nothing = {nullptr, 0, 0, 0};
  Segment<Real> thin = nothing;
  bool first = true;
  const auto flush = [&] {
    visit(thin, nothing, right, first);
    right = right.from(thin.depth);
    thin = nothing;
    first = false;
  };
  for (const Segment<Real>* const end = segment + segments; segment != end; ++segment) {
    if (segment->depth <= kThin) {
      if (thin.depth > 0) flush();
      thin = *segment;
      continue;
    }
    for (Index k = 0; k < segment->depth; k += kPart) {
      const Index depth = std::min(kPart, segment->depth - k);
      visit(thin, Segment<Real>{segment->at + k * segment->step, segment->row, segment->step, depth}, right, first);
      right = right.from(thin.depth + depth);
      thin = nothing;
      first = false;
    }
  }
  if (thin.depth > 0 || first) flush();
}

// Left-hand rows, as segments side by side, times panels [first, last), plus `start`. What comes out is handed to
// finish(panel, sums), sums [rows, columns] in `scratch`, which holds scratch_for(rows) elements.
template <typename Real, typename Finish>
FASTGAN_INLINE void product(const Segment<Real>* segment, Index segments, Index rows, Panels<Real> right, Index first,
                            Index last, Square<const Real> start, Real* scratch, Finish finish) {
  using S = Set<Real>;
  static constexpr auto narrow = narrow_tiles<Real>(std::make_integer_sequence<int, kRows>());
  static constexpr auto broad = wide_tiles<Real>(std::make_integer_sequence<int, kRows>());
  if (rows <= 0) return;
  const Index together = rows <= kRows / 2 ? wide(int(rows)) : 1;
  const Square<Real> to = {scratch, S::columns, rows * S::columns};
  for (Index p = first; p < last;) {
    const Index count = p + together <= last ? together : 1;
    const Square<const Real> begin = {start.at + p * start.panel, start.row, start.panel};
    const auto& tiles = count > 1 ? broad : narrow;
    each_part(segment, segments, Panels<Real>{right.at + p * right.size, right.size, right.step},
              [&](Segment<Real> thin, Segment<Real> deep, Panels<Real> panel, bool fresh) {
                const Square<const Real> from = fresh ? begin : Square<const Real>{to.at, to.row, to.panel};
                if (rows <= kRows) {
                  tiles[rows - 1](thin, deep, panel, from, to);
                  return;
                }
                each_tile(rows, [&](Index r, Index height) {
                  Segment<Real> thin_part = thin, deep_part = deep;
                  if (thin.at) thin_part.at += r * thin.row;
                  if (deep.at) deep_part.at += r * deep.row;
                  tiles[height - 1](thin_part, deep_part, panel, {from.at + r * from.row, from.row, 0},
                                    {to.at + r * to.row, to.row, 0});
                });
              });
    for (Index k = 0; k < count; ++k) finish(p + k, scratch + k * to.panel);
    p += count;
  }
}

template <typename Real>
Index scratch_for(Index rows) {
  return std::max<Index>(rows, 4 * kRows) * Set<Real>::columns;
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
