// The LSTM once more, as loops over single numbers: one sequence, one cell after the other.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../lstm.h"

// A number and how fast it moves. Gradients made of these move as the gradient of the gradient says.
template <typename Real>
struct Dual {
  Real value = 0, moves = 0;
};
template <typename Real>
Dual<Real> operator+(Dual<Real> a, Dual<Real> b) {
  return {a.value + b.value, a.moves + b.moves};
}
template <typename Real>
Dual<Real> operator*(Dual<Real> a, Dual<Real> b) {
  return {a.value * b.value, a.moves * b.value + a.value * b.moves};
}
template <typename Real>
Dual<Real> one_minus(Dual<Real> a) {
  return {1 - a.value, -a.moves};
}
template <typename Real>
Dual<Real> sigmoid(Dual<Real> a) {
  const Real value = 1 / (1 + std::exp(-a.value));
  return {value, a.moves * value * (1 - value)};
}
template <typename Real>
Dual<Real> tanh(Dual<Real> a) {
  const Real value = std::tanh(a.value);
  return {value, a.moves * (1 - value * value)};
}

enum Part { w_ih, w_hh, b_ih, b_hh, w_hr, parts };

// What a call reads. An empty vector stands for a null pointer.
template <typename Number>
struct Inputs {
  std::vector<Number> x, h0, c0, masks;
  std::vector<std::array<std::vector<Number>, parts>> weights;
  std::vector<Number> d_output, d_h_n, d_c_n;
};

// What it gives; both biases have the gradient that is kept for the first.
template <typename Number>
struct Results {
  std::vector<Number> output, inner, dropped, cells, gates, h_n, c_n;
  std::vector<Number> d_x, d_h0, d_c0;
  std::vector<std::array<std::vector<Number>, parts>> d_weights;
};

template <typename Number>
class Reference {
 public:
  using Index = std::int64_t;

  Reference(const fastgan::Sizes& sizes, const Inputs<Number>& in) : s(sizes), in_(in) {
    const Index rows = s.rows(), places = s.layers * s.directions, between = (s.layers - 1) * rows * s.width();
    auto& r = results;
    r.output.resize(rows * s.width());
    r.inner.resize(between);
    r.dropped.resize(in.masks.size());
    r.cells.resize(places * rows * s.hidden);
    r.gates.resize(places * rows * 4 * s.hidden);
    r.h_n.resize(places * s.batch * s.out());
    r.c_n.resize(places * s.batch * s.hidden);
    r.d_x.resize(rows * s.inputs);
    r.d_h0.resize(r.h_n.size());
    r.d_c0.resize(r.c_n.size());
    r.d_weights.resize(places);
    for (Index place = 0; place < places; ++place) {
      const Index gates = 4 * s.hidden;
      r.d_weights[place] = {std::vector<Number>(gates * s.inputs_of(place / s.directions)),
                            std::vector<Number>(gates * s.out()), std::vector<Number>(gates), std::vector<Number>(),
                            std::vector<Number>(s.projected * s.hidden)};
    }
    for (Index b = 0; b < s.batch; ++b) {
      Index length = 0;
      while (length < s.steps && s.batch_at(length) > b) ++length;
      for (Index place = 0; place < places; ++place) forward(b, length, place);
      std::vector<Number> above(length * s.width());
      for (Index t = 0; t < length && !in.d_output.empty(); ++t) {
        for (Index j = 0; j < s.width(); ++j)
          above[t * s.width() + j] = in.d_output[(s.offsets[t] + b) * s.width() + j];
      }
      for (Index layer = s.layers - 1; layer >= 0; --layer) above = backward(b, length, layer, above);
      for (Index t = 0; t < length; ++t) {
        for (Index j = 0; j < s.inputs; ++j) r.d_x[(s.offsets[t] + b) * s.inputs + j] = above[t * s.inputs + j];
      }
    }
  }

  Results<Number> results;

