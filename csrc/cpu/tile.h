// Matrix products in registers. A panel is a strip of the right-hand matrix, two vectors wide and as deep as it goes; a
// tile is what a few rows of the left-hand matrix make of it.
//
// A part of the depth is at most kPart long and summed by itself, then added to what was there: one long sum would
// gather more rounding errors. Where parts begin depends on the sizes of a layer alone. So every element is summed in
// the same order whatever the number of rows, panels or threads, and a sequence gives the same bits alone and in any
// batch.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "simd.h"

namespace fastgan {
namespace FASTGAN_SET {

constexpr Index kPart = 128;

// A stretch of the left-hand matrix: element (r, k) is at[r * row + k * step]. One that is `joined` is short, and is
// summed with the end of the segment before it. Parts are as even as they can be.
template <typename Real>
struct Segment {
  const Real* at;
  Index row, step, depth;
  Index part = kPart;  // at most
  bool joined = false;

  FASTGAN_INLINE Index part_at(Index k) const {  // how long the part is that begins at k
    const Index left = depth - k;
    if (left <= part) return left;
    const Index parts = (left + part - 1) / part;
    return (left + parts - 1) / parts;
  }
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
  Panels panel(Index p) const { return {at + p * size, size, step}; }
};

template <typename Real>
Panels<Real> packed(const Real* at, Index depth) {
  return {at, depth * Set<Real>::columns, Set<Real>::columns};
}

constexpr Index kShortPart = 16;
constexpr Index kSweep = 256;   // depth of a panel that all rows pass before the next: it stays in the closest cache
constexpr int kMostParts = 24;  // of a sweep, for up to four segments and parts of kShortPart

// A part, or what another is joined to, after which nothing is added up yet.
template <typename Real>
struct Part {
  const Real* at;
  Index row, step, depth;
  bool ends;
};

// What all rows do with one panel before they go on to the next: some parts, one after the other.
template <typename Real>
struct Sweep {
  Part<Real> parts[kMostParts];
  int count;
  Index depth;
};

// Cuts segments that lie side by side into sweeps: at least one, which is empty when there are none.
template <typename Real>
class Sweeps {
 public:
  FASTGAN_INLINE Sweeps(const Segment<Real>* segment, Index segments) : at_(segment), end_(segment + segments) {}

  FASTGAN_INLINE bool next(Sweep<Real>& sweep) {
    sweep.count = 0;
    sweep.depth = 0;
    bool ended = true;
    while (at_ != end_ && !(ended && sweep.depth >= kSweep)) {
      const Index depth = at_->part_at(done_);
      const bool last = done_ + depth == at_->depth;
      ended = !(last && at_ + 1 != end_ && at_[1].joined);
      sweep.parts[sweep.count++] = {at_->at + done_ * at_->step, at_->row, at_->step, depth, ended};
      sweep.depth += depth;
      done_ = last ? 0 : done_ + depth;
      at_ += last;
    }
    const bool first = first_;
    first_ = false;
    if (sweep.count == 0 && first) sweep.parts[sweep.count++] = {nullptr, 0, 0, 0, true};
    return sweep.count > 0;
  }

