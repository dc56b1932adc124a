// The forward pass of a layer for many sequences.
#pragma once

#include "stream.h"

namespace fastgan::cuda {

template <typename Number, int kGroups>
class ForwardStream : Stream<Number, kGroups> {
  using Base = Stream<Number, kGroups>;
  using Base::batch_, Base::hidden_, Base::groups_, Base::beside_;
  using Base::sequence, Base::there, Base::numbers, Base::put, Base::put_gate, Base::own, Base::unit, Base::multiply;
  using typename Base::Operand, typename Base::Stored;

  static constexpr int kGates = kGroup * kGroups;  // of each kind
  using Sums = float[4][4][4];                     // [gate, tile, ...], of the units of a group

 public:
  FASTGAN_DEVICE ForwardStream(const StreamForward& call, const StreamPlan& plan)
      : Base(call.batch, call.hidden, plan),
        call_(call),
        wide_(call.inputs > kThin),
        slabs_at_first_(groups_ * (int(wide_) + int(call.h0 != nullptr))),
        slabs_of_step_(groups_ * (int(wide_) + 1)),
        slabs_(slabs_at_first_ + (call.steps - 1) * slabs_of_step_) {}

  FASTGAN_DEVICE void run() {
    for (int k = 1; k < kSlots; ++k) this->fetch(slabs_, piece());
    keep_beside();
    Operand state[2] = {}, input[2] = {};
    begin(state);
    sync();
    for (int step = 0; step < call_.steps; ++step) {
      if (wide_) read(call_.x, step, call_.inputs, input);
      FASTGAN_UNROLL_NONE
      for (int group = 0; group < groups_; ++group) {
        Sums sum;
        from_beside(step, group, sum);
        if (wide_) multiply_all(input, sum);
        if (step > 0 || call_.h0 != nullptr) multiply_all(state, sum);
        advance(step, group, sum);
      }
      FASTGAN_UNROLL_ALL
      for (int k = 0; k < 2 * kGroups; ++k) state[k % 2][k / 2] = *own_state(k % 2, k / 2);
    }
  }

 private:
  // The states that a step leaves for the next, beside the cells.
  FASTGAN_DEVICE Vector* own_state(int half, int group) const { return own(1, 0, 0) + 32 * (2 * group + half); }

  FASTGAN_DEVICE void read(const void* tensor, std::int64_t step, int width, Operand (&to)[2]) const {
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < 2 * kGroups; ++k) to[k % 2][k / 2] = numbers(tensor, step, k % 2, width, k / 2);
  }

