// What the passes have in common: a block's cells, one for each of its units and sequences, and numbers in tensors.
#pragma once

#include "resident.h"

namespace fastgan::cuda {

template <typename Number, typename Call>
class Block {
 protected:
  using Stored = typename Number::Stored;

  FASTGAN_DEVICE Block(const Call& call, const Plan& plan)
      : call_(call),
        plan_(plan),
        place_(call.shape, plan),
        partials_(plan, shared()),
        cells_(shared() + plan.warps * plan.tiles * plan.columns * kStride),
        hidden_(call.shape.hidden) {}

  static FASTGAN_DEVICE float number(const void* tensor, std::int64_t at) {
    return Number::widen(static_cast<const Stored*>(tensor)[at]);
  }
  static FASTGAN_DEVICE void put(void* tensor, std::int64_t at, float value) {
    static_cast<Stored*>(tensor)[at] = Number::round(value);
  }
  static FASTGAN_DEVICE const char* bytes(const void* tensor, std::int64_t at) {
    return reinterpret_cast<const char*>(static_cast<const Stored*>(tensor) + at);
  }

  // Units side by side, so that neighbouring threads read and write neighbouring numbers.
  FASTGAN_DEVICE int cells() const { return plan_.units * plan_.columns; }
  FASTGAN_DEVICE int column_of(int cell) const { return divide(cell, plan_.unit); }
  FASTGAN_DEVICE int unit_in_block(int cell) const { return cell - column_of(cell) * plan_.units; }
  FASTGAN_DEVICE int unit_of(int cell) const { return place_.first_unit() + unit_in_block(cell); }
  FASTGAN_DEVICE int sequence_of(int cell) const { return place_.first_sequence() + column_of(cell); }

  // Where a number lies in tensors [L D,B,H], [L D,N,H], and that of the first of its four gates in [L D,N,4H].
  FASTGAN_DEVICE std::int64_t in_states(int sequence, int unit) const {
    return place_.at(call_.shape.batch, hidden_) + std::int64_t(sequence) * hidden_ + unit;
  }
  FASTGAN_DEVICE std::int64_t in_cells(std::int64_t row, int unit) const {
    return place_.at(call_.shape.rows, hidden_) + row * hidden_ + unit;
  }
  FASTGAN_DEVICE std::int64_t in_gates(std::int64_t row, int unit) const {
    return place_.at(call_.shape.rows, 4 * hidden_) + row * 4 * hidden_ + unit;
  }

  // The sequence whose column this thread reads in the n-th product.
  FASTGAN_DEVICE int sequence_read(int n) const { return place_.first_sequence() + kColumns * n + lane() / 4; }

  const Call& call_;
  const Plan& plan_;
  const Place place_;
  const Partials partials_;
  float* const cells_;  // [columns, units], what a cell hands to its next step
  const int hidden_;
};

}  // namespace fastgan::cuda