 private:
  Index time(Index place, Index k, Index length) const { return place % s.directions ? length - 1 - k : k; }
  const Number& read(Index layer, Index row, Index j) const {
    if (layer == 0) return in_.x[row * s.inputs + j];
    const Index at = ((layer - 1) * s.rows() + row) * s.width() + j;
    return in_.masks.empty() ? results.inner[at] : results.dropped[at];
  }
  Number& gate(Index place, Index row, Index which, Index cell) {
    return results.gates[((place * s.rows() + row) * 4 + which) * s.hidden + cell];
  }
  Number& state(Index place, Index row, Index cell) {
    return results.cells[(place * s.rows() + row) * s.hidden + cell];
  }

  void forward(Index b, Index length, Index place) {
    const Index layer = place / s.directions, inputs = s.inputs_of(layer);
    const auto& w = in_.weights[place];
    std::vector<Number> h(s.out()), c(s.hidden), whole(s.hidden);
    for (Index j = 0; j < s.out() && !in_.h0.empty(); ++j) h[j] = in_.h0[(place * s.batch + b) * s.out() + j];
    for (Index j = 0; j < s.hidden && !in_.c0.empty(); ++j) c[j] = in_.c0[(place * s.batch + b) * s.hidden + j];
    for (Index k = 0; k < length; ++k) {
      const Index row = s.offsets[time(place, k, length)] + b;
      for (Index cell = 0; cell < s.hidden; ++cell) {
        for (Index which = 0; which < 4; ++which) {
          const Index g = which * s.hidden + cell;
          Number sum;
          if (!w[b_ih].empty()) sum = sum + w[b_ih][g];
          if (!w[b_hh].empty()) sum = sum + w[b_hh][g];
          for (Index j = 0; j < inputs; ++j) sum = sum + read(layer, row, j) * w[w_ih][g * inputs + j];
          for (Index j = 0; j < s.out(); ++j) sum = sum + h[j] * w[w_hh][g * s.out() + j];
          gate(place, row, which, cell) = which == 2 ? tanh(sum) : sigmoid(sum);
        }
        c[cell] = gate(place, row, 1, cell) * c[cell] + gate(place, row, 0, cell) * gate(place, row, 2, cell);
        state(place, row, cell) = c[cell];
        whole[cell] = gate(place, row, 3, cell) * tanh(c[cell]);
      }
      h = project(w[w_hr], whole);
      for (Index j = 0; j < s.out(); ++j) {
        const Index column = (place % s.directions) * s.out() + j;
        if (layer + 1 == s.layers) {
          results.output[row * s.width() + column] = h[j];
          continue;
        }
        const Index at = (layer * s.rows() + row) * s.width() + column;
        results.inner[at] = h[j];
        if (!in_.masks.empty()) results.dropped[at] = h[j] * in_.masks[at];
      }
    }
    for (Index j = 0; j < s.out(); ++j) results.h_n[(place * s.batch + b) * s.out() + j] = h[j];
    for (Index j = 0; j < s.hidden; ++j) results.c_n[(place * s.batch + b) * s.hidden + j] = c[j];
  }

  std::vector<Number> project(const std::vector<Number>& weight, const std::vector<Number>& whole) const {
    if (!s.projected) return whole;
    std::vector<Number> h(s.projected);
    for (Index p = 0; p < s.projected; ++p) {
      for (Index j = 0; j < s.hidden; ++j) h[p] = h[p] + weight[p * s.hidden + j] * whole[j];
    }
    return h;
  }

