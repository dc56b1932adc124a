// Blocks whose rows are their units' gates: gate by gate, units side by side.
#pragma once

#include "block.h"

namespace fastgan::cuda {

struct Gates {
  float i, f, g, o;
};

template <typename Number, int kTiles, typename Call>
class GateBlock : protected Block<Number, Call> {
 protected:
  using Base = Block<Number, Call>;
  using Base::call_, Base::plan_, Base::place_, Base::partials_, Base::cells_, Base::hidden_;
  using Base::number, Base::put, Base::bytes, Base::cells, Base::unit_of, Base::unit_in_block, Base::column_of,
      Base::sequence_of, Base::sequence_read, Base::in_states, Base::in_cells, Base::in_gates;
  using typename Base::Stored;

  FASTGAN_DEVICE GateBlock(const Call& call, const Plan& plan)
      : Base(call, plan),
        biases_(cells_ + cells()),
        resident_([this](int row, int byte) { return weight_at(row, byte); }, place_.span(),
                  hidden_ * int(sizeof(Stored))) {
    for (int row = thread(); row < 4 * plan.units; row += threads()) {
      const int q = divide(row, plan.unit), unit = place_.first_unit() + row - q * plan.units,
                gate = q * hidden_ + unit;
      if (unit >= hidden_) continue;
      biases_[row] =
          (weights().b_ih ? number(weights().b_ih, gate) : 0) + (weights().b_hh ? number(weights().b_hh, gate) : 0);
    }
    sync();
  }

  // 16 bytes of a row of w_hh, or of w_ih where it is multiplied here.
  FASTGAN_DEVICE Vector weight_at(int row, int byte) const {
    row += place_.first_row();
    const int q = divide(row, plan_.unit), unit = place_.first_unit() + row - q * plan_.units;
    if (unit >= hidden_ || idle()) return {0, 0, 0, 0};
    const void* weight = place_.segment() == 0 ? weights().w_hh : weights().w_ih;
    return read(bytes(weight, (std::int64_t(q) * hidden_ + unit) * hidden_) + byte);
  }

  FASTGAN_DEVICE const Weights& weights() const { return call_.weights[place_.of_call()]; }

  // Whether this warp's part of a sum is nothing: of the call's first layer, which gets it from outside.
  FASTGAN_DEVICE bool idle() const { return place_.segment() == 1 && place_.first(); }

  // The products of what this warp holds with the block's columns, of which column(sequence) gives the address, null
  // for zeros.
  template <typename Column>
  FASTGAN_DEVICE void multiply_columns(const Column& column) const {
    for (int n = 0; n < plan_.columns / kColumns; ++n) {
      float sum[kTiles][4] = {};
      resident_.times(column(sequence_read(n)), sum);
      partials_.store(n, sum);
    }
  }

  // What a cell becomes: its state by a step, and what it gives.
  FASTGAN_DEVICE static float next_cell(const Gates& gates, float before) {
    return gates.f * before + gates.i * gates.g;
  }
  FASTGAN_DEVICE static Gates activated(const float (&sum)[4]) {
    return {sigmoid(sum[0]), sigmoid(sum[1]), tangent(sum[2]), sigmoid(sum[3])};
  }

  float* const biases_;  // [4, units]
  const Resident<Number, kTiles> resident_;
};

}  // namespace fastgan::cuda