  FASTGAN_DEVICE void begin(Operand (&state)[2]) const {
    read(call_.h0, 0, hidden_, state);
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < 2 * kGroups; ++k) {
      float c[8];
      widen<Number>(numbers(call_.c0, 0, k % 2, hidden_, k / 2), c);
      set(own(0, k % 2, k / 2), c);
      *own_state(k % 2, k / 2) = {0, 0, 0, 0};  // of groups that do not exist nobody writes more
    }
  }

  // Biases, and weights of inputs so few that they are added one by one: [1 + I, gate, unit].
  FASTGAN_DEVICE void keep_beside() const {
    const int inputs = wide_ ? 0 : call_.inputs;
    const Weights& weights = call_.weights;
    for (int k = thread(); k < 4 * kGates * (1 + inputs); k += threads()) {
      const int of = k / (4 * kGates) - 1, q = k / kGates % 4, unit = k % kGates, row = q * hidden_ + unit;
      float value = 0;
      if (unit < hidden_)
        value =
            of >= 0 ? number(weights.w_ih, row * inputs + of) : number(weights.b_ih, row) + number(weights.b_hh, row);
      beside_[k] = value;
    }
  }
  static FASTGAN_DEVICE float number(const void* tensor, std::int64_t at) {
    return tensor == nullptr ? 0 : Number::widen(static_cast<const Stored*>(tensor)[at]);
  }

  FASTGAN_DEVICE void from_beside(int step, int group, Sums& sum) const {
    const float* at = beside_ + kGroup * group + 8 * (lane() % 4);
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < 32; ++k) {
      const float bias = at[k / 8 * kGates + k % 8];
      sum[k / 8][k % 8 / 2][k % 2] = sum[k / 8][k % 8 / 2][2 + k % 2] = bias;
    }
    if (wide_) return;
    for (int i = 0; i < call_.inputs; ++i) {
      float x[2];
      FASTGAN_UNROLL_ALL
      for (int half = 0; half < 2; ++half) {
        const std::int64_t row = std::int64_t(step) * batch_ + sequence(half);
        x[half] = sequence(half) < batch_ ? number(call_.x, row * call_.inputs + i) : 0;
      }
      at += 4 * kGates;
      FASTGAN_UNROLL_ALL
      for (int k = 0; k < 32; ++k) {
        const float weight = at[k / 8 * kGates + k % 8];
        FASTGAN_UNROLL_ALL
        for (int half = 0; half < 2; ++half) sum[k / 8][k % 8 / 2][2 * half + k % 2] += x[half] * weight;
      }
    }
  }

  // Where the parts of a slab are: first, if they are wide, those of the inputs' weights for a group, then the states'.
  FASTGAN_DEVICE auto piece() const {
    return [this](int slab) {
      const bool later = slab >= slabs_at_first_;
      const int kinds = (later ? slabs_of_step_ : slabs_at_first_) / groups_;
      const int place = later ? (slab - slabs_at_first_) % slabs_of_step_ : slab;
      const bool of_input = wide_ && place % kinds == 0;
      const int group = place / kinds, width = of_input ? call_.inputs : hidden_;
      const auto* weight = static_cast<const Stored*>(of_input ? call_.weights.w_ih : call_.weights.w_hh);
      return [=](int part, int column, int quarter) -> const Stored* {
        const int tile = part / kGroups, term = kGroup * (part % kGroups) + 8 * quarter;
        const int row = kGroup * group + unit(tile % 4, column);
        if (row >= hidden_ || term >= width) return nullptr;
        return weight + std::int64_t(tile / 4 * hidden_ + row) * width + term;
      };
    };
  }

  FASTGAN_DEVICE void multiply_all(const Operand (&with)[2], Sums& sum) {
    const Vector* slab = this->take(slabs_, piece());
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < kGroups; ++k) {
      FASTGAN_UNROLL_ALL
      for (int tile = 0; tile < 16; ++tile)
        multiply(sum[tile / 4][tile % 4], with[0][k], with[1][k], slab[32 * (tile * kGroups + k)]);
    }
  }

  // The units of a group by one step.
  FASTGAN_DEVICE void advance(int step, int group, const Sums& sum) const {
    FASTGAN_UNROLL_ALL
    for (int half = 0; half < 2; ++half) {
      float c[8], gates[4][8], h[8];
      get(own(0, half, group), c);
      FASTGAN_UNROLL_ALL
      for (int k = 0; k < 8; ++k) {
        FASTGAN_UNROLL_ALL
        for (int q = 0; q < 4; ++q) {
          const float value = sum[q][k / 2][2 * half + k % 2];
          gates[q][k] = q == 2 ? squash<Number>(value) : opening<Number>(value);
        }
        c[k] = gates[1][k] * c[k] + gates[0][k] * gates[2][k];
        h[k] = gates[3][k] * squash<Number>(c[k]);
      }
      set(own(0, half, group), c);
      const Vector state = shorten<Number>(h), cell = shorten<Number>(c);
      *own_state(half, group) = state;
      put(call_.output, step, half, group, state);
      put(call_.cells, step, half, group, cell);
      FASTGAN_UNROLL_ALL
      for (int q = 0; q < 4; ++q)
        if (call_.gates != nullptr) put_gate(call_.gates, step, half, q, group, shorten<Number>(gates[q]));
      if (call_.mask != nullptr) {
        float given[8], factor[8];
        widen<Number>(state, given);
        widen<Number>(numbers(call_.mask, step, half, hidden_, group), factor);
        FASTGAN_UNROLL_ALL
        for (int k = 0; k < 8; ++k) given[k] *= factor[k];
        put(call_.dropped, step, half, group, shorten<Number>(given));
      }
      if (step + 1 == call_.steps) {
        put(call_.h_n, 0, half, group, state);
        put(call_.c_n, 0, half, group, cell);
      }
    }
  }

  const StreamForward& call_;
  const bool wide_;
  const int slabs_at_first_, slabs_of_step_, slabs_;
};

template <typename Number, int kGroups>
FASTGAN_KERNEL(kStreamWarps)
stream_forward(FASTGAN_ARGUMENT StreamForward call, FASTGAN_ARGUMENT StreamPlan plan) {
  ForwardStream<Number, kGroups>(call, plan).run();
}

}  // namespace fastgan::cuda