 private:
  const Segment<Real>* at_;
  const Segment<Real>* end_;
  Index done_ = 0;
  bool first_ = true;
};

// to = from + left * right for `rows` rows from row `first` on and panels that begin at `right`.
template <typename Real, int rows, int panels>
FASTGAN_APART void tile(const Sweep<Real>& sweep, Index first, const Panels<Real>& right,
                        const Square<const Real>& from, const Square<Real>& to) {
  using S = Set<Real>;
  const Real* panel = right.at;
  const Index size = right.size, panel_step = right.step;
  bool fresh = true;
  Vec<Real> sum[panels][rows][2] = {};
  for (int part = 0; part < sweep.count; ++part) {
    const Part<Real>& p = sweep.parts[part];
    const Real* left = p.at + first * p.row;
    const Index row = p.row, step = p.step;
    for (Index k = p.depth; k > 0; --k) {
      if constexpr (panels == 1) {  // both vectors of the panel and one factor at a time
        const Vec<Real> b0 = load(panel), b1 = load(panel + S::lanes);
        FASTGAN_UNROLL
        for (int r = 0; r < rows; ++r) {
          const Real a = left[r * row];
          sum[0][r][0] += b0 * a;
          sum[0][r][1] += b1 * a;
        }
      } else {  // all factors and one vector at a time
        Real a[rows];
        FASTGAN_UNROLL
        for (int r = 0; r < rows; ++r) a[r] = left[r * row];
        FASTGAN_UNROLL
        for (int q = 0; q < panels; ++q) {
          FASTGAN_UNROLL
          for (int half = 0; half < 2; ++half) {
            Vec<Real> b = load(panel + q * size + half * S::lanes);
            FASTGAN_KEEP(b);
            FASTGAN_UNROLL
            for (int r = 0; r < rows; ++r) sum[q][r][half] += b * a[r];
          }
        }
      }
      panel += panel_step;
      left += step;
    }
    if (!p.ends) continue;
    const Real* const start = fresh ? from.at + first * from.row : to.at + first * to.row;
    const Index start_row = fresh ? from.row : to.row, start_panel = fresh ? from.panel : to.panel;
    Real* const out = to.at + first * to.row;
    FASTGAN_UNROLL
    for (int q = 0; q < panels; ++q) {
      FASTGAN_UNROLL
      for (int r = 0; r < rows; ++r) {
        FASTGAN_UNROLL
        for (int half = 0; half < 2; ++half) {
          const Vec<Real> before = load(start + r * start_row + q * start_panel + half * S::lanes);
          store(out + r * to.row + q * to.panel + half * S::lanes, before + sum[q][r][half]);
          sum[q][r][half] = Vec<Real>{};
        }
      }
    }
    fresh = false;
  }
}

template <typename Real>
using Tile = void (*)(const Sweep<Real>&, Index, const Panels<Real>&, const Square<const Real>&, const Square<Real>&);

// Few rows leave registers free, which hold further panels: 1, 2 or 4 in all.
constexpr int wide(int rows) { return kRows >= 4 * rows ? 4 : kRows >= 2 * rows ? 2 : 1; }

// Tiles of r + 1 rows and of `panels` panels, or as many as leave room.
template <typename Real, int panels, int... r>
constexpr std::array<Tile<Real>, sizeof...(r)> tiles(std::integer_sequence<int, r...>) {
  return {&tile<Real, r + 1, std::min(panels, wide(r + 1))>...};
}
template <typename Real, int panels>
constexpr auto kTiles = tiles<Real, panels>(std::make_integer_sequence<int, kRows>());

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

// Left-hand rows, as segments side by side, times `panels` panels (1, 2 or 4, no more than wide(rows) when not 1).
template <typename Real>
FASTGAN_INLINE void multiply(const Segment<Real>* segment, Index segments, Index rows, Panels<Real> right, Index panels,
                             Square<const Real> from, Square<Real> to) {
  const auto& some = panels == 4 ? kTiles<Real, 4> : panels == 2 ? kTiles<Real, 2> : kTiles<Real, 1>;
  Sweeps<Real> sweeps(segment, segments);
  for (Sweep<Real> sweep; sweeps.next(sweep); from = {to.at, to.row, to.panel}, right = right.from(sweep.depth)) {
    if (rows <= kRows) {
      some[rows - 1](sweep, 0, right, from, to);
    } else {
      each_tile(rows, [&](Index first, Index count) { some[count - 1](sweep, first, right, from, to); });
    }
  }
}

// What a product gives for some of its panels, side by side: [rows, columns], row r at at[r * row].
template <typename Real>
struct Sums {
  Real* at;
  Index row;

  FASTGAN_INLINE Real* operator[](Index r) const { return at + r * row; }
};

// Left-hand rows times all panels of the groups [first, last), `group` panels each, plus `start`. What comes out for a
// group is handed to finish(group, sums), in `scratch`, which holds scratch_for(rows) elements. Going backwards every
// other time finds the end of a matrix in the cache that is too large for all of it.
template <int group, typename Real, typename Finish>
FASTGAN_INLINE void product(const Segment<Real>* segment, Index segments, Index rows, Panels<Real> right, Index first,
                            Index last, Square<const Real> start, Real* scratch, bool backwards, Finish finish) {
  using S = Set<Real>;
  if (rows <= 0) return;
  const Index widest = rows <= kRows ? wide(int(rows)) : 1;
  for (Index done = 0; done < last - first;) {
    Index groups = std::max<Index>(widest / group, 1);
    while (groups > last - first - done) groups /= 2;
    const Index at = backwards ? last - done - groups : first + done;
    const Index together = std::min<Index>(groups * group, widest);
    const Square<Real> to = {scratch, groups * group * S::columns, S::columns};
    for (Index p = 0; p < groups * group; p += together) {
      const Index panel = at * group + p;
      const Square<const Real> from = {start.at + panel * start.panel, start.row, start.panel};
      const Square<Real> part = {to.at + p * S::columns, to.row, to.panel};
      multiply(segment, segments, rows, right.panel(panel), together, from, part);
    }
    for (Index g = 0; g < groups; ++g) finish(at + g, Sums<Real>{scratch + g * group * S::columns, to.row});
    done += groups;
  }
}

template <typename Real>
Index scratch_for(Index rows) {
  return std::max<Index>(2 * rows, 4 * kRows) * Set<Real>::columns;
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
