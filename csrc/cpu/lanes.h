// How a call is shared out. Groups take sequences of their own and need nothing of each other; the members of a group
// take cells of the same sequences and meet after every step. Large batches make groups, small ones members.
#pragma once

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "../lstm.h"
#include "cell.h"
#include "pack.h"
#include "team.h"
#include "tile.h"

namespace fastgan {
namespace FASTGAN_SET {

constexpr Index kThin = 4;  // so few inputs would hardly fill a part of a product, or a panel

struct Plan {
  int groups, members;
  Index block;  // sequences that a group takes at a time

  int threads() const { return groups * members; }
};

// Sequences and cells of one thread, and where it waits for its group.
struct Lane {
  int group, member, members;
  Barrier* barrier;

  // The member's share of `count` things that lie side by side.
  std::pair<Index, Index> share(Index count) const {
    return {count * member / members, count * (member + 1) / members};
  }
  Index thread() const { return group * members + member; }
  void wait() const { barrier->wait(); }
  unsigned arrive() const { return barrier->arrive(); }
  void wait(unsigned round) const { barrier->wait(round); }
};

// The steps of one direction in the order in which they are computed, for sequences [first, last).
struct Walk {
  const Sizes& sizes;
  bool reverse;
  Index first, last;

  Index step(Index k) const { return reverse ? sizes.steps - 1 - k : k; }
  Index row(Index k) const { return sizes.offsets[step(k)] + first; }  // of the first sequence, in [N]
  Index rows(Index k) const {
    if (k < 0 || k >= sizes.steps) return 0;
    return std::clamp<Index>(sizes.batch_at(step(k)) - first, 0, last - first);
  }
};

// Carves memory into aligned pieces: a first pass without memory finds the size, a second gives addresses.
class Arena {
 public:
  explicit Arena(void* at = nullptr) : at_(static_cast<char*>(at)) {}
  template <typename Real>
  Real* take(Index count) {
    const std::size_t here = used_;
    used_ += (static_cast<std::size_t>(count) * sizeof(Real) + 127) / 64 * 64;  // room for a vector beyond the end
    return at_ ? reinterpret_cast<Real*>(at_ + here) : nullptr;
  }
  std::size_t used() const { return used_ + 64; }

 private:
  char* at_;
  std::size_t used_ = 0;
};

// Lays out a job's arrays in this thread's workspace: lay_out(arena) runs twice, first to find how large that has to
// be.
template <typename LayOut>
void in_workspace(LayOut lay_out) {
  Arena measure;
  lay_out(measure);
  Arena arena(workspace(measure.used()));
  lay_out(arena);
}

// Operations of the products of one pass over all layers.
inline double work_of(const Sizes& sizes) {
  double depth = 0;
  for (Index layer = 0; layer < sizes.layers; ++layer) depth += double(sizes.inputs_of(layer) + sizes.out());
  return 8.0 * double(sizes.hidden) * depth * double(sizes.directions) * double(sizes.rows());
}

constexpr double kWorthATeam = 2e6;  // operations: some 20 microseconds
constexpr double kWorthAWait = 6e4;  // operations of a step for each member: some 700 nanoseconds

inline Plan plan_for(const Sizes& sizes, int threads, Index cell_panels, double passes) {
  constexpr Index kSequences = 32, kBlock = 96;
  const double work = work_of(sizes) * passes;
  int groups = 1, members = 1;
  if (threads > 1 && work > kWorthATeam && teams_work()) {
    groups = int(std::clamp<Index>(sizes.batch / kSequences, 1, threads));
    const double step = work / passes / double(sizes.steps) / double(sizes.layers * sizes.directions) / groups;
    members = std::clamp(std::min(threads / groups, int(step / kWorthAWait)), 1, int(cell_panels));
    if (groups < threads && members == 1) groups = int(std::clamp<Index>(sizes.batch / 6, 1, threads));
  }
  const Index share = (sizes.batch + groups - 1) / groups, blocks = (share + kBlock - 1) / kBlock;
  return {groups, members, std::max<Index>((share + blocks - 1) / blocks, 1)};
}

// Where each group's sequences begin, with equal numbers of steps: sequences need not be equally long.
inline std::vector<Index> bounds_of(const Sizes& sizes, int groups) {
  std::vector<Index> bounds(groups + 1, sizes.batch);
  bounds[0] = 0;
  Index t = sizes.steps, seen = 0;
  int group = 1;
  for (Index b = 0; b < sizes.batch && group < groups; ++b) {
    while (t > 0 && sizes.batch_at(t - 1) <= b) --t;
    seen += t;
    while (group < groups && seen * groups >= sizes.rows() * group) bounds[group++] = b + 1;
  }
  return bounds;
}

// Runs job(lane) in every thread of the plan for so many, where job is make(plan); alone when the team cannot be had.
template <typename PlanFor, typename Make>
void run_plan(int threads, PlanFor plan_for, Make make) {
  Plan plan = plan_for(threads);
  while (true) {
    auto job = make(plan);
    std::vector<Barrier> barriers(plan.groups);
    Barrier everyone;
    everyone.reset(plan.threads());
    for (Barrier& barrier : barriers) barrier.reset(plan.members);
    struct Shared {
      decltype(job)& run;
      const Plan& plan;
      std::vector<Barrier>& barriers;
      Barrier& everyone;
    } shared{job, plan, barriers, everyone};
    const bool ran = run_team(
        plan.threads(),
        [](void* at, int thread) {
          Shared& s = *static_cast<Shared*>(at);
          const int group = thread / s.plan.members;
          s.run(Lane{group, thread % s.plan.members, s.plan.members, &s.barriers[group]}, s.everyone);
        },
        &shared);
    if (ran) return;
    plan = plan_for(1);
  }
}

struct SizesPlan {
  const Sizes& sizes;
  Index cell_panels;
  double passes;

  Plan operator()(int threads) const { return plan_for(sizes, threads, cell_panels, passes); }
};

template <typename Make>
void run_lanes(const Sizes& sizes, int threads, Index cell_panels, double passes, Make make) {
  run_plan(threads, SizesPlan{sizes, cell_panels, passes}, make);
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
