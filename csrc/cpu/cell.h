// What happens to a cell once its matrix products are summed: forward, backward, and both once more for the second
// order.
//
// `sums` is what product() hands over, [rows, columns]. In the forward passes a panel holds a few cells and their four
// gates, so two rows fill a vector of each gate; in the backward passes it holds whole vectors of cells.
#pragma once

#include "activations.h"

namespace fastgan {
namespace FASTGAN_SET {

// A matrix whose row r begins at at[r * row]; at is null where it is left out.
template <typename Real>
struct Matrix {
  Real* at = nullptr;
  Index row = 0;

  FASTGAN_INLINE explicit operator bool() const { return at != nullptr; }
  FASTGAN_INLINE Real* operator[](Index r) const { return at + r * row; }
  Matrix from(Index first) const { return {at ? at + first * row : nullptr, row}; }
};

// Two rows of one cell panel: all of it, or its first `count` cells when it is the last.
template <typename Real, bool whole>
struct Pair {
  Index count;

  FASTGAN_INLINE Vec<Real> get(const Real* low, const Real* high) const {
    if constexpr (whole) return load_pair(low, high);
    Real both[Set<Real>::lanes] = {};
    std::memcpy(both, low, count * sizeof(Real));
    std::memcpy(both + Set<Real>::units, high, count * sizeof(Real));
    return load(both);
  }
  FASTGAN_INLINE void put(Real* low, Real* high, Vec<Real> value) const {
    if constexpr (whole) return store_pair(low, high, value);
    Real both[Set<Real>::lanes];
    store(both, value);
    std::memcpy(low, both, count * sizeof(Real));
    std::memcpy(high, both + Set<Real>::units, count * sizeof(Real));
  }
};

template <typename Real>
struct ForwardCells {
  Index hidden;
  Matrix<const Real> c_prev;  // null for zeros
  Matrix<Real> c, h;
  Matrix<Real> gates;  // null when not kept

  // In two sweeps, with c and o left in `sums` between them: in one, each row would wait for its own tanh(c), and the
  // next rows with it.
  template <bool whole>
  FASTGAN_INLINE void run(Real* sums, Index rows, Index unit, Index count) const {
    using S = Set<Real>;
    const Pair<Real, whole> cells = {count};
    const Pair<Real, true> summed = {S::units};
    for (Index r = 0; r < rows; r += 2) {
      const Index q = std::min(r + 1, rows - 1);  // the last of an odd number is done twice
      Real* const low = sums + r * S::columns;
      Real* const high = sums + q * S::columns;
      const Vec<Real> i = sigmoid<Real>(summed.get(low, high));
      const Vec<Real> f = sigmoid<Real>(summed.get(low + S::units, high + S::units));
      const Vec<Real> g = tanh_of<Real>(summed.get(low + 2 * S::units, high + 2 * S::units));
      const Vec<Real> o = sigmoid<Real>(summed.get(low + 3 * S::units, high + 3 * S::units));
      Vec<Real> state = i * g;
      if (c_prev) state += f * cells.get(c_prev[r] + unit, c_prev[q] + unit);
      cells.put(c[r] + unit, c[q] + unit, state);
      summed.put(low, high, state);
      summed.put(low + 3 * S::units, high + 3 * S::units, o);
      if (gates) {
        Real* const a = gates[r] + unit;
        Real* const b = gates[q] + unit;
        cells.put(a, b, i);
        cells.put(a + hidden, b + hidden, f);
        cells.put(a + 2 * hidden, b + 2 * hidden, g);
        cells.put(a + 3 * hidden, b + 3 * hidden, o);
      }
    }
    for (Index r = 0; r < rows; r += 2) {
      const Index q = std::min(r + 1, rows - 1);
      const Real* const low = sums + r * S::columns;
      const Real* const high = sums + q * S::columns;
      const Vec<Real> o = summed.get(low + 3 * S::units, high + 3 * S::units);
      cells.put(h[r] + unit, h[q] + unit, o * tanh_of<Real>(summed.get(low, high)));
    }
  }

  FASTGAN_INLINE void operator()(Index panel, Real* sums, Index rows) const {
    const Index unit = panel * Set<Real>::units, count = std::min<Index>(Set<Real>::units, hidden - unit);
    if (count == Set<Real>::units) {
      run<true>(sums, rows, unit, count);
    } else {
      run<false>(sums, rows, unit, count);
    }
  }
};

// A vector of cells of one row: all of it, or its first `count` elements.
template <typename Real, bool whole>
struct Strip {
  Index count;

