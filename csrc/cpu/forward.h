// The forward pass over all layers.
#pragma once

#include "direct.h"
#include "lanes.h"

namespace fastgan {
namespace FASTGAN_SET {

// The weights of one place, ready for products: panels of [W_ih | W_hh] with their biases, two for each group of cells,
// and of W_hr. Few inputs come last, where they are summed with the end of the states: added to the large sum that they
// make, each product with a state would be rounded more.
template <typename Real>
struct CellPanels {
  Real *gates, *bias, *project;
  Index inputs, states, size;  // depth of W_ih and of W_hh; elements of a panel of gates

  bool thin() const { return inputs <= kThin; }
  Panels<Real> of_inputs() const {
    return {gates + (thin() ? states : 0) * Set<Real>::columns, size, Set<Real>::columns};
  }
  Panels<Real> of_states() const {
    return {gates + (thin() ? 0 : inputs) * Set<Real>::columns, size, Set<Real>::columns};
  }
};

template <typename Real>
class ForwardJob {
  using S = Set<Real>;

 public:
  ForwardJob(const Forward<Real>& call, const Plan& plan)
      : call_(call), sizes_(call.sizes), plan_(plan), bounds_(bounds_of(call.sizes, plan.groups)) {
    in_workspace([this](Arena& arena) { lay_out(arena); });
  }

  void operator()(const Lane& lane, Barrier& everyone) {
    if (plan_.groups > 1) {  // they share their panels, so all are needed at once
      for (Index place = 0; place < sizes_.places(); ++place) {
        const auto [first, last] = lane.share(cell_groups());
        for (Index p = first; p < last; ++p) {
          if (p % plan_.groups == lane.group) pack(place, p);
        }
        pack_projection(lane, place);
      }
      everyone.wait();
    }
    const Index first = bounds_[lane.group], last = bounds_[lane.group + 1];
    for (Index row = first; row < last; row += plan_.block) run_block(lane, row, std::min(row + plan_.block, last));
  }

 private:
  struct Group {
    Real *state, *whole, *inner, *ahead;
  };

  static constexpr Index kSpanRows = 128;     // rows whose inputs are multiplied at once when the batch is small
  static constexpr Index kSmall = 2 * kRows;  // a small batch
  static constexpr Index kSpanBytes = 1 << 19;

  Index cell_groups() const { return panels_of<Real>(sizes_.hidden, S::lanes); }
  Index out_panels() const { return panels_of<Real>(sizes_.projected, S::columns); }
  bool keep() const { return call_.trace.gates != nullptr; }
  // Small batches: the inputs of a span of steps are multiplied at once, as rows that lie side by side.
  bool ahead() const {
    const bool side_by_side = inner_kept() || sizes_.layers == 1 || sizes_.rows() == sizes_.steps * sizes_.batch;
    return plan_.groups == 1 && sizes_.batch <= kSmall && sizes_.steps > 1 && side_by_side;
  }
  bool direct() const { return sizes_.steps == 1 && sizes_.batch <= kDirectRows && plan_.groups == 1; }
  // A few cells cost little however their products are summed, and a net that small shows every rounding.
  Index part() const { return sizes_.hidden < S::columns ? kShortPart : kPart; }
  bool inner_kept() const { return call_.trace.inner != nullptr; }

  void lay_out(Arena& arena) {
    const Index hidden = sizes_.hidden;
    panels_.clear();
    for (Index place = 0; place < sizes_.places(); ++place) {
      const Index inputs = sizes_.inputs_of(place / sizes_.directions), states = sizes_.out();
      const Index size = (inputs + states) * S::columns;
      panels_.push_back({arena.take<Real>(2 * cell_groups() * size), arena.take<Real>(2 * cell_groups() * S::columns),
                         arena.take<Real>(out_panels() * hidden * S::columns), inputs, states, size});
    }
    // Time is cut into spans. A stack in one direction runs all layers of a span while it is in the cache.
    const Index step = plan_.block * std::max(sizes_.width(), sizes_.hidden) * Index(sizeof(Real));
    span_ = ahead() ? kSpanRows / std::max<Index>(sizes_.batch, 1) : kSpanBytes / step;
    span_ = std::clamp<Index>(span_, 1, sizes_.steps);
    slots_ = sizes_.directions > 1 ? sizes_.steps : span_ + 1;
    groups_.assign(plan_.groups, {});
    for (Group& group : groups_) {
      group.state = keep() ? nullptr : arena.take<Real>(sizes_.places() * plan_.block * hidden);
      group.whole = sizes_.projected ? arena.take<Real>(plan_.block * hidden) : nullptr;
      group.inner = inner_kept() || sizes_.layers == 1
                        ? nullptr
                        : arena.take<Real>((sizes_.layers - 1) * slots_ * plan_.block * sizes_.width());
      group.ahead = ahead() ? arena.take<Real>(2 * cell_groups() * S::columns * span_ * plan_.block) : nullptr;
    }
    scratch_.clear();
    const Index rows = ahead() ? span_ * plan_.block : plan_.block;
    for (int thread = 0; thread < plan_.threads(); ++thread)
      scratch_.push_back(arena.take<Real>(scratch_for<Real>(rows)));
  }

