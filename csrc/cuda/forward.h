// The forward pass of a block.
#pragma once

#include "gates.h"

namespace fastgan::cuda {

template <typename Number, int kTiles>
class ForwardBlock : GateBlock<Number, kTiles, Forward> {
  using Base = GateBlock<Number, kTiles, Forward>;
  using Base::call_, Base::plan_, Base::place_, Base::partials_, Base::cells_, Base::hidden_, Base::biases_;
  using Base::number, Base::put, Base::bytes, Base::cells, Base::unit_of, Base::unit_in_block, Base::column_of,
      Base::sequence_of, Base::in_states, Base::in_cells, Base::in_gates, Base::weights, Base::idle,
      Base::multiply_columns, Base::activated, Base::next_cell;
  using typename Base::Stored;

 public:
  FASTGAN_DEVICE ForwardBlock(const Forward& call, const Plan& plan) : Base(call, plan) {}

  // Each layer is a step behind the one below, so that a wave takes one step of every layer.
  FASTGAN_DEVICE void run() {
    const int waves = call_.shape.steps + call_.shape.last - call_.shape.first - 1;
    for (int wave = 0; wave < waves; ++wave) {
      const int k = wave - (place_.layer() - call_.shape.first);
      const bool active = k >= 0 && k < call_.shape.steps;
      const Step step = place_.step(k);
      const Gates ahead = active && Number::kEarly ? from_input(step, thread()) : Gates();  // needs no other block
      Cell found = {};
      int last = -1;
      if (wave > 0) place_.wait(call_.flags, wave - 1);
      if (active) {
        multiply(step);
        sync();
        for (int cell = thread(); cell < cells(); cell += threads()) {
          if (cell != thread()) keep(step, cell - threads(), found);
          found = advance(step, cell, Number::kEarly && cell == thread() ? ahead : from_input(step, cell));
          last = cell;
        }
      }
      if (wave + 1 < waves) place_.arrive(call_.flags, wave);
      if (last >= 0) keep(place_.step(k), last, found);  // nobody here waits for it; `step` would hold registers
    }
  }

 private:
  // What a step makes of a cell.
  struct Cell {
    Gates gates;
    float c;
    Stored h;
  };

  // Whether there is a state before a step: zeros have no product.
  FASTGAN_DEVICE bool has_state(const Step& step) const { return step.count_before > 0 || call_.h0 != nullptr; }

  // Memory for the outputs of a layer, from this direction's columns on.
  FASTGAN_DEVICE Stored* output_of(int layer) const {
    const bool top = layer + 1 == call_.shape.layers;
    return static_cast<Stored*>(top ? call_.output : call_.inner) + place_.columns_at(top ? 0 : layer);
  }

  // What a cell's gates get from biases, and from outside where this is the call's first layer.
  FASTGAN_DEVICE Gates from_input(const Step& step, int cell) const {
    const int unit = unit_of(cell), inputs = call_.shape.inputs;
    if (cell >= cells() || unit >= hidden_ || !step.live(sequence_of(cell))) return {};
    float sum[4];
    FASTGAN_UNROLL_ALL
    for (int q = 0; q < 4; ++q) sum[q] = biases_[q * plan_.units + unit_in_block(cell)];
    const std::int64_t row = step.row + sequence_of(cell);
    if (place_.first() && call_.sums != nullptr) {
      const float* at = call_.sums + (direction() * call_.shape.rows + row) * 4 * hidden_ + unit;
      FASTGAN_UNROLL_ALL
      for (int q = 0; q < 4; ++q) sum[q] += at[q * hidden_];
    } else if (place_.first()) {
      for (int k = 0; k < inputs; ++k) {
        const float x = number(call_.x, row * inputs + k);
        FASTGAN_UNROLL_ALL
        for (int q = 0; q < 4; ++q) sum[q] += x * number(weights().w_ih, (q * hidden_ + unit) * inputs + k);
      }
    }
    return {sum[0], sum[1], sum[2], sum[3]};
  }

  // This warp's part of the gates' sums.
  FASTGAN_DEVICE void multiply(const Step& step) const {
    const bool recurrent = place_.segment() == 0;
    if (recurrent ? !has_state(step) : idle()) return;
    multiply_columns([&](int sequence) { return recurrent ? before(step, sequence) : below(step, sequence); });
  }
  FASTGAN_DEVICE const char* before(const Step& step, int sequence) const {
    if (!step.live(sequence)) return nullptr;
    if (step.begins(sequence)) return call_.h0 ? bytes(call_.h0, in_states(sequence, 0)) : nullptr;
    return bytes(output_of(place_.layer()), (step.before + sequence) * place_.out());
  }
  FASTGAN_DEVICE const char* below(const Step& step, int sequence) const {
    if (!step.live(sequence)) return nullptr;
    return bytes(call_.masks ? call_.dropped : call_.inner,
                 place_.columns_at(place_.layer() - 1) + (step.row + sequence) * place_.out());
  }

  // One unit of one sequence by one step: what the group waits for is written at once, the rest by `keep`.
  FASTGAN_DEVICE Cell advance(const Step& step, int cell, const Gates& input) const {
    const int unit = unit_of(cell), sequence = sequence_of(cell);
    if (unit >= hidden_ || !step.live(sequence)) return {};
    float sum[4] = {input.i, input.f, input.g, input.o};
    FASTGAN_UNROLL_ALL
    for (int q = 0; q < 4; ++q) {
      const int row = q * plan_.units + unit_in_block(cell);
      if (has_state(step)) sum[q] += partials_.template total<kTiles>(row, column_of(cell), 0);
      if (!place_.first()) sum[q] += partials_.template total<kTiles>(row, column_of(cell), 1);
    }
    const Gates gates = activated(sum);
    const bool fresh = step.begins(sequence);
    const float c_before = !fresh ? cells_[cell] : call_.c0 ? number(call_.c0, in_states(sequence, unit)) : 0;
    const float c = next_cell(gates, c_before);
    const Stored h = Number::round(gates.o * tangent(c));
    const std::int64_t at = (step.row + sequence) * place_.out() + unit;
    cells_[cell] = c;
    output_of(place_.layer())[at] = h;
    if (call_.masks != nullptr && place_.layer() + 1 < call_.shape.layers) {
      const std::int64_t between = place_.columns_at(place_.layer()) + at;
      put(call_.dropped, between, Number::widen(h) * number(call_.masks, between));
    }
    return {gates, c, h};
  }
  FASTGAN_DEVICE void keep(const Step& step, int cell, const Cell& found) const {
    const int unit = unit_of(cell), sequence = sequence_of(cell);
    if (unit >= hidden_ || !step.live(sequence)) return;
    if (step.ends(sequence)) {
      const std::int64_t state = in_states(sequence, unit);
      static_cast<Stored*>(call_.h_n)[state] = found.h;
      put(call_.c_n, state, found.c);
    }
    if (call_.cells != nullptr) {
      const std::int64_t row = step.row + sequence, four = in_gates(row, unit);
      put(call_.cells, in_cells(row, unit), found.c);
      put(call_.gates, four, found.gates.i);
      put(call_.gates, four + hidden_, found.gates.f);
      put(call_.gates, four + 2 * hidden_, found.gates.g);
      put(call_.gates, four + 3 * hidden_, found.gates.o);
    }
  }
};

template <typename Number, int kTiles>
FASTGAN_KERNEL(kWarps)
forward(FASTGAN_ARGUMENT Forward call, FASTGAN_ARGUMENT Plan plan) {
  ForwardBlock<Number, kTiles>(call, plan).run();
}

}  // namespace fastgan::cuda
