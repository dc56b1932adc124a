// The backward pass of a layer for many sequences.
#pragma once

#include "stream.h"

namespace fastgan::cuda {

template <typename Number, int kGroups>
class BackwardStream : Stream<Number, kGroups> {
  using Base = Stream<Number, kGroups>;
  using Base::hidden_, Base::groups_, Base::left_;
  using Base::numbers, Base::put, Base::gate, Base::put_gate, Base::own, Base::pair;

  static constexpr int kTiles = 4 * kGroups;

  // What a step needs of the units of a group besides products, of two sequences.
  struct Known {
    Vector gates[2][4], c[2], c_before[2], above[2];
  };
  using Operands = Vector[4][2];  // gradients of the gates of a group's units

 public:
  FASTGAN_DEVICE BackwardStream(const StreamBackward& call, const StreamPlan& plan)
      : Base(call.batch, call.hidden, plan), call_(call) {
    left_ = groups_ * (call.steps - int(call.d_h0 == nullptr));
  }

  // Steps come last first. What the next one reads of its gates, cells and gradients is asked for before the products
  // of this one.
  FASTGAN_DEVICE void run() {
    for (int k = 1; k < kSlots; ++k) Base::fetch(ahead());
    begin();
    Known known = known_of(call_.steps - 1, 0);
    sync();
    const bool late = this->late();
    for (int step = call_.steps - 1; step >= 0; --step) {
      const bool needed = step > 0 || call_.d_h0 != nullptr;
      float sum[kTiles][4] = {};
      FASTGAN_UNROLL_NONE
      for (int group = 0; group < groups_; ++group) {
        Operands gradients;
        const Vector* slab = needed && late ? Base::take(ahead()) : nullptr;
        go_back(step, group, known, gradients);
        const bool last = group + 1 == groups_;
        if (!last || step > 0) known = known_of(last ? step - 1 : step, last ? 0 : group + 1);
        if (needed) Base::multiply(sum, gradients, late ? slab : Base::take(ahead()));
      }
      if (needed) hand_on(sum);
    }
    if (call_.d_h0 != nullptr) finish();
  }

 private:
  // Gradients of the states after a step and of its cells, before the step is gone back.
  FASTGAN_DEVICE Vector* own_state(int half, int group) const { return own(0, half, group); }
  FASTGAN_DEVICE Vector* own_cell(int half, int group) const { return own(1, half, group); }

  FASTGAN_DEVICE void begin() const {
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < 2 * kGroups; ++k) {
      float values[8];
      widen<Number>(numbers(call_.d_h_n, 0, k % 2, hidden_, k / 2), values);
      set(own_state(k % 2, k / 2), values);
      widen<Number>(numbers(call_.d_c_n, 0, k % 2, hidden_, k / 2), values);
      set(own_cell(k % 2, k / 2), values);
    }
  }

  FASTGAN_DEVICE Known known_of(int step, int group) const {
    Known known;
    FASTGAN_UNROLL_ALL
    for (int half = 0; half < 2; ++half) {
      FASTGAN_UNROLL_ALL
      for (int q = 0; q < 4; ++q) known.gates[half][q] = gate(call_.gates, step, half, q, group);
      known.c[half] = numbers(call_.cells, step, half, hidden_, group);
      known.c_before[half] = numbers(step > 0 ? call_.cells : call_.c0, step > 0 ? step - 1 : 0, half, hidden_, group);
      known.above[half] = numbers(call_.above, step, half, hidden_, group);
    }
    return known;
  }

  // The units of a group back by one step.
  FASTGAN_DEVICE void go_back(int step, int group, const Known& known, Operands& operands) const {
    Vector to[2][4];
    FASTGAN_UNROLL_ALL
    for (int half = 0; half < 2; ++half) {
      float i[8], f[8], g[8], o[8], c[8], c_before[8], down[8], above[8], d_c[8];
      widen<Number>(known.gates[half][0], i);
      widen<Number>(known.gates[half][1], f);
      widen<Number>(known.gates[half][2], g);
      widen<Number>(known.gates[half][3], o);
      widen<Number>(known.c[half], c);
      widen<Number>(known.c_before[half], c_before);
      widen<Number>(known.above[half], above);
      get(own_state(half, group), down);
      get(own_cell(half, group), d_c);
      FASTGAN_UNROLL_ALL
      for (int k = 0; k < 8; ++k) {
        const float tanh_c = squash<Number>(c[k]), total = down[k] + above[k];
        const float d = d_c[k] + total * o[k] * (1 - tanh_c * tanh_c);
        d_c[k] = d * f[k];
        const float d_i = d * g[k] * i[k] * (1 - i[k]), d_f = d * c_before[k] * f[k] * (1 - f[k]);
        g[k] = d * i[k] * (1 - g[k] * g[k]);
        o[k] = total * tanh_c * o[k] * (1 - o[k]);
        i[k] = d_i;
        f[k] = d_f;
      }
      set(own_cell(half, group), d_c);
      put_gate(call_.d_gates, step, half, 0, group, shorten<Number>(i));
      put_gate(call_.d_gates, step, half, 1, group, shorten<Number>(f));
      put_gate(call_.d_gates, step, half, 2, group, shorten<Number>(g));
      put_gate(call_.d_gates, step, half, 3, group, shorten<Number>(o));
      to[half][0] = shorten<Number>(i);  // anew: what lies as memory has it does not lie as a product has it
      to[half][1] = shorten<Number>(f);
      to[half][2] = shorten<Number>(g);
      to[half][3] = shorten<Number>(o);
    }
    FASTGAN_UNROLL_ALL
    for (int q = 0; q < 4; ++q) pair(to[0][q], to[1][q], operands[q]);
  }

  // Each group's slab leads from its units' gates to all units.
  FASTGAN_DEVICE const Vector* ahead() {
    const Vector* slab = static_cast<const Vector*>(call_.packed) + std::int64_t(ahead_) * Base::kSlab;
    ahead_ = ahead_ + 1 == groups_ ? 0 : ahead_ + 1;
    return slab;
  }

  FASTGAN_DEVICE void hand_on(const float (&sum)[kTiles][4]) const {
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < 2 * kGroups; ++k) {
      const int half = k % 2, group = k / 2;
      float values[8];
      FASTGAN_UNROLL_ALL
      for (int j = 0; j < 8; ++j) values[j] = sum[4 * group + j / 2][2 * half + j % 2];
      set(own_state(half, group), values);
    }
  }

  FASTGAN_DEVICE void finish() const {
    for (int k = 0; k < 2 * groups_; ++k) {
      float values[8];
      get(own_state(k % 2, k / 2), values);
      put(call_.d_h0, 0, k % 2, k / 2, shorten<Number>(values));
      get(own_cell(k % 2, k / 2), values);
      put(call_.d_c0, 0, k % 2, k / 2, shorten<Number>(values));
    }
  }

  const StreamBackward& call_;
  int ahead_ = 0;  // the group of the next slab
};

template <typename Number, int kGroups>
FASTGAN_KERNEL(kStreamWarps)
stream_backward(FASTGAN_ARGUMENT StreamBackward call, FASTGAN_ARGUMENT StreamPlan plan) {
  BackwardStream<Number, kGroups>(call, plan).run();
}

}  // namespace fastgan::cuda
