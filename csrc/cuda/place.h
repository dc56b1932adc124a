// Where a block stands: which units of which layer, which sequences, which step; and how it waits for its group.
#pragma once

#include "device.h"
#include "plan.h"

namespace fastgan::cuda {

FASTGAN_DEVICE int lane() { return thread() % 32; }  // of its warp
FASTGAN_DEVICE int warp() { return thread() / 32; }  // of its block

FASTGAN_DEVICE int divide(int number, const Divisor& divisor) {
  return divisor.by == 1 ? number : int((std::uint64_t(std::uint32_t(number)) * divisor.magic) >> 32);
}

// Sequences of a step, all those around it, and where their rows begin. As everywhere, k counts steps as they are
// computed.
struct Step {
  std::int64_t row, before, after;
  int count, count_before, count_after;  // 0 before the first step and after the last

  FASTGAN_DEVICE bool live(int sequence) const { return sequence < count; }
  FASTGAN_DEVICE bool begins(int sequence) const { return sequence < count && sequence >= count_before; }
  FASTGAN_DEVICE bool ends(int sequence) const { return sequence < count && sequence >= count_after; }
};

class Place {
 public:
  FASTGAN_DEVICE Place(const Shape& shape, const Plan& plan)
      : shape_(shape),
        plan_(plan),
        layer_(shape.first + block() / plan.blocks),
        first_unit_(block() % plan.blocks * plan.units) {}

  FASTGAN_DEVICE int layer() const { return layer_; }
  FASTGAN_DEVICE bool first() const { return layer_ == shape_.first; }  // of the call
  FASTGAN_DEVICE bool last() const { return layer_ + 1 == shape_.last; }
  FASTGAN_DEVICE int number() const { return layer_ * shape_.directions + direction(); }  // of all places
  FASTGAN_DEVICE int of_call() const { return number() - shape_.first * shape_.directions; }
  FASTGAN_DEVICE int first_unit() const { return first_unit_; }
  FASTGAN_DEVICE int first_sequence() const { return group() * plan_.sequences; }
  FASTGAN_DEVICE int out() const { return shape_.directions * shape_.hidden; }

  // What a warp multiplies.
  FASTGAN_DEVICE int first_row() const { return kRows * plan_.tiles * (warp() / (plan_.segments * plan_.spans)); }
  FASTGAN_DEVICE int segment() const { return divide(warp(), plan_.span) & (plan_.segments - 1); }
  FASTGAN_DEVICE int span() const { return warp() % plan_.spans; }

  // Where numbers of this place begin in a tensor [L D, rows, width] and, from its columns on, in one [L, N, D H].
  FASTGAN_DEVICE std::int64_t at(std::int64_t rows, int width) const { return number() * rows * width; }
  FASTGAN_DEVICE std::int64_t columns_at(int layer) const {
    return layer * shape_.rows * out() + direction() * shape_.hidden;
  }

  FASTGAN_DEVICE Step step(int k) const {
    Step step;
    find(k, step.row, step.count);
    find(k - 1, step.before, step.count_before);
    find(k + 1, step.after, step.count_after);
    return step;
  }

  // Tell the group that this block is done with a wave, and wait until all its blocks are.
  FASTGAN_DEVICE void arrive(std::uint32_t* flags, int wave) const {
    if (plan_.near) return cluster_arrive();
    sync();
    if (thread() == 0) publish(flags_of_group(flags) + block(), wave + 1);
  }
  FASTGAN_DEVICE void wait(const std::uint32_t* flags, int wave) const {
    if (plan_.near) return cluster_wait();
    for (int k = thread(); k < blocks(); k += threads())
      while (look(flags_of_group(flags) + k) <= std::uint32_t(wave)) {
      }
    sync();
  }

 private:
  template <typename Flag>
  FASTGAN_DEVICE Flag* flags_of_group(Flag* flags) const {
    return flags + (direction() * plan_.groups + group()) * blocks();
  }

  FASTGAN_DEVICE void find(int k, std::int64_t& row, int& count) const {
    row = 0;
    count = 0;
    if (k < 0 || k >= shape_.steps) return;
    const int t = direction() == 1 ? shape_.steps - 1 - k : k;
    row = shape_.offsets ? shape_.offsets[t] : std::int64_t(t) * shape_.batch;
    count = shape_.offsets ? int(shape_.offsets[t + 1] - row) : shape_.batch;
  }

  const Shape& shape_;
  const Plan& plan_;
  const int layer_, first_unit_;
};

}  // namespace fastgan::cuda