  // From the gradient of a layer's output [length, D R] to that of what it has read [length, K].
  std::vector<Number> backward(Index b, Index length, Index layer, const std::vector<Number>& above) {
    const Index inputs = s.inputs_of(layer), out = s.out(), hidden = s.hidden;
    std::vector<Number> below(length * inputs);
    for (Index place = layer * s.directions; place < (layer + 1) * s.directions; ++place) {
      const auto& w = in_.weights[place];
      auto& d_w = results.d_weights[place];
      const Index states = place * s.batch + b;
      std::vector<Number> dh(out), dc(hidden), d_gates(4 * hidden);
      for (Index j = 0; j < out && !in_.d_h_n.empty(); ++j) dh[j] = in_.d_h_n[states * out + j];
      for (Index j = 0; j < hidden && !in_.d_c_n.empty(); ++j) dc[j] = in_.d_c_n[states * hidden + j];
      for (Index k = length - 1; k >= 0; --k) {
        const Index t = time(place, k, length), row = s.offsets[t] + b;
        for (Index j = 0; j < out; ++j) dh[j] = dh[j] + above[t * s.width() + (place % s.directions) * out + j];
        std::vector<Number> d_whole = s.projected ? std::vector<Number>(hidden) : dh;
        for (Index p = 0; p < s.projected; ++p) {
          for (Index j = 0; j < hidden; ++j) {
            const Number whole = gate(place, row, 3, j) * tanh(state(place, row, j));
            d_w[w_hr][p * hidden + j] = d_w[w_hr][p * hidden + j] + dh[p] * whole;
            d_whole[j] = d_whole[j] + dh[p] * w[w_hr][p * hidden + j];
          }
        }
        const Index before = k ? s.offsets[time(place, k - 1, length)] + b : -1;
        for (Index j = 0; j < hidden; ++j) {
          const Number i = gate(place, row, 0, j), f = gate(place, row, 1, j), g = gate(place, row, 2, j),
                       o = gate(place, row, 3, j), tanh_c = tanh(state(place, row, j));
          Number c_prev;
          if (k) {
            c_prev = state(place, before, j);
          } else if (!in_.c0.empty()) {
            c_prev = in_.c0[states * hidden + j];
          }
          const Number d_state = dc[j] + d_whole[j] * o * one_minus(tanh_c * tanh_c);
          d_gates[j] = d_state * g * i * one_minus(i);
          d_gates[hidden + j] = d_state * c_prev * f * one_minus(f);
          d_gates[2 * hidden + j] = d_state * i * one_minus(g * g);
          d_gates[3 * hidden + j] = d_whole[j] * tanh_c * o * one_minus(o);
          dc[j] = d_state * f;
        }
        dh.assign(out, Number());
        for (Index g = 0; g < 4 * hidden; ++g) {
          d_w[b_ih][g] = d_w[b_ih][g] + d_gates[g];
          for (Index j = 0; j < inputs; ++j) {
            d_w[w_ih][g * inputs + j] = d_w[w_ih][g * inputs + j] + d_gates[g] * read(layer, row, j);
            below[t * inputs + j] = below[t * inputs + j] + d_gates[g] * w[w_ih][g * inputs + j];
          }
          for (Index j = 0; j < out; ++j) {
            dh[j] = dh[j] + d_gates[g] * w[w_hh][g * out + j];
            d_w[w_hh][g * out + j] = d_w[w_hh][g * out + j] + d_gates[g] * previous(place, before, states, j);
          }
        }
      }
      for (Index j = 0; j < out; ++j) results.d_h0[states * out + j] = dh[j];
      for (Index j = 0; j < hidden; ++j) results.d_c0[states * hidden + j] = dc[j];
    }
    for (Index t = 0; t < length && layer > 0 && !in_.masks.empty(); ++t) {
      for (Index j = 0; j < inputs; ++j) {
        const Index at = ((layer - 1) * s.rows() + s.offsets[t] + b) * inputs + j;
        below[t * inputs + j] = below[t * inputs + j] * in_.masks[at];
      }
    }
    return below;
  }

  // What came out at row `before`, or the first state when that is negative.
  Number previous(Index place, Index before, Index states, Index j) const {
    if (before < 0) return in_.h0.empty() ? Number() : in_.h0[states * s.out() + j];
    const Index layer = place / s.directions, column = (place % s.directions) * s.out() + j;
    if (layer + 1 == s.layers) return results.output[before * s.width() + column];
    return results.inner[(layer * s.rows() + before) * s.width() + column];
  }

  const fastgan::Sizes s;
  const Inputs<Number>& in_;
};
