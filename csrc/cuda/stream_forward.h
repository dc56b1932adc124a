// The forward pass of a layer for many sequences.
#pragma once

#include "stream.h"

namespace fastgan::cuda {

template <typename Number, int kGroups>
class ForwardStream : Stream<Number, kGroups> {
  using Base = Stream<Number, kGroups>;
  using Base::batch_, Base::hidden_, Base::groups_, Base::beside_, Base::left_;
  using Base::sequence, Base::numbers, Base::put, Base::put_gate, Base::own, Base::multiply, Base::pair;
  using typename Base::Operand, typename Base::Stored;

  static constexpr int kGates = kGroup * kGroups;  // of each kind
  using Sums = float[16][4];                       // of tiles, gate by gate, of the units of a group

 public:
  FASTGAN_DEVICE ForwardStream(const StreamForward& call, const StreamPlan& plan)
      : Base(call.batch, call.hidden, plan),
        call_(call),
        wide_(call.inputs > kThin),
        of_input_(wide_),
        stateless_(call.h0 == nullptr ? groups_ : 0) {
    left_ = slabs_ = groups_ * call.steps * (int(wide_) + 1) - stateless_;
  }

  FASTGAN_DEVICE void run() {
    for (int k = 1; k < kSlots; ++k) Base::fetch(ahead());
    keep_beside();
    Operand state, input;
    Few few;
    begin();
    ask_for_few(0, few);
    const bool late = this->late();
    const Vector* slab = nullptr;  // taken before its time
    sync();
    for (int step = 0; step < call_.steps; ++step) {
      find_states(state);
      if (!wide_) {
        share_few(few);
        ask_for_few(step + 1, few);
      }
      if (wide_) read(call_.x, step, call_.inputs, input);
      FASTGAN_UNROLL_NONE
      for (int group = 0; group < groups_; ++group) {
        Sums sum;
        from_beside(group, sum);
        if (wide_) multiply_all(input, sum, slab);
        if (step > 0 || call_.h0 != nullptr) multiply_all(state, sum, slab);
        if (late && taken_ < slabs_ && (wide_ || step > 0 || call_.h0 != nullptr || group + 1 == groups_))
          slab = next();
        advance(step, group, sum);
      }
    }
  }

 private:
  // The states that a step leaves for the next, beside the cells.
  FASTGAN_DEVICE Vector* own_states(int group) const { return own(1, 0, 0) + 64 * group; }
  FASTGAN_DEVICE void leave_states(int group, const Vector& upper, const Vector& lower) const {
    Vector both[2];
    pair(upper, lower, both);
    own_states(group)[0] = both[0];
    own_states(group)[32] = both[1];
  }
  FASTGAN_DEVICE void find_states(Operand& state) const {
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < 2 * kGroups; ++k) state[k / 2][k % 2] = read_back(own_states(k / 2) + 32 * (k % 2));
  }

