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

// One right-hand side and where its product goes: to [M, columns], whose rows begin `row` elements apart.
template <typename Real>
struct Target {
  RowList<Real> right;
  Index columns;
  Real* to;  // null when not wanted
  Index row;
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
            // Half as long parts as elsewhere: sums over sequences may be small beside what they are made of.
            const Segment<Real> segment = {tile_at, 1, kRows, depths[t], kPart / 2};
            Real* const to = target.to + m * target.row + column;
            const Square<const Real> zeros = {kZeros<Real>, 0, 0};
            if (width == S::columns) {
              const Square<Real> out = {to, target.row, 0};
              multiply(&segment, 1, height, packed<Real>(panel, depths[t]), 1,
                       set ? zeros : Square<const Real>{to, target.row, 0}, out);
              continue;
            }
            multiply(&segment, 1, height, packed<Real>(panel, depths[t]), 1, zeros,
                     Square<Real>{space.scratch, S::columns, 0});
            for (Index r = 0; r < height; ++r) {
              for (Index j = 0; j < width; j += S::lanes) {
                const Index count = std::min<Index>(S::lanes, width - j);
                Vec<Real> sum = load(space.scratch + r * S::columns + j);
                if (!set) sum += load_some(to + r * target.row + j, count);
                store_some(to + r * target.row + j, sum, count);
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
    for (Index j = 0; j < columns; ++j) put(int(j), target.to + m * target.row + j, target.row);
  }
}

// Where groups gather the gradients of all weights: the first in the caller's memory, the others in memory of their
// own, which is added to it at the end. Rows of that begin where vectors do. Where the caller's do not, and many steps
// are added to them, the first group has memory of its own too: vectors that cross lines of the cache took a fifth of
// such products.
template <typename Real>
class Gathering {
 public:
  void lay_out(const Sizes& sizes, const Weights<Real>* wanted, int groups, Arena& arena) {
    constexpr Index kOften = 512;  // rows
    bool crossing = false;
    for (Index place = 0; place < sizes.places(); ++place) {
      each_matrix(sizes, place, [&](auto part, Index, Index columns) {
        crossing |= wanted[place].*part && columns > kThin && own_row(columns) != columns;
      });
    }
    first_ = crossing && sizes.rows() >= kOften * groups ? 0 : 1;
    wanted_ = wanted;
    own_.clear();
    for (int group = first_; group < groups; ++group) {
      std::vector<Weights<Real>> all(sizes.places(), Weights<Real>{});
      for (Index place = 0; place < sizes.places(); ++place) {
        each_matrix(sizes, place, [&](auto part, Index rows, Index columns) {
          if (wanted[place].*part) all[place].*part = arena.take<Real>(rows * own_row(columns));
        });
      }
      own_.push_back(all);
    }
  }

  bool apart() const { return !own_.empty(); }
  const Weights<Real>& of(int group, Index place) const {
    return group < first_ ? wanted_[place] : own_[group - first_][place];
  }
  Target<Real> target(int group, RowList<Real> right, Index columns, Real* to) const {
    return {right, columns, to, group < first_ ? columns : own_row(columns)};
  }

  // Each thread a share of the rows of every matrix.
  void add_up(const Sizes& sizes, Index thread, Index threads) const {
    for (Index place = 0; place < sizes.places(); ++place) {
      each_matrix(sizes, place, [&](auto part, Index rows, Index columns) {
        if (!(wanted_[place].*part)) return;
        for (Index m = rows * thread / threads; m < rows * (thread + 1) / threads; ++m) {
          Real* const to = wanted_[place].*part + m * columns;
          bool fresh = first_ == 0;
          for (const std::vector<Weights<Real>>& all : own_) {
            const Real* const from = all[place].*part + m * own_row(columns);
            for (Index k = 0; k < columns; ++k) to[k] = fresh ? from[k] : to[k] + from[k];
            fresh = false;
          }
        }
      });
    }
  }

 private:
  static Index own_row(Index columns) { return panels_of<Real>(columns, Set<Real>::lanes) * Set<Real>::lanes; }

  // A bias is one row. Both have one gradient, which the kernels write where that of the first belongs.
  template <typename Run>
  static void each_matrix(const Sizes& sizes, Index place, Run run) {
    const Index gates = 4 * sizes.hidden;
    run(&Weights<Real>::w_ih, gates, sizes.inputs_of(place / sizes.directions));
    run(&Weights<Real>::w_hh, gates, sizes.out());
    run(&Weights<Real>::b_ih, 1, gates);
    run(&Weights<Real>::w_hr, sizes.projected, sizes.hidden);
  }

  const Weights<Real>* wanted_ = nullptr;
  std::vector<std::vector<Weights<Real>>> own_;
  int first_ = 1;  // group that has memory of its own
};

}  // namespace FASTGAN_SET
}  // namespace fastgan
