// The backward pass of a block.
#pragma once

#include "forward.h"

namespace fastgan::cuda {

// The rows of a block are its units: columns of the weights, which it multiplies with gradients of gates.
template <typename Number, int kTiles>
class BackwardBlock : Block<Number, Backward> {
  using Base = Block<Number, Backward>;
  using Base::call_, Base::plan_, Base::place_, Base::partials_, Base::cells_, Base::hidden_;
  using Base::number, Base::put, Base::bytes, Base::cells, Base::unit_of, Base::unit_in_block, Base::column_of,
      Base::sequence_of, Base::sequence_read, Base::in_states, Base::in_cells, Base::in_gates;
  using typename Base::Stored;

  // What a step needs of a cell besides products.
  struct Known {
    Gates gates;
    float c, c_before, above;
  };

 public:
  FASTGAN_DEVICE BackwardBlock(const Backward& call, const Plan& plan)
      : Base(call, plan),
        resident_([this](int row, int byte) { return weight_at(row, byte); }, place_.span(),
                  4 * hidden_ * int(sizeof(Stored))) {}

  // Each layer is a step behind the one above. Steps come last first; after the first comes one more, for the gradient
  // of the states before it.
  FASTGAN_DEVICE void run() {
    const int steps = call_.shape.steps, lowest = call_.d_h0 != nullptr ? -1 : 0;
    const int waves = steps - lowest + call_.shape.last - call_.shape.first - 1;
    for (int wave = 0; wave < waves; ++wave) {
      const int k = steps - 1 - (wave - (call_.shape.last - 1 - place_.layer()));
      const bool active = k >= lowest && k < steps;
      const Step step = place_.step(k);
      const Known ahead = active && Number::kEarly ? known(step, thread()) : Known();  // needs no other block
      if (wave > 0) place_.wait(call_.flags, wave - 1);
      if (active) {
        multiply(step);
        sync();
        for (int cell = thread(); cell < cells(); cell += threads())
          go_back(step, cell, Number::kEarly && cell == thread() ? ahead : known(step, cell));
      }
      if (wave + 1 < waves) place_.arrive(call_.flags, wave);
    }
  }

 private:
  // 16 bytes of a column of w_hh, or of the w_ih of the layer above where that is in this call: read one by one, once.
  FASTGAN_DEVICE Vector weight_at(int row, int byte) const {
    const int unit = place_.first_unit() + place_.first_row() + row;
    if (unit >= hidden_ || idle()) return {0, 0, 0, 0};
    const int of_call = place_.of_call();
    const void* weight = place_.segment() == 0 ? call_.weights[of_call].w_hh : call_.weights[of_call + 1].w_ih;
    union {
      Vector vector;
      Stored numbers[16 / sizeof(Stored)];
    } column;
    FASTGAN_UNROLL_ALL
    for (int k = 0; k < int(16 / sizeof(Stored)); ++k) {
      const std::int64_t gate = byte / int(sizeof(Stored)) + k;
      column.numbers[k] = static_cast<const Stored*>(weight)[gate * hidden_ + unit];
    }
    return column.vector;
  }

  // Whether this warp's part of a sum is nothing: of the call's last layer, which gets it from outside.
  FASTGAN_DEVICE bool idle() const { return place_.segment() == 1 && place_.last(); }

  FASTGAN_DEVICE Known known(const Step& step, int cell) const {
    const int unit = unit_of(cell), sequence = sequence_of(cell);
    if (cell >= cells() || unit >= hidden_ || !step.live(sequence)) return {};
    const std::int64_t row = step.row + sequence, four = in_gates(row, unit);
    Known known = {};
    known.gates = {number(call_.gates, four), number(call_.gates, four + hidden_),
                   number(call_.gates, four + 2 * hidden_), number(call_.gates, four + 3 * hidden_)};
    known.c = number(call_.cells, in_cells(row, unit));
    if (!step.begins(sequence))
      known.c_before = number(call_.cells, in_cells(step.before + sequence, unit));
    else if (call_.c0 != nullptr)
      known.c_before = number(call_.c0, in_states(sequence, unit));
    if (place_.last() && call_.above != nullptr)
      known.above = number(call_.above, place_.columns_at(0) + row * place_.out() + unit);
    return known;
  }

  // This warp's part of what reaches the units' outputs: from the step after, and from the layer above.
  FASTGAN_DEVICE void multiply(const Step& step) const {
    const bool recurrent = place_.segment() == 0;
    if ((recurrent ? step.count_after : step.count) == 0 || idle()) return;
    for (int n = 0; n < plan_.columns / kColumns; ++n) {
      float sum[kTiles][4] = {};
      resident_.times(recurrent ? after(step, sequence_read(n)) : higher(step, sequence_read(n)), sum);
      partials_.store(n, sum);
    }
  }
  FASTGAN_DEVICE const char* after(const Step& step, int sequence) const {
    return sequence < step.count_after ? bytes(call_.d_gates, in_gates(step.after + sequence, 0)) : nullptr;
  }
  FASTGAN_DEVICE const char* higher(const Step& step, int sequence) const {
    if (!step.live(sequence)) return nullptr;
    const std::int64_t a_place = call_.shape.rows * 4 * hidden_;
    return bytes(call_.d_gates, a_place + in_gates(step.row + sequence, 0));
  }

  // One unit of one sequence by one step.
  FASTGAN_DEVICE void go_back(const Step& step, int cell, const Known& known) const {
    const int unit = unit_of(cell), sequence = sequence_of(cell), row = unit_in_block(cell);
    if (unit >= hidden_) return;
    const std::int64_t state = in_states(sequence, unit);
    const bool goes_on = sequence < step.count_after;
    const float from_after = goes_on ? partials_.template total<kTiles>(row, column_of(cell), 0) : 0;
    if (!step.live(sequence)) {  // the step after was its first, or it has not begun
      if (goes_on && call_.d_h0 != nullptr) put(call_.d_h0, state, from_after);
      return;
    }
    float down = from_after + known.above, d_c = goes_on ? cells_[cell] : 0;
    if (step.ends(sequence)) {
      if (call_.d_h_n != nullptr) down += number(call_.d_h_n, state);
      if (call_.d_c_n != nullptr) d_c += number(call_.d_c_n, state);
    }
    if (!place_.last()) {
      float from_above = partials_.template total<kTiles>(row, column_of(cell), 1);
      if (call_.masks != nullptr)
        from_above *=
            number(call_.masks, place_.columns_at(place_.layer()) + (step.row + sequence) * place_.out() + unit);
      down += from_above;
    }
    const auto [i, f, g, o] = known.gates;
    const float tanh_c = tangent(known.c);
    d_c += down * o * (1 - tanh_c * tanh_c);
    cells_[cell] = d_c * f;
    if (call_.d_c0 != nullptr && step.begins(sequence)) put(call_.d_c0, state, d_c * f);
    const std::int64_t four = in_gates(step.row + sequence, unit);
    put(call_.d_gates, four, d_c * g * i * (1 - i));
    put(call_.d_gates, four + hidden_, d_c * known.c_before * f * (1 - f));
    put(call_.d_gates, four + 2 * hidden_, d_c * i * (1 - g * g));
    put(call_.d_gates, four + 3 * hidden_, down * tanh_c * o * (1 - o));
  }

  const Resident<Number, kTiles> resident_;
};

template <typename Number, int kTiles>
FASTGAN_KERNEL(kWarps)
backward(FASTGAN_ARGUMENT Backward call, FASTGAN_ARGUMENT Plan plan) {
  BackwardBlock<Number, kTiles>(call, plan).run();
}

}  // namespace fastgan::cuda
