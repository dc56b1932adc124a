// Laying matrices out as panels and tiles read them: front to back.
#pragma once

#include "tile.h"

namespace fastgan {
namespace FASTGAN_SET {

// One step of a transposition: exchanges the off-diagonal blocks of `width` lanes between a and b.
template <int width, typename Real, int... j>
FASTGAN_INLINE void exchange(Vec<Real>& a, Vec<Real>& b, std::integer_sequence<int, j...>) {
  constexpr int lanes = Set<Real>::lanes;
#if __has_builtin(__builtin_shufflevector)
  const Vec<Real> low = __builtin_shufflevector(a, b, ((j & width) ? lanes + j - width : j)...);
  const Vec<Real> high = __builtin_shufflevector(a, b, ((j & width) ? lanes + j : j + width)...);
#else
  const Vec<Real> low = {((j & width) ? b[j - width] : a[j])...};
  const Vec<Real> high = {((j & width) ? b[j] : a[j + width])...};
#endif
  a = low;
  b = high;
}

template <int width, typename Real>
FASTGAN_INLINE void exchange_all(Vec<Real>* rows) {
  constexpr int lanes = Set<Real>::lanes;
  if constexpr (width < lanes) {
    FASTGAN_UNROLL
    for (int r = 0; r < lanes; ++r) {
      if (!(r & width)) exchange<width, Real>(rows[r], rows[r + width], std::make_integer_sequence<int, lanes>());
    }
    exchange_all<width * 2, Real>(rows);
  }
}

// The rows of a weight matrix [4H, depth] that belong to one group of cells, transposed, as its two panels: [depth,
// columns] each, a vector of each gate. Cells beyond the last repeat it; what they give is never stored.
template <typename Real>
void pack_gates(const Real* weight, Index hidden, Index group, Index depth, Panels<Real> panels) {
  using S = Set<Real>;
  for (int half = 0; half < 2; ++half) {
    Real* const panel = const_cast<Real*>(panels.panel(2 * group + half).at);
    const Real* row[S::columns];
    for (int c = 0; c < S::columns; ++c) {
      const Index gate = 2 * half + c / S::lanes;
      row[c] = weight + (gate * hidden + std::min(group * S::lanes + c % S::lanes, hidden - 1)) * depth;
    }
    Index k = 0;
    for (; k + S::lanes <= depth; k += S::lanes) {
      FASTGAN_UNROLL
      for (int gate = 0; gate < 2; ++gate) {
        Vec<Real> block[S::lanes];
        FASTGAN_UNROLL
        for (int r = 0; r < S::lanes; ++r) block[r] = load(row[gate * S::lanes + r] + k);
        exchange_all<1, Real>(block);
        FASTGAN_UNROLL
        for (int r = 0; r < S::lanes; ++r) store(panel + (k + r) * S::columns + gate * S::lanes, block[r]);
      }
    }
    for (; k < depth; ++k) {
      for (int c = 0; c < S::columns; ++c) panel[k * S::columns + c] = row[c][k];
    }
  }
}

// The sum of both biases of a group's cells, or zeros, for its two panels side by side.
template <typename Real>
void pack_bias(const Real* b_ih, const Real* b_hh, Index hidden, Index group, Real* panel) {
  using S = Set<Real>;
  for (int gate = 0; gate < 4; ++gate) {
    for (int c = 0; c < S::lanes; ++c) {
      const Index k = gate * hidden + std::min<Index>(group * S::lanes + c, hidden - 1);
      panel[gate * S::lanes + c] = (b_ih ? b_ih[k] : Real(0)) + (b_hh ? b_hh[k] : Real(0));
    }
  }
}

// Columns [column, column + `width`) of `depth` rows, which row(k) points to, as a panel; columns beyond `columns` are
// zeros.
template <typename Real, typename Row>
FASTGAN_INLINE void pack_panel(Row row, Index depth, Index column, Index columns, Real* panel) {
  using S = Set<Real>;
  const Index count = std::min<Index>(S::columns, columns - column);
  if (count == S::columns) {
    for (Index k = 0; k < depth; ++k) {
      const Real* const from = row(k) + column;
      store(panel + k * S::columns, load(from));
      store(panel + k * S::columns + S::lanes, load(from + S::lanes));
    }
    return;
  }
  const Index low = std::min<Index>(count, S::lanes), high = count - low;
  for (Index k = 0; k < depth; ++k) {
    const Real* const from = row(k) + column;
    store(panel + k * S::columns, load_some(from, low));
    store(panel + k * S::columns + S::lanes, load_some(from + low, high));
  }
}

// Rows [column, ...) of a matrix [columns, depth] as a panel of its transpose; columns beyond the last are zeros.
template <typename Real>
void pack_transposed(const Real* matrix, Index columns, Index depth, Index column, Real* panel) {
  using S = Set<Real>;
  for (Index k = 0; k < depth; ++k) {
    for (Index c = 0; c < S::columns; ++c) {
      panel[k * S::columns + c] = column + c < columns ? matrix[(column + c) * depth + k] : Real(0);
    }
  }
}

// The same matrix as the left-hand side of a product over its rows: columns [first, last) in tiles of kRows, each
// [depth, kRows] and `size` elements from the next. Writes up to a vector beyond the end.
template <typename Real, typename Row>
FASTGAN_INLINE void pack_tiles(Row row, Index depth, Index first, Index last, Index size, Real* tiles) {
  using S = Set<Real>;
  constexpr Index kTogether = 8;  // rows that are read side by side
  for (Index k0 = 0; k0 < depth; k0 += kTogether) {
    const Index k1 = std::min(depth, k0 + kTogether);
    Real* tile = tiles;
    for (Index m = first; m < last; m += kRows, tile += size) {
      if (m + kRows + S::lanes <= last) {
        for (Index k = k0; k < k1; ++k) {
          FASTGAN_UNROLL
          for (int j = 0; j < kRows; j += S::lanes) store(tile + k * kRows + j, load(row(k) + m + j));
        }
      } else {
        for (Index k = k0; k < k1; ++k) {
          const Index count = std::min<Index>(kRows, last - m);
          std::memcpy(tile + k * kRows, row(k) + m, count * sizeof(Real));
          std::memset(tile + k * kRows + count, 0, (kRows - count) * sizeof(Real));
        }
      }
    }
  }
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