  FASTGAN_INLINE Vec<Real> get(const Real* at) const {
    if constexpr (whole) return load(at);
    return load_some(at, count);
  }
  FASTGAN_INLINE void put(Real* at, Vec<Real> value) const {
    if constexpr (whole) return store(at, value);
    store_some(at, value, count);
  }
};

// Calls run<whole>(first cell, cells, offset in the panel) for each vector of a panel of `columns` cells.
template <typename Real, typename Run>
FASTGAN_INLINE void each_strip(Index panel, Index hidden, Run run) {
  using S = Set<Real>;
  for (Index j = 0; j < S::columns; j += S::lanes) {
    const Index unit = panel * S::columns + j, count = std::min<Index>(S::lanes, hidden - unit);
    if (count == S::lanes) {
      run(Strip<Real, true>{count}, unit, j);
    } else if (count > 0) {
      run(Strip<Real, false>{count}, unit, j);
    }
  }
}

template <typename Real>
struct BackwardCells {
  Index hidden;
  Matrix<const Real> gates, c;
  Matrix<const Real> c_prev;  // null for zeros
  Matrix<const Real> dh;      // what comes from above, added to the sums; null for zeros
  Matrix<const Real> dh_n;    // what comes from the last state, the same
  Matrix<Real> dc;            // in and out: of this step's c, then of the one before
  Matrix<Real> dgates;
  Matrix<Real> whole;  // out: h before its projection; null when not wanted

  FASTGAN_INLINE void operator()(Index panel, const Real* sums, Index rows) const {
    each_strip<Real>(panel, hidden, [&](auto strip, Index unit, Index j) {
      for (Index r = 0; r < rows; ++r) {
        const Real* const at = gates[r] + unit;
        const Vec<Real> i = strip.get(at), f = strip.get(at + hidden), g = strip.get(at + 2 * hidden),
                        o = strip.get(at + 3 * hidden);
        const Vec<Real> tanh_c = tanh_of<Real>(strip.get(c[r] + unit));
        Vec<Real> down = load(sums + r * Set<Real>::columns + j);
        if (dh) down += strip.get(dh[r] + unit);
        if (dh_n) down += strip.get(dh_n[r] + unit);
        if (whole) strip.put(whole[r] + unit, o * tanh_c);
        const Vec<Real> state = strip.get(dc[r] + unit) + down * o * (Real(1) - tanh_c * tanh_c);
        Real* const to = dgates[r] + unit;
        strip.put(to, state * g * i * (Real(1) - i));
        strip.put(to + hidden, c_prev ? state * strip.get(c_prev[r] + unit) * f * (Real(1) - f) : Vec<Real>{});
        strip.put(to + 2 * hidden, state * i * (Real(1) - g * g));
        strip.put(to + 3 * hidden, down * tanh_c * o * (Real(1) - o));
        strip.put(dc[r] + unit, state * f);
      }
    });
  }
};

// How a cell moves when the call's tensors move: `sums` are the movements of its gates before their activations.
template <typename Real>
struct TangentCells {
  Index hidden;
  Matrix<const Real> gates, c;       // of this step, as the forward pass left them
  Matrix<const Real> c_prev;         // null for zeros
  Matrix<const Real> c_prev_moves;   // null for zeros
  Matrix<Real> gates_move, c_moves;  // gates_move before the activations
  Matrix<Real> h_moves;

  template <bool whole>
  FASTGAN_INLINE void run(const Real* sums, Index rows, Index unit, Index count) const {
    using S = Set<Real>;
    const Pair<Real, whole> cells = {count};
    const Pair<Real, true> summed = {S::units};
    for (Index r = 0; r < rows; r += 2) {
      const Index q = std::min(r + 1, rows - 1);
      const Real* const low = sums + r * S::columns;
      const Real* const high = sums + q * S::columns;
      const Real* const at_low = gates[r] + unit;
      const Real* const at_high = gates[q] + unit;
      Vec<Real> value[4], moves[4];
      FASTGAN_UNROLL
      for (int k = 0; k < 4; ++k) {
        value[k] = cells.get(at_low + k * hidden, at_high + k * hidden);
        moves[k] = summed.get(low + k * S::units, high + k * S::units);
        cells.put(gates_move[r] + unit + k * hidden, gates_move[q] + unit + k * hidden, moves[k]);
      }
      const Vec<Real> i = value[0], f = value[1], g = value[2], o = value[3];
      const Vec<Real> tanh_c = tanh_of<Real>(cells.get(c[r] + unit, c[q] + unit));
      Vec<Real> state = i * (Real(1) - i) * moves[0] * g + i * (Real(1) - g * g) * moves[2];
      if (c_prev) state += f * (Real(1) - f) * moves[1] * cells.get(c_prev[r] + unit, c_prev[q] + unit);
      if (c_prev_moves) state += f * cells.get(c_prev_moves[r] + unit, c_prev_moves[q] + unit);
      cells.put(c_moves[r] + unit, c_moves[q] + unit, state);
      cells.put(h_moves[r] + unit, h_moves[q] + unit,
                o * (Real(1) - o) * moves[3] * tanh_c + o * (Real(1) - tanh_c * tanh_c) * state);
    }
  }