  void pack(Index place, Index group) {
    const Weights<Real>& weights = call_.weights[place];
    const CellPanels<Real>& panels = panels_[place];
    pack_gates(weights.w_ih, sizes_.hidden, group, panels.inputs, panels.of_inputs());
    if (sizes_.steps > 1 || call_.h0) {  // a single step from zeros has no recurrent product
      pack_gates(weights.w_hh, sizes_.hidden, group, panels.states, panels.of_states());
    }
    pack_bias(weights.b_ih, weights.b_hh, sizes_.hidden, group, panels.bias + 2 * group * S::columns);
  }

  void pack_projection(const Lane& lane, Index place) {
    const auto [first, last] = lane.share(out_panels());
    for (Index p = first; p < last; ++p) {
      if (p % plan_.groups != lane.group) continue;
      pack_transposed(call_.weights[place].w_hr, sizes_.projected, sizes_.hidden, p * S::columns,
                      panels_[place].project + p * sizes_.hidden * S::columns);
    }
  }

  void run_block(const Lane& lane, Index first, Index last) {
    const bool spans_outside = sizes_.directions == 1;
    for (Index outer = 0; outer < sizes_.steps; outer += spans_outside ? span_ : sizes_.steps) {
      for (Index place = 0; place < sizes_.places(); ++place) {
        const Walk walk = {sizes_, place % sizes_.directions == 1, first, last};
        const Index stop = spans_outside ? std::min(outer + span_, sizes_.steps) : sizes_.steps;
        for (Index begin = outer; begin < stop; begin += span_) {
          run_span(lane, place, walk, begin, std::min(begin + span_, stop));
        }
      }
    }
    lane.wait();  // before the workspace serves the next sequences
  }

  // What a layer gives, at step k: in the caller's memory or, when nothing is kept, in the group's.
  Matrix<Real> out_at(const Group& group, const Walk& walk, Index place, Index k, Index begin) const {
    const Index layer = place / sizes_.directions, column = (place % sizes_.directions) * sizes_.out();
    const Index width = sizes_.width();
    if (layer + 1 == sizes_.layers) return {call_.trace.output + walk.row(k) * width + column, width};
    if (inner_kept()) return {call_.trace.inner + (layer * sizes_.rows() + walk.row(k)) * width + column, width};
    const Index slot = layer * slots_ + (sizes_.directions > 1 ? walk.step(k) : 1 + k - begin);
    return {group.inner + slot * plan_.block * width + column, width};
  }

  // What a layer reads at step k.
  Matrix<const Real> in_at(const Group& group, const Walk& walk, Index layer, Index k, Index begin) const {
    if (layer == 0) return {call_.x + walk.row(k) * sizes_.inputs, sizes_.inputs};
    const Index width = sizes_.width();
    if (call_.masks) return {call_.trace.dropped + ((layer - 1) * sizes_.rows() + walk.row(k)) * width, width};
    const Matrix<Real> below = out_at(group, walk, (layer - 1) * sizes_.directions, k, begin);
    return {below.at, below.row};
  }

  Matrix<Real> cells_at(const Group& group, const Walk& walk, Index place, Index k) const {
    const Index hidden = sizes_.hidden;
    if (!keep()) return {group.state + place * plan_.block * hidden, hidden};
    return {call_.trace.cells + (place * sizes_.rows() + walk.row(k)) * hidden, hidden};
  }

