// A stack that reads its own values, for many steps in one launch.
//
// Every value waits for the one before, so layers take turns: a wave is a step of one of them. What a layer's own
// states give needs nothing of that step, and is multiplied while the group waits for the layer before. A window stays
// in its row, and begins again there every n steps.
#pragma once

#include "gates.h"

namespace fastgan::cuda {

template <typename Number, int kTiles>
class FreeBlock : GateBlock<Number, kTiles, FreeRun> {
  using Base = GateBlock<Number, kTiles, FreeRun>;
  using Base::call_, Base::plan_, Base::place_, Base::partials_, Base::cells_, Base::hidden_, Base::biases_;
  using Base::number, Base::put, Base::bytes, Base::cells, Base::unit_of, Base::unit_in_block, Base::column_of,
      Base::sequence_of, Base::in_states, Base::weights, Base::multiply_columns, Base::activated, Base::next_cell;
  using typename Base::Stored;

 public:
  FASTGAN_DEVICE FreeBlock(const FreeRun& call, const Plan& plan) : Base(call, plan) {
    FASTGAN_UNROLL_NONE
    for (int at = thread(); place_.first() && at < 4 * plan.units * values(); at += threads()) {
      const int row = at / values(), unit = place_.first_unit() + row % plan.units;
      if (unit >= hidden_) continue;
      thin()[at] = number(weights().w_ih, (row / plan.units * hidden_ + unit) * values() + at % values());
    }
    FASTGAN_UNROLL_NONE
    for (int cell = thread(); cell < cells(); cell += threads())
      if (live(cell)) cells_[cell] = call.cells[in_states(sequence_of(cell), unit_of(cell))];
    sync();
  }

  FASTGAN_DEVICE void run() {
    const int layers = call_.shape.layers;
    for (int k = 0; k < call_.shape.steps; ++k) {
      for (int turn = 0; turn < layers; ++turn) {
        const bool mine = turn == place_.layer();
        if (mine && layers > 1) multiply_states(k);  // of a single layer they are what is waited for
        if (k + turn > 0) place_.wait(call_.flags, k * layers + turn - 1);
        if (mine) {
          if (layers == 1) multiply_states(k);
          if (turn == 0) show(k);
          multiply_inputs(k);
          sync();
          FASTGAN_UNROLL_NONE
          for (int cell = thread(); cell < cells(); cell += threads()) advance(k, cell);
        }
        place_.arrive(call_.flags, k * layers + turn);
      }
    }
    place_.wait(call_.flags, call_.shape.steps * call_.shape.layers - 1);
    if (place_.layer() == 0) give(call_.shape.steps - 1);
    FASTGAN_UNROLL_NONE
    for (int cell = thread(); cell < cells(); cell += threads())
      if (live(cell)) call_.cells[in_states(sequence_of(cell), unit_of(cell))] = cells_[cell];
  }

 private:
  FASTGAN_DEVICE int end() const {  // of this group's sequences
    const int end = place_.first_sequence() + plan_.sequences;
    return end < call_.shape.batch ? end : call_.shape.batch;
  }
  FASTGAN_DEVICE bool here(int sequence) const { return sequence < end(); }
  FASTGAN_DEVICE bool live(int cell) const { return unit_of(cell) < hidden_ && here(sequence_of(cell)); }

  // Whether a window begins with step k of this call.
  FASTGAN_DEVICE bool begins(int sequence, int k) const {
    return call_.windows > 0 && (call_.phase + k) % call_.windows == sequence % call_.windows;
  }
  // The sequence of a clip of this group whose window is full after step k: the oldest.
  FASTGAN_DEVICE int full(int clip, int k) const {
    return place_.first_sequence() + clip * call_.shape.together + (call_.phase + k + 1) % call_.shape.together;
  }

  // Where the states of a layer after step k are, be it -1.
  FASTGAN_DEVICE std::int64_t state_at(int layer, int k, int sequence) const {
    return (std::int64_t(((call_.odd + k) & 1) * call_.shape.layers + layer) * call_.shape.batch + sequence) * hidden_;
  }

  // This warp's part of the gates' sums.
  FASTGAN_DEVICE void multiply_states(int k) const {
    if (place_.segment() != 0) return;
    multiply_columns([&](int sequence) {
      if (!here(sequence) || begins(sequence, k)) return static_cast<const char*>(nullptr);
      return bytes(call_.states, state_at(place_.layer(), k - 1, sequence));
    });
  }
  FASTGAN_DEVICE void multiply_inputs(int k) const {
    if (place_.segment() != 1 || place_.first()) return;
    multiply_columns([&](int sequence) {
      return here(sequence) ? bytes(call_.states, state_at(place_.layer() - 1, k, sequence)) : nullptr;
    });
  }

