// What happens to a cell once its matrix products are summed: forward, backward, and both once more for the second
// order.
//
// `sums` is what product() hands over. In the forward passes a group of cells fills a vector of each gate, i, f, g, o
// side by side; in the backward passes a panel holds two vectors of cells.
#pragma once

#include "activations.h"
#include "tile.h"

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

// Calls run(strip, first cell) for a group of cells, which fill a vector.
template <typename Real, typename Run>
FASTGAN_INLINE void each_group(Index group, Index hidden, Run run) {
  constexpr Index lanes = Set<Real>::lanes;
  const Index unit = group * lanes, count = std::min<Index>(lanes, hidden - unit);
  if (count == lanes) {
    run(Strip<Real, true>{count}, unit);
  } else {
    run(Strip<Real, false>{count}, unit);
  }
}

// Calls run(strip, row, first cell, offset in the panel) for each vector of a panel of `columns` cells, row by row: the
// two vectors of a row share its cache lines.
template <typename Real, typename Run>
FASTGAN_INLINE void each_strip(Index panel, Index hidden, Index rows, Run run) {
  using S = Set<Real>;
  const Index unit = panel * S::columns, count = std::min<Index>(S::columns, hidden - unit);
  for (Index r = 0; r < rows && count == S::columns; ++r) {
    FASTGAN_UNROLL  // an instruction that strides evenly is one whose data the processor fetches ahead
        for (Index j = 0; j < S::columns; j += S::lanes) run(Strip<Real, true>{S::lanes}, r, unit + j, j);
  }
  for (Index r = 0; r < rows && count < S::columns; ++r) {
    for (Index j = 0; j < count; j += S::lanes) {
      run(Strip<Real, false>{std::min<Index>(S::lanes, count - j)}, r, unit + j, j);
    }
  }
}

template <typename Real>
struct ForwardCells {
  static constexpr int kTogether = 4;  // rows whose tanh(c) are computed side by side

  Index hidden;
  Matrix<const Real> c_prev;  // null for zeros
  Matrix<Real> c, h;
  Matrix<Real> gates;  // null when not kept

  // In two sweeps, with c and o left in `sums` between them: in one, each row would wait for its own tanh(c), and the
  // next rows with it.
  template <bool whole>
  FASTGAN_INLINE void run(Sums<Real> sums, Index rows, Index unit, Strip<Real, whole> strip) const {
    constexpr Index lanes = Set<Real>::lanes;
    const Limits<Real> limits;
    for (Index r = 0; r < rows; ++r) {
      Real* const at = sums[r];
      Vec<Real> gate[4] = {load(at), load(at + lanes), load(at + 2 * lanes), load(at + 3 * lanes)};
      activate<4, 4>(gate, limits);
      Vec<Real> state = gate[0] * gate[2];
      if (c_prev) state += gate[1] * strip.get(c_prev[r] + unit);
      strip.put(c[r] + unit, state);
      store(at, state);
      store(at + lanes, gate[3]);
      if (!gates) continue;
      FASTGAN_UNROLL
      for (int k = 0; k < 4; ++k) strip.put(gates[r] + unit + k * hidden, gate[k]);
    }
    for (Index first = 0; first < rows; first += kTogether) {
      Index row[kTogether];  // the last is done again where rows are too few
      Vec<Real> state[kTogether];
      FASTGAN_UNROLL
      for (int j = 0; j < kTogether; ++j) {
        row[j] = std::min(first + j, rows - 1);
        state[j] = load(sums[row[j]]);
      }
      activate<kTogether, (1u << kTogether) - 1>(state, limits);
      FASTGAN_UNROLL
      for (int j = 0; j < kTogether; ++j) strip.put(h[row[j]] + unit, load(sums[row[j]] + lanes) * state[j]);
    }
  }

  FASTGAN_INLINE void operator()(Index group, Sums<Real> sums, Index rows) const {
    each_group<Real>(group, hidden, [&](auto strip, Index unit) { run(sums, rows, unit, strip); });
  }
};

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

  FASTGAN_INLINE void operator()(Index panel, Sums<Real> sums, Index rows) const {
    const Limits<Real> limits;
    each_strip<Real>(panel, hidden, rows, [&](auto strip, Index r, Index unit, Index j) {
      const Real* const at = gates[r] + unit;
      const Vec<Real> i = strip.get(at), f = strip.get(at + hidden), g = strip.get(at + 2 * hidden),
                      o = strip.get(at + 3 * hidden);
      const Vec<Real> tanh_c = tanh_of<Real>(strip.get(c[r] + unit), limits);
      Vec<Real> down = load(sums[r] + j);
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

  FASTGAN_INLINE void operator()(Index group, Sums<Real> sums, Index rows) const {
    const Limits<Real> limits;
    each_group<Real>(group, hidden, [&](auto strip, Index unit) {
      for (Index r = 0; r < rows; ++r) {
        Vec<Real> value[4], moves[4];
        FASTGAN_UNROLL
        for (int k = 0; k < 4; ++k) {
          value[k] = strip.get(gates[r] + unit + k * hidden);
          moves[k] = load(sums[r] + k * Set<Real>::lanes);
          strip.put(gates_move[r] + unit + k * hidden, moves[k]);
        }
        const Vec<Real> i = value[0], f = value[1], g = value[2], o = value[3];
        const Vec<Real> tanh_c = tanh_of<Real>(strip.get(c[r] + unit), limits);
        Vec<Real> state = i * (Real(1) - i) * moves[0] * g + i * (Real(1) - g * g) * moves[2];
        if (c_prev) state += f * (Real(1) - f) * moves[1] * strip.get(c_prev[r] + unit);
        if (c_prev_moves) state += f * strip.get(c_prev_moves[r] + unit);
        strip.put(c_moves[r] + unit, state);
        strip.put(h_moves[r] + unit, o * (Real(1) - o) * moves[3] * tanh_c + o * (Real(1) - tanh_c * tanh_c) * state);
      }
    });
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
    const Limits<Real> limits;
    each_strip<Real>(panel, hidden, rows, [&](auto strip, Index r, Index unit, Index j) {
      const Real one = 1, two = 2;
      const Real* const at = gates[r] + unit;
      const Real* const moves = gates_move[r] + unit;
      const Vec<Real> i = strip.get(at), f = strip.get(at + hidden), g = strip.get(at + 2 * hidden),
                      o = strip.get(at + 3 * hidden);
      const Vec<Real> i_slope = i * (one - i), f_slope = f * (one - f), g_slope = one - g * g, o_slope = o * (one - o);
      const Vec<Real> a_i = strip.get(moves), a_f = strip.get(moves + hidden), a_g = strip.get(moves + 2 * hidden),
                      a_o = strip.get(moves + 3 * hidden);
      const Vec<Real> tanh_c = tanh_of<Real>(strip.get(c[r] + unit), limits), slope = one - tanh_c * tanh_c;
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
    });
  }
};

}  // namespace FASTGAN_SET
}  // namespace fastgan