  void run_span(const Lane& lane, Index place, const Walk& walk, Index begin, Index end) {
    const Group& group = groups_[lane.group];
    const CellPanels<Real>& panels = panels_[place];
    const Index layer = place / sizes_.directions, hidden = sizes_.hidden, out = sizes_.out();
    Real* const scratch = scratch_[lane.thread()];
    const auto [first, last] = lane.share(cell_groups());
    if (layer > 0 && place % sizes_.directions == 0 && call_.masks) drop(lane, layer - 1, walk, begin, end);
    const bool carried = begin > 0 && layer + 1 < sizes_.layers && !inner_kept() && sizes_.directions == 1;
    Real* const slots = carried ? group.inner + layer * slots_ * plan_.block * sizes_.width() : nullptr;
    if (carried) {  // the span before ended in the last slot; this one looks for it in the first
      if (lane.member == 0) {
        std::memcpy(slots, slots + span_ * plan_.block * sizes_.width(), plan_.block * sizes_.width() * sizeof(Real));
      }
      lane.wait();
    }
    // A group alone packs what it needs when it is first needed: then it is in the cache.
    const bool unpacked = plan_.groups == 1 && begin == 0 && walk.first == 0;
    if (unpacked) pack_projection(lane, place);
    Index span_rows = 0;
    const bool inputs_ahead = ahead() && !panels.thin();
    if (inputs_ahead) {
      const Index at = walk.reverse ? end - 1 : begin;
      span_rows = sizes_.offsets[walk.step(walk.reverse ? begin : end - 1) + 1] - sizes_.offsets[walk.step(at)];
      const Matrix<const Real> x = in_at(group, walk, layer, at, begin);
      const Segment<Real> segment = {x.at, x.row, 1, panels.inputs, part()};
      for (Index p = first; p < last; ++p) {
        if (unpacked) pack(place, p);
        for (Index q = 2 * p; q < 2 * p + 2; ++q) {
          multiply(&segment, 1, span_rows, panels.of_inputs().panel(q), 1,
                   {panels.bias + q * S::columns, 0, S::columns},
                   Square<Real>{group.ahead + q * span_rows * S::columns, S::columns, 0});
        }
      }
    } else if (unpacked && !direct()) {
      for (Index p = first; p < last; ++p) pack(place, p);
    }
    const Index origin = inputs_ahead ? sizes_.offsets[walk.step(walk.reverse ? end - 1 : begin)] : 0;
    for (Index k = begin; k < end; ++k) {
      const Index rows = walk.rows(k), older = std::min(rows, walk.rows(k - 1));
      const Matrix<Real> h = out_at(group, walk, place, k, begin);
      const Matrix<Real> c = cells_at(group, walk, place, k);
      const Matrix<const Real> x = in_at(group, walk, layer, k, begin);
      for (const bool begins : {false, true}) {  // sequences that go on, then those that begin here
        const Index from = begins ? older : 0, to = begins ? rows : older;
        if (from == to) continue;
        Matrix<const Real> h_prev, c_prev;
        if (!begins) {
          const Matrix<Real> before =
              k == begin && carried ? Matrix<Real>{slots, sizes_.width()} : out_at(group, walk, place, k - 1, begin);
          const Matrix<Real> cells = cells_at(group, walk, place, k - 1);
          h_prev = {before.at, before.row};
          c_prev = {cells.at, cells.row};
        } else if (call_.h0) {
          h_prev = {call_.h0 + (place * sizes_.batch + walk.first) * out, out};
          c_prev = {call_.c0 + (place * sizes_.batch + walk.first) * hidden, hidden};
        }
        Matrix<Real> whole = sizes_.projected ? Matrix<Real>{group.whole, hidden} : h;
        Matrix<Real> gates;
        if (keep()) gates = {call_.trace.gates + (place * sizes_.rows() + walk.row(k)) * 4 * hidden, 4 * hidden};
        const ForwardCells<Real> cells = {hidden, c_prev.from(from), c.from(from), whole.from(from), gates.from(from)};
        const Index height = to - from;
        const auto finish_cells = [&](Index p, Sums<Real> sums) { cells(p, sums, height); };
        const Index with_states = h_prev ? 1 : 0;
        const Pairing<Real> states = {{h_prev.from(from).at, h_prev.row, 1, out, part()}, call_.weights[place].w_hh};
        const Pairing<Real> inputs = {{x.from(from).at, x.row, 1, panels.inputs, part()}, call_.weights[place].w_ih};
        Pairing<Real> pairs[2] = {inputs, states};
        if (panels.thin()) {
          pairs[0] = states;
          pairs[with_states] = inputs;
          pairs[1].left.joined = true;
        }
        if (direct()) {
          direct_product(lane, place, pairs, with_states + 1, height, scratch, finish_cells);
        } else if (inputs_ahead) {
          const Index row = walk.row(k) - origin + from;
          product<2>(&states.left, with_states, height, panels.of_states(), first, last,
                     {group.ahead + row * S::columns, S::columns, span_rows * S::columns}, scratch, k % 2 == 1,
                     finish_cells);
        } else {
          const Segment<Real> segments[2] = {pairs[0].left, pairs[1].left};
          product<2>(segments, with_states + 1, height,
                     panels.thin() && h_prev ? panels.of_states() : panels.of_inputs(), first, last,
                     {panels.bias, 0, S::columns}, scratch, k % 2 == 1, finish_cells);
        }
      }
      if (sizes_.projected) project(lane, panels, group, h, rows, scratch);
      finish(lane, place, walk, k, h, c);
      lane.wait();
    }
  }