  // One unit of one sequence by one step.
  FASTGAN_DEVICE void advance(int k, int cell) const {
    if (!live(cell)) return;
    const int unit = unit_of(cell), sequence = sequence_of(cell), column = column_of(cell);
    float sum[4];
    FASTGAN_UNROLL_ALL
    for (int q = 0; q < 4; ++q) {
      const int row = q * plan_.units + unit_in_block(cell);
      sum[q] = biases_[row] + partials_.template total<kTiles>(row, column, 0);
      if (!place_.first()) {
        sum[q] += partials_.template total<kTiles>(row, column, 1);
        continue;
      }
      const float* const seen = x() + column / call_.shape.together * values();
      FASTGAN_UNROLL_NONE
      for (int d = 0; d < values(); ++d) sum[q] += seen[d] * thin()[row * values() + d];
    }
    const Gates gates = activated(sum);
    cells_[cell] = next_cell(gates, begins(sequence, k) ? 0 : cells_[cell]);
    put(call_.states, state_at(place_.layer(), k, sequence) + unit, gates.o * tangent(cells_[cell]));
  }

  // What the full windows say after step k becomes x. Every block of the first layer finds it for itself: a wait would
  // take longer. The first of them writes it down.
  FASTGAN_DEVICE void give(int k) const {
    FASTGAN_UNROLL_NONE
    for (int at = thread(); at < clips() * values() * kShares; at += threads()) {
      const int clip = at / kShares / values(), d = at / kShares % values();
      const char* const state = bytes(call_.states, state_at(call_.shape.layers - 1, k, full(clip, k)));
      const char* const weight = bytes(call_.dense, std::int64_t(d) * hidden_);
      float sum = 0;
      FASTGAN_UNROLL_NONE
      for (int byte = 16 * (at % kShares); byte < hidden_ * int(sizeof(Stored)); byte += 16 * kShares)
        sum += product(read_fresh(state + byte), read(weight + byte));
      parts()[at] = sum;
    }
    sync();
    FASTGAN_UNROLL_NONE
    for (int at = thread(); at < clips() * values(); at += threads()) {
      const int clip = first_clip() + at / values(), d = at % values();
      float sum = call_.dense_bias ? number(call_.dense_bias, d) : 0;
      FASTGAN_UNROLL_NONE
      for (int share = 0; share < kShares; ++share) sum += parts()[at * kShares + share];
      const Stored value = Number::round(sum);
      x()[at] = Number::widen(value);
      if (block() > 0) continue;
      const std::int64_t row = std::int64_t(clip) * call_.shape.steps + k;
      static_cast<Stored*>(call_.out)[row * values() + d] = value;
      if (k + 1 == call_.shape.steps) static_cast<Stored*>(call_.next)[clip * values() + d] = value;
    }
    sync();
  }

  // x becomes what the rows are to see at step k.
  FASTGAN_DEVICE void show(int k) const {
    if (k > 0) give(k - 1);
    if (k > 0 && k >= call_.shown) return;
    FASTGAN_UNROLL_NONE
    for (int at = thread(); at < clips() * values(); at += threads()) {
      const int clip = first_clip() + at / values(), d = at % values();
      const std::int64_t row = std::int64_t(clip) * call_.shown + k;
      x()[at] = k < call_.shown ? number(call_.x, row * values() + d) : number(call_.next, clip * values() + d);
    }
    sync();
  }

  static FASTGAN_DEVICE float product(const Vector& a, const Vector& b) {
    constexpr int kNumbers = sizeof(Vector) / sizeof(Stored);
    Stored left[kNumbers], right[kNumbers];
    memcpy(left, &a, sizeof a);
    memcpy(right, &b, sizeof b);
    float sum = 0;
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < kNumbers; ++k) sum += Number::widen(left[k]) * Number::widen(right[k]);
    return sum;
  }

  FASTGAN_DEVICE int values() const { return call_.shape.inputs; }
  FASTGAN_DEVICE int clips() const {  // of this group
    return (end() - place_.first_sequence()) / call_.shape.together;
  }
  FASTGAN_DEVICE int first_clip() const { return place_.first_sequence() / call_.shape.together; }

  FASTGAN_DEVICE float* thin() const { return biases_ + 4 * plan_.units; }                  // [4, units, D]
  FASTGAN_DEVICE float* parts() const { return thin() + 4 * plan_.units * values(); }       // [clips, D, kShares]
  FASTGAN_DEVICE float* x() const { return parts() + plan_.columns * values() * kShares; }  // [clips, D]
};

template <typename Number, int kTiles>
FASTGAN_KERNEL(kFreeWarps)
free_run(FASTGAN_ARGUMENT FreeRun call, FASTGAN_ARGUMENT Plan plan) {
  FreeBlock<Number, kTiles>(call, plan).run();
}

}  // namespace fastgan::cuda
