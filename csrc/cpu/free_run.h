// A stack that reads its own values, for many steps in one call.
//
// Rows lie in order of age: row a * clips + b is the window of clip b that began a steps ago. So a step reads the
// states of all windows that go on from one row of clips before and writes them where they belong now, and the ones
// that begin are the first `clips` rows, whose states are left out of the product.
#pragma once

#include "lanes.h"

namespace fastgan {
namespace FASTGAN_SET {

template <typename Real>
struct FreeLayer {
  Index depth;                   // of its inputs
  Real *inputs, *states, *bias;  // panels, two for each group of cells

  Panels<Real> of_inputs() const { return packed<Real>(inputs, depth); }
};

// Clips that go through time together, and their states after even and after odd steps: [rows, H] of each layer. Cells
// of windows have `clips` rows of zeros before them, which those that begin go on from.
template <typename Real>
struct FreeBlock {
  Index first, clips;
  std::vector<std::array<Real*, 2>> h, c;
  Real* next;  // [clips, D]  what came out last
};

// How a run's memory is laid out. It does not depend on threads, whose number may change from call to call.
template <typename Real>
struct FreeMemory {
  using S = Set<Real>;

  FreeMemory(const FreeRun<Real>& run, Arena& arena)
      : rows_each(std::max<Index>(run.windows, 1)),
        zeros(run.windows ? 1 : 0),
        groups(panels_of<Real>(run.hidden, S::lanes)) {
    done = arena.take<Index>(1);
    dense = arena.take<Real>(run.values * run.hidden);
    dense_bias = arena.take<Real>(run.values);
    for (Index layer = 0; layer < run.layers; ++layer) {
      const Index depth = layer ? run.hidden : run.values, columns = 2 * groups * S::columns;
      layers.push_back({depth, arena.take<Real>(columns * depth), arena.take<Real>(columns * run.hidden),
                        arena.take<Real>(columns)});
    }
    const Index at_once = std::max<Index>(kBlock / rows_each, 1), count = (run.clips + at_once - 1) / at_once;
    for (Index k = 0; k < count; ++k) {
      FreeBlock<Real> block;
      block.first = run.clips * k / count;
      block.clips = run.clips * (k + 1) / count - block.first;
      for (Index layer = 0; layer < run.layers; ++layer) {
        const Index begins = zeros * block.clips * run.hidden, rows = rows_each * block.clips * run.hidden;
        block.h.push_back({arena.take<Real>(rows), arena.take<Real>(rows)});
        block.c.push_back({arena.take<Real>(begins + rows), arena.take<Real>(begins + rows)});
      }
      block.next = arena.take<Real>(block.clips * run.values);
      blocks.push_back(std::move(block));
    }
  }

  static constexpr Index kBlock = 96;  // rows