  // The product of a single step with weights as they lie.
  template <typename Finish>
  void direct_product(const Lane& lane, Index place, const Pairing<Real>* pairs, Index count, Index rows, Real* scratch,
                      Finish finish) const {
    const auto run = rows == 1 ? direct_gates<Real, 1> : direct_gates<Real, kDirectRows>;
    const Weights<Real>& weights = call_.weights[place];
    const auto [first, last] = lane.share(cell_groups());
    for (Index p = first; p < last; ++p) {
      Real* const bias = panels_[place].bias + 2 * p * S::columns;
      pack_bias(weights.b_ih, weights.b_hh, sizes_.hidden, p, bias);
      const Sums<Real> sums = {scratch, 2 * S::columns};
      run(pairs, count, sizes_.hidden, p, bias, sums);
      finish(p, sums);
    }
  }

  void project(const Lane& lane, const CellPanels<Real>& panels, const Group& group, Matrix<Real> h, Index rows,
               Real* scratch) const {
    lane.wait();
    const auto [first, last] = lane.share(out_panels());
    const Segment<Real> segment = {group.whole, sizes_.hidden, 1, sizes_.hidden};
    product<1>(&segment, 1, rows, packed<Real>(panels.project, sizes_.hidden), first, last, {kZeros<Real>, 0, 0},
               scratch, false, [&](Index p, Sums<Real> sums) {
                 const Index column = p * S::columns, count = std::min<Index>(S::columns, sizes_.projected - column);
                 for (Index r = 0; r < rows; ++r) std::memcpy(h[r] + column, sums[r], count * sizeof(Real));
               });
  }

  // The states of sequences that end at step k, each member its own cells.
  void finish(const Lane& lane, Index place, const Walk& walk, Index k, Matrix<Real> h, Matrix<Real> c) const {
    const Index rows = walk.rows(k), going_on = std::min(rows, walk.rows(k + 1));
    if (going_on == rows) return;
    const Index hidden = sizes_.hidden, out = sizes_.out();
    const auto [first, last] = lane.share(cell_groups());
    const auto [first_out, last_out] = lane.share(out_panels());
    const Index unit = first * S::lanes, units = std::min(last * S::lanes, hidden) - unit;
    const Index column = sizes_.projected ? first_out * S::columns : unit;
    const Index columns = sizes_.projected ? std::min(last_out * S::columns, out) - column : units;
    for (Index r = going_on; r < rows; ++r) {
      const Index row = place * sizes_.batch + walk.first + r;
      if (units > 0) std::memcpy(call_.c_n + row * hidden + unit, c[r] + unit, units * sizeof(Real));
      if (columns > 0) std::memcpy(call_.h_n + row * out + column, h[r] + column, columns * sizeof(Real));
    }
  }

  // What the next layer reads of layer `layer` when values are dropped between them.
  void drop(const Lane& lane, Index layer, const Walk& walk, Index begin, Index end) const {
    const Index width = sizes_.width();
    const auto [first, last] = lane.share(width);
    for (Index k = begin; k < end; ++k) {
      for (Index r = 0; r < walk.rows(k); ++r) {
        const Index at = (layer * sizes_.rows() + walk.row(k) + r) * width;
        for (Index j = at + first; j < at + last; ++j) {
          call_.trace.dropped[j] = call_.trace.inner[j] * call_.masks[j];
        }
      }
    }
    lane.wait();
  }

  const Forward<Real>& call_;
  const Sizes& sizes_;
  const Plan plan_;
  std::vector<Index> bounds_;
  std::vector<CellPanels<Real>> panels_;
  std::vector<Group> groups_;
  std::vector<Real*> scratch_;
  Index span_ = 1, slots_ = 1;  // steps that run together, and that a layer keeps in the workspace
};

template <typename Real>
void forward(const Forward<Real>& call) {
  run_lanes(call.sizes, call.threads, panels_of<Real>(call.sizes.hidden, Set<Real>::lanes), 1.0,
            [&](const Plan& plan) { return ForwardJob<Real>(call, plan); });
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