  FASTGAN_INLINE void operator()(Index panel, const Real* sums, Index rows) const {
    const Index unit = panel * Set<Real>::units, count = std::min<Index>(Set<Real>::units, hidden - unit);
    if (count == Set<Real>::units) {
      run<true>(sums, rows, unit, count);
    } else {
      run<false>(sums, rows, unit, count);
    }
  }
};

// The way back through a cell and its movement. Of everything there are two gradients of S: one for how it moves, which
// is the gradient of the first backward pass, and one for what it is. docs/lstm.md derives the formulas.
template <typename Real>
struct SecondCells {
  Index hidden;
  Matrix<const Real> gates, c;
  Matrix<const Real> c_prev;               // null for zeros
  Matrix<const Real> gates_move, c_moves;  // gates_move before the activations
  Matrix<const Real> c_prev_moves;         // null for zeros
  Matrix<const Real> dh_moves, dh;         // from above, added to the sums; null for zeros
  Matrix<const Real> dh_n_moves;           // from the last state, the same
  Matrix<Real> dc_moves, dc;               // in and out: of this step's c, then of the one before
  Matrix<Real> dgates_move, dgates;        // out, before the activations

  // sums_moves and sums: what later steps give to how h moves and to what it is.
  FASTGAN_INLINE void operator()(Index panel, const Real* sums_moves, const Real* sums, Index rows) const {
    each_strip<Real>(panel, hidden, [&](auto strip, Index unit, Index j) {
      const Real one = 1, two = 2;
      for (Index r = 0; r < rows; ++r) {
        const Real* const at = gates[r] + unit;
        const Real* const moves = gates_move[r] + unit;
        const Vec<Real> i = strip.get(at), f = strip.get(at + hidden), g = strip.get(at + 2 * hidden),
                        o = strip.get(at + 3 * hidden);
        const Vec<Real> i_slope = i * (one - i), f_slope = f * (one - f), g_slope = one - g * g,
                        o_slope = o * (one - o);
        const Vec<Real> a_i = strip.get(moves), a_f = strip.get(moves + hidden), a_g = strip.get(moves + 2 * hidden),
                        a_o = strip.get(moves + 3 * hidden);
        const Vec<Real> tanh_c = tanh_of<Real>(strip.get(c[r] + unit)), slope = one - tanh_c * tanh_c;
        const Vec<Real> c_move = strip.get(c_moves[r] + unit);
        Vec<Real> down_moves = load(sums_moves + r * Set<Real>::columns + j),
                  down = load(sums + r * Set<Real>::columns + j);
        if (dh_moves) down_moves += strip.get(dh_moves[r] + unit);
        if (dh_n_moves) down_moves += strip.get(dh_n_moves[r] + unit);
        if (dh) down += strip.get(dh[r] + unit);

        const Vec<Real> state_moves = strip.get(dc_moves[r] + unit) + down_moves * o * slope;
        const Vec<Real> to_tanh = down * o + down_moves * (o_slope * a_o - two * o * tanh_c * c_move);
        const Vec<Real> state = strip.get(dc[r] + unit) + to_tanh * slope;
        Vec<Real> before = {}, before_moves = {};
        if (c_prev) before = strip.get(c_prev[r] + unit);
        if (c_prev_moves) before_moves = strip.get(c_prev_moves[r] + unit);

        // For each gate: what reaches how it moves, and what reaches its value.
        const Vec<Real> i_moves = state_moves * g, i_value = state * g + state_moves * g_slope * a_g;
        const Vec<Real> f_moves = state_moves * before, f_value = state * before + state_moves * before_moves;
        const Vec<Real> g_moves = state_moves * i, g_value = state * i + state_moves * i_slope * a_i;
        const Vec<Real> o_moves = down_moves * tanh_c, o_value = down * tanh_c + down_moves * slope * c_move;

        Real* const to_moves = dgates_move[r] + unit;
        strip.put(to_moves, i_moves * i_slope);
        strip.put(to_moves + hidden, f_moves * f_slope);
        strip.put(to_moves + 2 * hidden, g_moves * g_slope);
        strip.put(to_moves + 3 * hidden, o_moves * o_slope);
        Real* const to = dgates[r] + unit;
        strip.put(to, (i_value + i_moves * (one - two * i) * a_i) * i_slope);
        strip.put(to + hidden, (f_value + f_moves * (one - two * f) * a_f) * f_slope);
        strip.put(to + 2 * hidden, (g_value - two * g_moves * g * a_g) * g_slope);
        strip.put(to + 3 * hidden, (o_value + o_moves * (one - two * o) * a_o) * o_slope);
        strip.put(dc_moves[r] + unit, state_moves * f);
        strip.put(dc[r] + unit, state * f + state_moves * f_slope * a_f);
      }
    });
  }
};

}  // namespace FASTGAN_SET
}  // namespace fastgan
