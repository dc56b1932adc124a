// Passes through a layer for many sequences: a warp goes alone through all steps of 16 of them, and the weights go by.
//
// Threads in fours share a sequence, of every 32 numbers each has the eight beginning at 8 (lane % 4): 16 bytes of a
// row. A product's sums lie in its threads as the first operand of the next one has to (mma.m16n8k16 of PTX's manual),
// once the columns are taken in this order; so a state goes from one step to the next in the threads that made it, and
// nobody waits for it. Weights come in slabs that all warps of a block read from shared memory: for 16 terms
// and eight columns (a tile) twice 128 bytes, as stream_pack.h has left them.
#pragma once

#include "numbers.h"
#include "place.h"
#include "stream_plan.h"

namespace fastgan::cuda {

// Eight numbers of two bytes, in fours of words.
template <typename Number>
FASTGAN_DEVICE void widen(const Vector& from, float (&to)[8]) {
  const std::uint32_t words[4] = {from.x, from.y, from.z, from.w};
  FASTGAN_UNROLL_ALL
  for (int k = 0; k < 8; ++k) to[k] = Number::widen(std::uint16_t(k % 2 ? words[k / 2] >> 16 : words[k / 2] & 0xffff));
}
template <typename Number>
FASTGAN_DEVICE Vector shorten(const float (&from)[8]) {
  return {Number::two(from[0], from[1]), Number::two(from[2], from[3]), Number::two(from[4], from[5]),
          Number::two(from[6], from[7])};
}

// Eight floats in shared memory, in two parts 512 bytes apart so that a warp's reads meet no bank twice.
FASTGAN_DEVICE void get(const Vector* from, float (&to)[8]) {
  const Vector parts[2] = {from[0], from[32]};
  FASTGAN_UNROLL_ALL
  for (int k = 0; k < 2; ++k) {
    to[4 * k] = float_of(parts[k].x);
    to[4 * k + 1] = float_of(parts[k].y);
    to[4 * k + 2] = float_of(parts[k].z);
    to[4 * k + 3] = float_of(parts[k].w);
  }
}
FASTGAN_DEVICE void set(Vector* to, const float (&from)[8]) {
  to[0] = {bits_of(from[0]), bits_of(from[1]), bits_of(from[2]), bits_of(from[3])};
  to[32] = {bits_of(from[4]), bits_of(from[5]), bits_of(from[6]), bits_of(from[7])};
}

template <typename Number>
FASTGAN_DEVICE float squash(float x) {
  if constexpr (Number::kRough) return rough_tangent(x);
  return tangent(x);
}
template <typename Number>
FASTGAN_DEVICE float opening(float x) {
  if constexpr (Number::kRough) return 0.5f + 0.5f * rough_tangent(0.5f * x);
  return sigmoid(x);
}

// What both ways have in common: a thread's two sequences, its numbers in tensors [T,B,width] and in shared memory, and
// slabs one after the other.
template <typename Number, int kGroups>
class Stream {
 protected:
  using Stored = typename Number::Stored;
  using Operand = Vector[kGroups][2];  // of two sequences, of each 32 terms this thread's eight, as `pair` has them

  static constexpr int kSlab = kPieces * kGroups;  // pieces

  FASTGAN_DEVICE Stream(int batch, int hidden, const StreamPlan& plan)
      : batch_(batch),
        hidden_(hidden),
        groups_((hidden + kGroup - 1) / kGroup),
        slabs_(reinterpret_cast<Vector*>(shared())),
        mine_(slabs_ + kSlots * kSlab + warp() * (plan.own / 16) + lane()),
        beside_(reinterpret_cast<float*>(slabs_ + kSlots * kSlab + plan.warps * (plan.own / 16))),
        first_(kTeam * (block() * plan.warps + warp()) + lane() / 4) {}

  // The two sequences are eight apart, since that is how a product has its rows.
  FASTGAN_DEVICE int sequence(int half) const { return first_ + 8 * half; }

