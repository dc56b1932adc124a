// Gradients of weights: products over all rows of a span, left [rows, M] transposed times right [rows, columns].
#pragma once

#include "lanes.h"

namespace fastgan {
namespace FASTGAN_SET {

// Rows of a matrix that need not lie side by side: row q begins at list[q].
template <typename Real>
struct RowList {
  const Real* const* list;
  Index count;

  FASTGAN_INLINE const Real* operator()(Index q) const { return list[q]; }
};

// One right-hand side and where its product goes: to [M, columns], row by row.
template <typename Real>
struct Target {
  RowList<Real> right;
  Index columns;
  Real* to;  // null when not wanted
};

// A member's workspace for such products, and how much they take at a time.
template <typename Real>
struct GradientSpace {
  static constexpr Index kDepth = 256, kTiles = 16;
  Real *left, *right, *scratch;

  void lay_out(Arena& arena, Index columns) {
    left = arena.take<Real>(kTiles * tile_size(kDepth));
    right = arena.take<Real>(kDepth * panels_of<Real>(columns, Set<Real>::columns) * Set<Real>::columns);
    scratch = arena.take<Real>(kRows * Set<Real>::columns);
  }
  // Uneven, so that tiles do not all fall into the same few sets of the cache.
  static Index tile_size(Index depth) { return depth * kRows + 64 / Index(sizeof(Real)); }
};

// Adds to the targets, or sets them when `fresh`: rows [first, last) of M. A right-hand side with fewer rows than the
// left one belongs to its first rows.
template <typename Real, int targets>
void add_gradients(RowList<Real> left, Index first, Index last, const std::array<Target<Real>, targets>& all,
                   bool fresh, const GradientSpace<Real>& space) {
  using S = Set<Real>;
  using Space = GradientSpace<Real>;
  for (Index begin = 0; begin < left.count || (fresh && begin == 0); begin += Space::kDepth) {
    const Index depth = std::min(Space::kDepth, left.count - begin);
    const bool set = fresh && begin == 0;
    const auto left_row = [&](Index k) { return left(begin + k); };
    Index depths[targets];
    Real* panels[targets];
    Real* free = space.right;
    for (int t = 0; t < targets; ++t) {
      depths[t] = all[t].to ? std::clamp<Index>(all[t].right.count - begin, 0, depth) : 0;
      panels[t] = free;
      for (Index column = 0; depths[t] && column < all[t].columns; column += S::columns) {
        pack_panel<Real>([&](Index k) { return all[t].right(begin + k); }, depths[t], column, all[t].columns, free);
        free += depths[t] * S::columns;
      }
    }
    const Index size = Space::tile_size(depth);
    for (Index m0 = first; m0 < last; m0 += Space::kTiles * kRows) {
      const Index m1 = std::min(last, m0 + Space::kTiles * kRows);
      pack_tiles<Real>(left_row, depth, m0, m1, size, space.left);
      for (int t = 0; t < targets; ++t) {
        const Target<Real>& target = all[t];
        if (!target.to || (depths[t] == 0 && !set)) continue;
        const Real* panel = panels[t];
        for (Index column = 0; column < target.columns; column += S::columns, panel += depths[t] * S::columns) {
          const Index width = std::min<Index>(S::columns, target.columns - column);
          const Real* tile_at = space.left;
          for (Index m = m0; m < m1; m += kRows, tile_at += size) {
            const Index height = std::min<Index>(kRows, m1 - m);
            const Segment<Real> segment = {tile_at, 1, kRows, depths[t]};
            Real* const to = target.to + m * target.columns + column;
            const Square<const Real> zeros = {kZeros<Real>, 0, 0};
            if (width == S::columns) {
              const Square<Real> out = {to, target.columns, 0};
              multiply(&segment, 1, height, packed<Real>(panel, depths[t]), 1,
                       set ? zeros : Square<const Real>{to, target.columns, 0}, out);
              continue;
            }
            multiply(&segment, 1, height, packed<Real>(panel, depths[t]), 1, zeros,
                     Square<Real>{space.scratch, S::columns, 0});
            for (Index r = 0; r < height; ++r) {
              for (Index j = 0; j < width; j += S::lanes) {
                const Index count = std::min<Index>(S::lanes, width - j);
                Vec<Real> sum = load(space.scratch + r * S::columns + j);
                if (!set) sum += load_some(to + r * target.columns + j, count);
                store_some(to + r * target.columns + j, sum, count);
              }
            }
          }
        }
      }
    }
    if (left.count == 0) break;
  }
}

// The same for the bias, whose right-hand side is one, and a right-hand side of up to kThin columns, which would hardly
// fill a panel: each may be null.
template <typename Real>
void add_thin_gradients(RowList<Real> left, Index first, Index last, Real* bias, const Target<Real>& target,
                        bool fresh) {
  using S = Set<Real>;
  const Index columns = target.to ? target.columns : 0;
  for (Index m = first; m < last; m += S::columns) {
    const Index width = std::min<Index>(S::columns, last - m);
    Vec<Real> sums[kThin + 1][2] = {};
    const auto add_chain = [&](auto whole, auto thin, Index begin, Index end) {
      Vec<Real> chain[kThin + 1][2] = {};
      for (Index q = begin; q < end; ++q) {
        Vec<Real> low, high = {};
        if constexpr (decltype(whole)::value) {
          low = load(left(q) + m);
          high = load(left(q) + m + S::lanes);
        } else {
          low = load_some(left(q) + m, std::min<Index>(width, S::lanes));
          if (width > S::lanes) high = load_some(left(q) + m + S::lanes, width - S::lanes);
        }
        chain[kThin][0] += low;
        chain[kThin][1] += high;
        FASTGAN_UNROLL
        for (int j = 0; j < int(decltype(thin)::value); ++j) {
          const Real factor = target.right(q)[j];
          chain[j][0] += low * factor;
          chain[j][1] += high * factor;
        }
      }
      FASTGAN_UNROLL
      for (int j = 0; j <= kThin; ++j) {
        sums[j][0] += chain[j][0];
        sums[j][1] += chain[j][1];
      }
    };
    const auto add = [&](auto whole, auto thin) {
      constexpr Index kChain = 16;  // short, since these sums may be small beside what they are made of
      for (Index q = 0; q < left.count; q += kChain) add_chain(whole, thin, q, std::min(q + kChain, left.count));
    };
    const auto dispatch = [&](auto whole) {
      switch (columns) {
        case 0:
          return add(whole, std::integral_constant<int, 0>());
        case 1:
          return add(whole, std::integral_constant<int, 1>());
        case 2:
          return add(whole, std::integral_constant<int, 2>());
        case 3:
          return add(whole, std::integral_constant<int, 3>());
        default:
          return add(whole, std::integral_constant<int, 4>());
      }
    };
    if (width == S::columns) {
      dispatch(std::true_type());
    } else {
      dispatch(std::false_type());
    }
    Real values[S::columns];
    const auto put = [&](int j, Real* to, Index stride) {
      store(values, sums[j][0]);
      store(values + S::lanes, sums[j][1]);
      for (Index k = 0; k < width; ++k) to[k * stride] = fresh ? values[k] : to[k * stride] + values[k];
    };
    if (bias) put(kThin, bias + m, 1);
    for (Index j = 0; j < columns; ++j) put(int(j), target.to + m * columns + j, columns);
  }
}

// Gradients of the weights of all places, laid out one after the other in memory of a group's own.
template <typename Real>
std::vector<Weights<Real>> private_gradients(const Sizes& sizes, const Weights<Real>* wanted, Arena& arena) {
  std::vector<Weights<Real>> own;
  for (Index place = 0; place < sizes.places(); ++place) {
    const Index gates = 4 * sizes.hidden, inputs = sizes.inputs_of(place / sizes.directions);
    const Weights<Real>& w = wanted[place];
    own.push_back({w.w_ih ? arena.take<Real>(gates * inputs) : nullptr,
                   w.w_hh ? arena.take<Real>(gates * sizes.out()) : nullptr, w.b_ih ? arena.take<Real>(gates) : nullptr,
                   nullptr, w.w_hr ? arena.take<Real>(sizes.projected * sizes.hidden) : nullptr});
  }
  return own;
}

// Adds what the other groups found to what the first one did, each thread a share of every matrix.
template <typename Real>
void add_up(const Sizes& sizes, const Weights<Real>* total, const std::vector<std::vector<Weights<Real>>>& groups,
            Index thread, Index threads) {
  for (Index place = 0; place < sizes.places(); ++place) {
    const Index gates = 4 * sizes.hidden, inputs = sizes.inputs_of(place / sizes.directions);
    const auto add = [&](Real* to, Real* Weights<Real>::* part, Index count) {
      if (!to) return;
      const Index first = count * thread / threads, last = count * (thread + 1) / threads;
      for (const std::vector<Weights<Real>>& group : groups) {
        const Real* const from = group[place].*part;
        for (Index k = first; k < last; ++k) to[k] += from[k];
      }
    };
    add(total[place].w_ih, &Weights<Real>::w_ih, gates * inputs);
    add(total[place].w_hh, &Weights<Real>::w_hh, gates * sizes.out());
    add(total[place].b_ih, &Weights<Real>::b_ih, gates);
    add(total[place].w_hr, &Weights<Real>::w_hr, sizes.projected * sizes.hidden);
  }
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
