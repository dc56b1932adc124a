// How a layer's passes over many sequences are cut up: see stream.h.
#pragma once

#include "plan.h"

namespace fastgan::cuda {

constexpr int kTeam = 16;        // sequences of a warp
constexpr int kGroup = 32;       // units whose gates a warp finds together
constexpr int kMost = 128;       // units, and inputs
constexpr int kTogether = 4;     // warps that multiply together
constexpr int kSlots = 3;        // slabs of weights that are on their way or in use
constexpr int kStreamWarps = 8;  // of a block, at most: its threads have 255 registers each

struct StreamPlan {
  int groups;  // that the units or inputs of a layer are filled up to: 1, 2 or 4; 0 where that cannot be
  int warps;   // of a block
  int blocks;
  int own;     // bytes of a warp's own shared memory
  int shared;  // bytes of a block's shared memory
};

// Numbers of the gates of `groups` groups.
inline int gates_of(int groups) { return 4 * kGroup * groups; }

constexpr int kPieces = 16 * 32;  // of 16 bytes, for each group in a slab

// What units, and inputs unless they are added one by one, are filled up to.
inline int groups_of(int inputs, int hidden) {
  const int groups = ceil_div(std::max(hidden, inputs > kThin ? inputs : 0), kGroup);
  return groups == 3 ? 4 : groups;
}

// The slabs of a layer's weights: for each of its groups one of states and, forth, one of the inputs if they are wide.
inline int slabs_of(int inputs, int hidden) { return ceil_div(hidden, kGroup) * (inputs > kThin ? 2 : 1); }

// The plan of a pass through a layer; without inputs, of the way back.
inline StreamPlan stream_plan(const Machine& machine, Kind kind, int batch, int inputs, int hidden) {
  const int multiple = 16 / bytes_of(kind);
  const bool wide = inputs > kThin, back = inputs == 0;
  if (bytes_of(kind) != 2 || hidden > kMost || hidden % multiple || (wide && (inputs > kMost || inputs % multiple)))
    return {};
  StreamPlan plan = {};
  plan.groups = groups_of(inputs, hidden);
  const int slabs = kSlots * kPieces * plan.groups * 16;
  const int beside = back ? 0 : 4 * gates_of(plan.groups) * (1 + (wide ? 0 : inputs));  // biases, weights of inputs
  plan.own = kTeam * kGroup * plan.groups * (back ? 8 : 6);  // two floats a cell, or one and the state
  if (!back && !wide) plan.own += kTeam * kThin * 4;         // what a step reads
  const int most = std::min(std::min(kStreamWarps, machine.warps), (machine.shared - slabs - beside) / plan.own);
  if (most < kTogether) return {};
  const int teams = ceil_div(batch, kTeam), turns = ceil_div(teams, most * machine.processors);
  const int even = ceil_div(teams, turns * machine.processors);  // so that the last turn is as full as the others
  plan.warps = std::min(ceil_div(even, kTogether) * kTogether, most / kTogether * kTogether);
  plan.blocks = ceil_div(teams, plan.warps);
  plan.shared = slabs + beside + plan.own * plan.warps;
  return plan;
}

}  // namespace fastgan::cuda