  Index rows_each, zeros, groups;  // rows of a clip; those before its cells; groups of cells
  Index* done;                     // steps so far
  Real *dense, *dense_bias;
  std::vector<FreeLayer<Real>> layers;
  std::vector<FreeBlock<Real>> blocks;
};

// The sum of products: in the same order whatever else is computed beside it.
template <typename Real>
FASTGAN_APART Real dot(const Real* a, const Real* b, Index count) {
  constexpr Index lanes = Set<Real>::lanes;
  constexpr int kChains = 4;  // of additions that do not wait for each other
  Vec<Real> sums[kChains] = {};
  Index k = 0;
  for (; k + kChains * lanes <= count; k += kChains * lanes) {
    FASTGAN_UNROLL
    for (int j = 0; j < kChains; ++j) sums[j] += load(a + k + j * lanes) * load(b + k + j * lanes);
  }
  for (; k < count; k += lanes) {
    const Index some = std::min(lanes, count - k);
    sums[0] += load_some(a + k, some) * load_some(b + k, some);
  }
  Real all[lanes];
  store(all, (sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (Index width = lanes / 2; width > 0; width /= 2) {
    for (Index j = 0; j < width; ++j) all[j] += all[j + width];
  }
  return all[0];
}

template <typename Real>
class FreeJob {
  using S = Set<Real>;

 public:
  FreeJob(const FreeRun<Real>& run, const FreeMemory<Real>& memory, const FreeSteps<Real>& call, const Plan& plan)
      : run_(run), memory_(memory), call_(call), plan_(plan) {
    in_workspace([this](Arena& arena) {
      Index clips = 0;
      for (const FreeBlock<Real>& block : memory_.blocks) clips = std::max(clips, block.clips);
      const Index rows = clips * memory_.rows_each;
      sums_.clear();
      threads_.clear();
      for (int group = 0; group < plan_.groups; ++group) {
        sums_.push_back(arena.take<Real>(2 * memory_.groups * S::columns * rows));
      }
      for (int thread = 0; thread < plan_.threads(); ++thread) {
        threads_.push_back({arena.take<Real>(rows * run_.values), arena.take<Real>(scratch_for<Real>(rows))});
      }
    });
  }

  void operator()(const Lane& lane, Barrier&) {
    for (std::size_t k = lane.group; k < memory_.blocks.size(); k += plan_.groups) run_block(lane, memory_.blocks[k]);
  }

 private:
  struct Thread {
    Real *x, *scratch;  // x [rows, D]  what the rows are shown, as every member finds it for itself
  };

  Index part() const { return run_.hidden < S::columns ? kShortPart : kPart; }

  void run_block(const Lane& lane, const FreeBlock<Real>& block) const {
    // What a layer's own states give needs nothing of the step, and is summed before the wait for the layer below; but
    // the states of a single layer are those that are waited for.
    const bool ahead = run_.layers > 1;
    unsigned round = 0;
    show(lane, block, 0);
    for (Index k = 0; k < call_.steps; ++k) {
      for (Index layer = 0; layer < run_.layers; ++layer) {
        if (ahead) sum_states(lane, block, layer, k);
        if (k > 0 || layer > 0) lane.wait(round);
        if (k > 0 && layer == 0) {
          give(lane, block, k - 1);
          show(lane, block, k);
        }
        if (!ahead) sum_states(lane, block, layer, k);
        run_cells(lane, block, layer, k);
        round = lane.arrive();
      }
    }
    lane.wait(round);
    give(lane, block, call_.steps - 1);
    if (lane.member > 0) return;
    std::memcpy(block.next, threads_[lane.thread()].x, block.clips * run_.values * sizeof(Real));
  }

  // The first rows of x become what the full windows say after step k. Every member computes it for itself: that is
  // less than a wait, and a small part of a step.
  void give(const Lane& lane, const FreeBlock<Real>& block, Index k) const {
    Real* const x = threads_[lane.thread()].x;
    const Real* const full = block.h.back()[now(k)] + (memory_.rows_each - 1) * block.clips * run_.hidden;
    for (Index b = 0; b < block.clips; ++b) {
      for (Index d = 0; d < run_.values; ++d) {
        const Real* const weights = memory_.dense + d * run_.hidden;
        x[b * run_.values + d] = dot(full + b * run_.hidden, weights, run_.hidden) + memory_.dense_bias[d];
      }
      if (lane.member > 0) continue;
      std::memcpy(call_.out + ((block.first + b) * call_.steps + k) * run_.values, x + b * run_.values,
                  run_.values * sizeof(Real));
    }
  }

  // Lets all rows see the value of step k.
  void show(const Lane& lane, const FreeBlock<Real>& block, Index k) const {
    Real* const x = threads_[lane.thread()].x;
    const Index one = run_.values * Index(sizeof(Real)), all = block.clips * run_.values;
    if (k < call_.shown) {
      for (Index b = 0; b < block.clips; ++b) {
        const Index at = ((block.first + b) * call_.shown + k) * run_.values;
        std::memcpy(x + b * run_.values, call_.x + at, one);
      }
    } else if (k == 0) {
      std::memcpy(x, block.next, block.clips * one);
    }
    for (Index age = 1; age < memory_.rows_each; ++age) std::memcpy(x + age * all, x, block.clips * one);
  }

  int now(Index k) const { return int((*memory_.done + k) % 2); }

  // The bias, and what the states of windows that go on give.
  void sum_states(const Lane& lane, const FreeBlock<Real>& block, Index index, Index k) const {
    const FreeLayer<Real>& layer = memory_.layers[index];
    const Index rows = memory_.rows_each * block.clips, begin = memory_.zeros * block.clips, older = rows - begin;
    const Segment<Real> states = {block.h[index][1 - now(k)], run_.hidden, 1, run_.hidden, part()};
    const Panels<Real> panels = packed<Real>(layer.states, run_.hidden);
    const auto [first, last] = lane.share(memory_.groups);
    const Index count = 2 * (last - first), widest = older <= kRows && older > 0 ? wide(int(older)) : 1;
    for (Index made = 0, together; made < count; made += together) {
      for (together = widest; together > count - made;) together /= 2;
      const Index panel = now(k) ? 2 * last - made - together : 2 * first + made;  // as product() goes
      const Real* const bias = layer.bias + panel * S::columns;
      Real* const to = sums_[lane.group] + panel * rows * S::columns;
      for (Index q = 0; q < together; ++q) {
        for (Index row = 0; row < begin; ++row) {
          std::memcpy(to + (q * rows + row) * S::columns, bias + q * S::columns, S::columns * sizeof(Real));
        }
      }
      if (older == 0) continue;
      multiply<Real>(&states, 1, older, panels.panel(panel), together, {bias, 0, S::columns},
                     {to + begin * S::columns, S::columns, rows * S::columns});
    }
  }

  // Adds what the inputs give, and makes states of the sums.
  void run_cells(const Lane& lane, const FreeBlock<Real>& block, Index index, Index k) const {
    const FreeLayer<Real>& layer = memory_.layers[index];
    const Thread& thread = threads_[lane.thread()];
    const Index rows = memory_.rows_each * block.clips, begin = memory_.zeros * block.clips * run_.hidden;
    const Real* const below = index ? block.h[index - 1][now(k)] : thread.x;
    const Segment<Real> inputs = {below, layer.depth, 1, layer.depth, part()};
    const ForwardCells<Real> cells = {run_.hidden,
                                      {block.c[index][1 - now(k)], run_.hidden},  // from the zeros on
                                      {block.c[index][now(k)] + begin, run_.hidden},
                                      {block.h[index][now(k)], run_.hidden},
                                      {}};
    const auto [first, last] = lane.share(memory_.groups);
    product<2>(&inputs, 1, rows, layer.of_inputs(), first, last,
               Square<const Real>{sums_[lane.group], S::columns, rows * S::columns}, thread.scratch, now(k) == 1,
               [&](Index group, Sums<Real> sums) { cells(group, sums, rows); });
  }

  const FreeRun<Real>& run_;
  const FreeMemory<Real>& memory_;
  const FreeSteps<Real>& call_;
  const Plan plan_;
  std::vector<Real*> sums_;  // of each group of threads: [panels, rows, columns]
  std::vector<Thread> threads_;
};

template <typename Real>
std::size_t free_bytes(const FreeRun<Real>& run) {
  Arena arena;
  const FreeMemory<Real> memory(run, arena);
  return arena.used();
}

template <typename Real>
void free_start(const FreeRun<Real>& run) {
  Arena arena(run.memory);
  const FreeMemory<Real> memory(run, arena);
  std::memset(static_cast<char*>(run.memory), 0, arena.used());
  std::memcpy(memory.dense, run.dense, run.values * run.hidden * sizeof(Real));
  if (run.dense_bias) std::memcpy(memory.dense_bias, run.dense_bias, run.values * sizeof(Real));
  for (Index k = 0; k < run.layers; ++k) {
    const FreeLayer<Real>& layer = memory.layers[k];
    const Weights<Real>& weights = run.weights[k];
    for (Index group = 0; group < memory.groups; ++group) {
      pack_gates(weights.w_ih, run.hidden, group, layer.depth, layer.of_inputs());
      pack_gates(weights.w_hh, run.hidden, group, run.hidden, packed<Real>(layer.states, run.hidden));
      pack_bias(weights.b_ih, weights.b_hh, run.hidden, group, layer.bias + 2 * group * Set<Real>::columns);
    }
  }
}

template <typename Real>
void free_run(const FreeRun<Real>& run, const FreeSteps<Real>& call) {
  Arena arena(run.memory);
  const FreeMemory<Real> memory(run, arena);
  const Index blocks = Index(memory.blocks.size());
  const double layer = 16.0 * double(run.hidden * run.hidden * run.clips * memory.rows_each);  // operations of a step
  const auto plan_for = [&](int threads) -> Plan {
    if (threads == 1 || layer * double(run.layers * call.steps) < kWorthATeam || !teams_work()) return {1, 1, 0};
    const int groups = int(std::clamp<Index>(blocks, 1, threads));
    const int worth = int(std::min(layer / groups / kWorthAWait, 1e6));
    return {groups, std::clamp(std::min(threads / groups, worth), 1, int(memory.groups)), 0};
  };
  run_plan(call.threads, plan_for, [&](const Plan& plan) { return FreeJob<Real>(run, memory, call, plan); });
  *memory.done += call.steps;
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