  // What a step reads, by way of the memory of its states, which nobody needs between two steps: operands are four
  // registers side by side, and what comes from there is so at once.
  FASTGAN_DEVICE void read(const void* tensor, std::int64_t step, int width, Operand& to) const {
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < kGroups; ++k)
      leave_states(k, numbers(tensor, step, 0, width, k), numbers(tensor, step, 1, width, k));
    find_states(to);
  }

  FASTGAN_DEVICE void begin() const {
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < kGroups; ++k) {
      leave_states(k, numbers(call_.h0, 0, 0, hidden_, k), numbers(call_.h0, 0, 1, hidden_, k));
      FASTGAN_UNROLL_ALL
      for (int half = 0; half < 2; ++half) {
        float c[8];
        widen<Number>(numbers(call_.c0, 0, half, hidden_, k), c);
        set(own(0, half, k), c);
      }
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

  // Few inputs of a step lie side by side for all 16 sequences: each thread asks for some of them.
  using Few = float[kTeam * kThin / 32];
  FASTGAN_DEVICE float* own_few() const { return reinterpret_cast<float*>(own(1, 0, 0) - lane() + 64 * kGroups); }
  FASTGAN_DEVICE void ask_for_few(std::int64_t step, Few& x) const {
    const std::int64_t first = step * batch_ + sequence(0) - lane() / 4;
    const std::int64_t left = batch_ - (sequence(0) - lane() / 4);  // sequences
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < kTeam * kThin / 32; ++k) {
      const int at = 32 * k + lane();
      const bool is = !wide_ && step < call_.steps && at < kTeam * call_.inputs && at < left * call_.inputs;
      x[k] = is ? number(call_.x, first * call_.inputs + at) : 0;
    }
  }
  FASTGAN_DEVICE void share_few(const Few& x) const {
    sync_warp();  // nobody reads those of the step before any more
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < kTeam * kThin / 32; ++k) own_few()[32 * k + lane()] = x[k];
    sync_warp();
  }

  FASTGAN_DEVICE void from_beside(int group, Sums& sum) const {
    const float* at = beside_ + kGroup * group + 8 * (lane() % 4);
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < 32; ++k) {
      const float bias = at[k / 8 * kGates + k % 8];
      sum[k / 2][k % 2] = sum[k / 2][2 + k % 2] = bias;
    }
    if (wide_) return;
    for (int i = 0; i < call_.inputs; ++i) {
      const float* few = own_few() + lane() / 4 * call_.inputs + i;
      const float x[2] = {few[0], few[8 * call_.inputs]};
      at += 4 * kGates;
      FASTGAN_UNROLL_ALL
      for (int k = 0; k < 32; ++k) {
        const float weight = at[k / 8 * kGates + k % 8];
        FASTGAN_UNROLL_ALL
        for (int half = 0; half < 2; ++half) sum[k / 2][2 * half + k % 2] += x[half] * weight;
      }
    }
  }

  // Slabs in the order of the products: for each group the inputs' weights, where they are wide, and those of states,
  // where there are any.
  FASTGAN_DEVICE const Vector* ahead() {
    const int kinds = wide_ ? 2 : 1;
    const Vector* slab = static_cast<const Vector*>(call_.packed) +
                         std::int64_t(ahead_ * kinds + int(wide_ && !of_input_)) * Base::kSlab;
    const bool both = of_input_ && stateless_ == 0;
    if (of_input_ && stateless_ > 0) --stateless_;
    of_input_ = wide_ && !both;
    if (!both && ++ahead_ == groups_) ahead_ = 0;
    return slab;
  }

  FASTGAN_DEVICE const Vector* next() {
    ++taken_;
    return Base::take(ahead());
  }
  FASTGAN_DEVICE void multiply_all(const Operand& with, Sums& sum, const Vector*& slab) {
    Base::multiply(sum, with, slab != nullptr ? slab : next());
    slab = nullptr;
  }

  // The units of a group by one step.
  FASTGAN_DEVICE void advance(int step, int group, const Sums& sum) const {
    Vector states[2];
    FASTGAN_UNROLL_ALL
    for (int half = 0; half < 2; ++half) {
      float c[8], gates[4][8], h[8];
      get(own(0, half, group), c);
      FASTGAN_UNROLL_ALL
      for (int k = 0; k < 8; ++k) {
        FASTGAN_UNROLL_ALL
        for (int q = 0; q < 4; ++q) {
          const float value = sum[4 * q + k / 2][2 * half + k % 2];
          gates[q][k] = q == 2 ? squash<Number>(value) : opening<Number>(value);
        }
        c[k] = gates[1][k] * c[k] + gates[0][k] * gates[2][k];
        h[k] = gates[3][k] * squash<Number>(c[k]);
      }
      set(own(0, half, group), c);
      const Vector state = shorten<Number>(h), cell = shorten<Number>(c);
      states[half] = state;
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
    leave_states(group, states[0], states[1]);
  }

  const StreamForward& call_;
  const bool wide_;
  int slabs_, taken_ = 0;
  bool of_input_;  // what the next slab is of,
  int ahead_ = 0;  // and of which group
  int stateless_;  // slabs of inputs that none of states follow
};

template <typename Number, int kGroups>
FASTGAN_KERNEL(kStreamWarps)
stream_forward(FASTGAN_ARGUMENT StreamForward call, FASTGAN_ARGUMENT StreamPlan plan) {
  ForwardStream<Number, kGroups>(call, plan).run();
}

}  // namespace fastgan::cuda
