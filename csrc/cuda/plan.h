// How a pass is cut up. A group of blocks goes through all steps of some sequences: each of its blocks owns some units
// of one layer and holds their weights in its registers for the whole time. Groups have nothing to do with each other.
#pragma once

#include <algorithm>

#include "lstm.h"

namespace fastgan::cuda {

constexpr int kRows = 16;       // of a tile: what a product instruction takes of a weight
constexpr int kHeld = 512;      // bytes of kRows rows that a warp holds: 64 registers a thread
constexpr int kColumns = 8;     // sequences that a product instruction takes
constexpr int kWarps = 16;      // of a block, at most: its threads have 128 registers each
constexpr int kFreeWarps = 12;  // where a stack reads its own values, which takes some registers more

// A divisor of numbers below 2^16, for a GPU, which would take dozens of instructions where a product does.
struct Divisor {
  std::uint32_t by = 1, magic = 0;  // 2^32 / by, rounded up; 0 for one
  Divisor() = default;
  explicit Divisor(int by) : by(by), magic(by > 1 ? UINT32_MAX / by + 1 : 0) {}
};

struct Plan {
  int units;      // of a block
  Divisor unit;   // by them
  int blocks;     // of a layer
  int tiles;      // of a warp: 2, which halves what is read of states, or 1 where rows are too long for that
  int strips;     // of so many tiles in a block
  int segments;   // of a row: 1, or 2 where a layer also multiplies what another layer of the call gives
  Divisor span;   // by the next
  int spans;      // of a segment: a warp holds kHeld / tiles bytes of each row
  int sequences;  // of a group
  int columns;    // for them, in whole products
  int beside;     // inputs that a block keeps
  int groups;     // of a direction
  int at_once;    // of them that there is room for side by side
  int warps;      // strips * segments * spans
  bool near;      // whether a group is a cluster, which has a barrier of its own; else all blocks run at once
};

inline int ceil_div(int a, int b) { return (a + b - 1) / b; }

inline int bytes_of(Kind kind) { return kind == Kind::bfloat16 || kind == Kind::float16 ? 2 : 4; }

// Numbers of a column of a tile's partial sums: 20 apart, so that the writes of a warp meet no bank twice.
constexpr int kStride = 20;

// Threads that find one input together, where a stack reads its own values.
constexpr int kShares = 32;

// Bytes of a block's shared memory: partial sums, cells between steps, biases; weights of the inputs that are kept, and
// those with the parts that they are summed from.
inline int shared_bytes(const Plan& plan) {
  return 4 * (plan.warps * plan.tiles * plan.columns * kStride + plan.units * plan.columns + 4 * plan.units +
              plan.beside * (4 * plan.units + plan.columns * (1 + kShares)));
}

// With so many tiles a warp, strips a block and layers in one call; units is 0 where that cannot be. 0 strips are as
// many as fit.
inline Plan plan_with(int tiles, int strips, const Machine& machine, Kind kind, const Shape& shape, bool backward,
                      int layers) {
  Plan plan = {};
  const int terms = backward ? 4 * shape.hidden : shape.hidden;
  plan.tiles = tiles;
  plan.segments = layers > 1 ? 2 : 1;
  plan.spans = ceil_div(terms * bytes_of(kind), kHeld / tiles);
  plan.span = Divisor(plan.spans);
  const int warps = shape.beside > 0 ? std::min(machine.warps, kFreeWarps) : machine.warps;
  const int most = warps / (plan.segments * plan.spans);
  if (most <= 0 || strips > most || layers * shape.directions > kPlaces) return plan;
  const int of_strip = tiles * (backward ? kRows : kRows / 4);  // units
  const int needed = ceil_div(shape.hidden, of_strip);
  plan.strips = strips > 0 ? strips : ceil_div(needed, ceil_div(needed, most));  // the latter as even as they can be
  plan.blocks = ceil_div(needed, plan.strips);
  plan.warps = plan.strips * plan.segments * plan.spans;
  const int group = plan.blocks * layers;
  plan.near = group <= machine.cluster;
  const int side_by_side = plan.near ? machine.clusters * (machine.cluster / group) : machine.processors / group;
  plan.at_once = std::max(side_by_side / shape.directions, plan.near ? 1 : 0);
  if (plan.at_once == 0) return plan;
  plan.units = plan.strips * of_strip;
  plan.unit = Divisor(plan.units);
  plan.beside = shape.beside;
  const int parties = shape.batch / shape.together;  // of sequences that stay together
  plan.columns = ceil_div(ceil_div(parties, plan.at_once) * shape.together, kColumns) * kColumns;
  const int least = ceil_div(shape.together, kColumns) * kColumns;
  while (plan.columns > least && shared_bytes(plan) > machine.shared) plan.columns -= kColumns;
  plan.sequences = plan.columns / shape.together * shape.together;
  plan.groups = ceil_div(shape.batch, plan.sequences);
  if (shared_bytes(plan) > machine.shared || (!plan.near && plan.groups > plan.at_once)) plan.units = 0;
  return plan;
}

// With as many tiles as fit. Few sequences leave most of the device idle, so that units are spread over as many blocks
// of a cluster as there is room for: each has less to do in a step then.
inline Plan plan_of(const Machine& machine, Kind kind, const Shape& shape, bool backward, int layers) {
  for (int tiles : {2, 1}) {
    const Plan full = plan_with(tiles, 0, machine, kind, shape, backward, layers);
    for (int strips = 1; strips < full.strips; ++strips) {
      const Plan plan = plan_with(tiles, strips, machine, kind, shape, backward, layers);
      const bool fewest = plan.columns == ceil_div(shape.together, kColumns) * kColumns;
      if (plan.units && plan.near && fewest && plan.groups <= plan.at_once) return plan;
    }
    if (full.units) return full;
  }
  return {};
}

// How many layers one call is to take: all, one, or 0 when the device cannot run such a problem.
inline int layers_together(const Machine& machine, Kind kind, const Shape& shape, bool backward) {
  int found = 0;
  for (int layers : {shape.layers, 1}) {
    if (layers > 1 && shape.directions > 1) continue;  // a layer reads both directions of the one below
    const Plan plan = plan_of(machine, kind, shape, backward, layers);
    if (plan.units && plan.near) return layers;
    if (plan.units && !found) found = layers;
  }
  return found;
}

}  // namespace fastgan::cuda