  // Eight numbers of a sequence's row of a step; zeros beyond the sequences, beyond the width and where there is no
  // tensor.
  FASTGAN_DEVICE bool there(int half, int width, int group) const {
    return sequence(half) < batch_ && kGroup * group + 8 * (lane() % 4) < width;
  }
  FASTGAN_DEVICE std::int64_t at(std::int64_t step, int half, std::int64_t width, int group) const {
    return (step * batch_ + sequence(half)) * width + kGroup * group + 8 * (lane() % 4);
  }
  FASTGAN_DEVICE Vector numbers(const void* tensor, std::int64_t step, int half, int width, int group) const {
    if (tensor == nullptr || !there(half, width, group)) return {0, 0, 0, 0};
    return *reinterpret_cast<const Vector*>(static_cast<const Stored*>(tensor) + at(step, half, width, group));
  }
  FASTGAN_DEVICE void put(void* tensor, std::int64_t step, int half, int group, const Vector& values) const {
    if (tensor == nullptr || !there(half, hidden_, group)) return;
    write(static_cast<Stored*>(tensor) + at(step, half, hidden_, group), values);
  }
  // Of the same units' gates, in tensors [T,B,4H].
  FASTGAN_DEVICE Vector gate(const void* tensor, std::int64_t step, int half, int q, int group) const {
    if (!there(half, hidden_, group)) return {0, 0, 0, 0};
    const std::int64_t place = at(step, half, 4 * hidden_, group) + q * hidden_;
    return *reinterpret_cast<const Vector*>(static_cast<const Stored*>(tensor) + place);
  }
  FASTGAN_DEVICE void put_gate(void* tensor, std::int64_t step, int half, int q, int group, const Vector& v) const {
    if (tensor == nullptr || !there(half, hidden_, group)) return;
    const std::int64_t place = at(step, half, 4 * hidden_, group) + q * hidden_;
    write(static_cast<Stored*>(tensor) + place, v);
  }

  // This thread's own memory for the eight units of a group: `get` and `set` know their order.
  FASTGAN_DEVICE Vector* own(int array, int half, int group) const {
    return mine_ + 64 * ((array * kGroups + group) * 2 + half);
  }

  // Eight terms of each of two sequences as the first operands of two products.
  static FASTGAN_DEVICE void pair(const Vector& upper, const Vector& lower, Vector (&to)[2]) {
    to[0] = {upper.x, lower.x, upper.y, lower.y};
    to[1] = {upper.z, lower.z, upper.w, lower.w};
  }

  // Sums of 16 sequences and the columns of so many tiles by 32 kTerms terms, 16 at a time: by four warps together
  // where the chip can multiply what lies in shared memory, else warp by warp.
  template <int kTerms, int kTiles>
  static FASTGAN_DEVICE void multiply(float (&sum)[kTiles][4], const Vector (&with)[kTerms][2], const Vector* slab) {
    if constexpr (FASTGAN_GROUPS && kTiles == 16) {
      groups_begin();
      FASTGAN_UNROLL_ALL
      for (int k = 0; k < 2 * kTerms; ++k)
        Number::multiply_group(sum, with[k / 2][k % 2], columns_at(slab + 16 * kTiles * k));
      groups_done();
    } else {
      const auto* words = reinterpret_cast<const std::uint32_t*>(slab) + lane();
      FASTGAN_UNROLL_ALL
      for (int k = 0; k < 2 * kTerms; ++k) {
        const Vector& left = with[k / 2][k % 2];
        const std::uint32_t operand[4] = {left.x, left.y, left.z, left.w};
        FASTGAN_UNROLL_ALL
        for (int tile = 0; tile < kTiles; ++tile) {
          const std::uint32_t* weight = words + 32 * (2 * kTiles * k + tile);
          Number::multiply(sum[tile], operand, weight[0], weight[32 * kTiles]);
        }
      }
    }
  }

  // Whether this warp does between two slabs what others do before the first: half of them find gates while the other
  // half multiplies, instead of all at once.
  static FASTGAN_DEVICE bool late() { return warp() / kTogether % 2 == 1; }

  // The next slab, once all of it is there; the one before is written over from now on, by the one that begins at
  // `after`. All threads of the block call this.
  FASTGAN_DEVICE const Vector* take(const Vector* after) {
    wait_for_copies<kSlots - 2>();
    show_copies();
    sync();
    const Vector* slab = slabs_ + slot_ * kSlab;
    slot_ = slot_ + 1 == kSlots ? 0 : slot_ + 1;
    fetch(after);
    return slab;
  }
  FASTGAN_DEVICE void fetch(const Vector* from) {
    if (left_ > 0)
      for (int k = thread(); k < kSlab; k += threads()) copy_ahead(slabs_ + next_ * kSlab + k, from + k);
    copies_together();  // of nothing at the end, so that they can be counted
    next_ = next_ + 1 == kSlots ? 0 : next_ + 1;
    --left_;
  }

  const int batch_, hidden_, groups_;

 private:
  Vector* const slabs_;
  Vector* const mine_;

 protected:
  float* const beside_;
  int left_ = 0;  // slabs that are still to be fetched

 private:
  const int first_;
  int next_ = 0, slot_ = 0;
};

}  // namespace fastgan::cuda
