// The backward pass over all layers.
#pragma once

#include "gradients.h"

namespace fastgan {
namespace FASTGAN_SET {

// A weight as the way back needs it: its rows are the depth. It is packed, or read as it is when that pays.
template <typename Real>
struct BackWeight {
  const Real* weight;
  Index depth, columns;
  Real* panels;  // null when it is read as it is

  static Index size(Index depth, Index columns) {
    return panels_of<Real>(columns, Set<Real>::columns) * depth * Set<Real>::columns;
  }
  Panels<Real> right() const {
    return panels ? packed<Real>(panels, depth) : Panels<Real>{weight, Set<Real>::columns, columns};
  }
  void pack(Index thread, Index threads) const {
    for (Index p = thread; panels && p < panels_of<Real>(columns, Set<Real>::columns); p += threads) {
      pack_panel<Real>([&](Index k) { return weight + k * columns; }, depth, p * Set<Real>::columns, columns,
                       panels + p * depth * Set<Real>::columns);
    }
  }
};

template <typename Real>
struct BackPanels {
  BackWeight<Real> recurrent, input, project;
};

template <typename Real>
class BackwardJob {
  using S = Set<Real>;

 public:
  BackwardJob(const Backward<Real>& call, const Plan& plan)
      : call_(call), sizes_(call.sizes), plan_(plan), bounds_(bounds_of(call.sizes, plan.groups)) {
    in_workspace([this](Arena& arena) { lay_out(arena); });
  }

  void operator()(const Lane& lane, Barrier& everyone) {
    pack(lane);
    if (plan_.threads() > 1) everyone.wait();
    const Index first = bounds_[lane.group], last = bounds_[lane.group + 1];
    bool fresh = true;
    for (Index row = first; row < last || fresh; row += plan_.block, fresh = false) {
      run_block(lane, row, std::min(row + plan_.block, last), fresh);
    }
    if (!gathered_.apart()) return;
    if (plan_.threads() > 1) everyone.wait();
    gathered_.add_up(sizes_, lane.thread(), plan_.threads());
  }

 private:
  struct Group {
    Real *dgates, *carry, *dc, *dr, *whole;
    Real* dy[2];  // gradients of a layer's output, and of the one below
  };

  static constexpr Index kSpanRows = 512, kSeldom = 16;

  Index cell_panels() const { return panels_of<Real>(sizes_.hidden, S::columns); }
  Index out_panels() const { return panels_of<Real>(sizes_.out(), S::columns); }
  Index input_panels(Index layer) const { return panels_of<Real>(sizes_.inputs_of(layer), S::columns); }
  bool needs_input(Index layer) const { return layer > 0 || call_.d_x; }

  void lay_out(Arena& arena) {
    const Index hidden = sizes_.hidden, gates = 4 * hidden, width = sizes_.width(), block = plan_.block;
    const Index spans = (sizes_.steps * block + kSpanRows - 1) / kSpanRows;
    span_ = std::max<Index>((sizes_.steps + spans - 1) / spans, 1);
    panels_.clear();
    Index columns = 0;
    for (Index place = 0; place < sizes_.places(); ++place) {
      const Index layer = place / sizes_.directions;
      columns = std::max(columns, sizes_.inputs_of(layer));
      // A weight that few rows meet a few times is not worth a copy.
      const auto lay = [&](const Real* weight, Index depth, Index width, Index rows, bool used) {
        const bool seldom = rows <= kRows && sizes_.steps <= kSeldom;
        const bool as_it_is = !used || (seldom && width % S::columns == 0);
        return BackWeight<Real>{weight, depth, width,
                                as_it_is ? nullptr : arena.take<Real>(BackWeight<Real>::size(depth, width))};
      };
      const Weights<Real>& weights = call_.weights[place];
      panels_.push_back({lay(weights.w_hh, gates, sizes_.out(), block, sizes_.steps > 1 || call_.d_h0),
                         lay(weights.w_ih, gates, sizes_.inputs_of(layer), span_ * block, needs_input(layer)),
                         lay(weights.w_hr, sizes_.projected, hidden, block, sizes_.projected > 0)});
    }
    slots_ = sizes_.directions > 1 ? sizes_.steps : span_;
    groups_.assign(plan_.groups, {});
    for (Group& group : groups_) {
      group.dgates = arena.take<Real>(span_ * block * gates);
      group.carry = arena.take<Real>(sizes_.places() * block * gates);
      group.dc = arena.take<Real>(sizes_.places() * block * sizes_.hidden);
      group.dr = sizes_.projected ? arena.take<Real>(span_ * block * sizes_.projected) : nullptr;
      group.whole = sizes_.projected ? arena.take<Real>(span_ * block * sizes_.hidden) : nullptr;
      for (Real*& dy : group.dy) dy = sizes_.layers > 1 ? arena.take<Real>(slots_ * block * width) : nullptr;
    }
    gathered_.lay_out(sizes_, call_.d_weights, plan_.groups, arena);
    members_.assign(plan_.threads(), {});
    for (Member& member : members_) {
      member.scratch = arena.take<Real>(scratch_for<Real>(span_ * block));
      member.space.lay_out(arena, std::max(columns + sizes_.out() + S::columns, sizes_.hidden));
      for (const Real**& list : member.lists) list = arena.take<const Real*>(span_ * block);
      member.base = arena.take<Index>(sizes_.steps + 1);
    }
  }

  void pack(const Lane& lane) {
    const Index thread = lane.thread();
    for (const BackPanels<Real>& panels : panels_) {
      for (const BackWeight<Real>* weight : {&panels.recurrent, &panels.input, &panels.project}) {
        weight->pack(thread, plan_.threads());
      }
    }
  }

  void run_block(const Lane& lane, Index first, Index last, bool fresh) {
    Member& member = members_[lane.thread()];
    const bool spans_outside = sizes_.directions == 1;
    const Index stride = spans_outside ? span_ : sizes_.steps;
    const Index spans = (sizes_.steps + stride - 1) / stride;
    for (Index outer = (spans - 1) * stride; outer >= 0; outer -= stride) {
      const Index stop = std::min(outer + stride, sizes_.steps);
      member.outer = outer;
      member.base[0] = 0;
      for (Index t = outer; t < stop; ++t) {
        member.base[t - outer + 1] = member.base[t - outer] + Walk{sizes_, false, first, last}.rows(t);
      }
      for (Index layer = sizes_.layers - 1; layer >= 0; --layer) {
        for (Index direction = 0; direction < sizes_.directions; ++direction) {
          const Walk walk = {sizes_, direction == 1, first, last};
          const Index pieces = (stop - outer + span_ - 1) / span_;
          for (Index piece = pieces - 1; piece >= 0; --piece) {
            const Index begin = outer + piece * span_, end = std::min(begin + span_, stop);
            run_span(lane, member, layer * sizes_.directions + direction, walk, begin, end,
                     fresh && end == sizes_.steps);
          }
        }
      }
    }
  }

  struct Member {
    Real* scratch;
    GradientSpace<Real> space;
    const Real** lists[3];  // rows of dgates, of inputs, of hidden states before
    Index* base;            // where each step's rows begin in the group's buffers, in the order of time
    Index outer;            // the step of base[0]
  };

  // Steps [begin, end) of a place in the order in which they were computed, last first.
  void run_span(const Lane& lane, Member& member, Index place, const Walk& walk, Index begin, Index end, bool fresh) {
    const Group& group = groups_[lane.group];
    const Index gates = 4 * sizes_.hidden;
    const Index earliest = walk.reverse ? walk.step(end - 1) : begin;  // in the order of time
    const Index latest = walk.reverse ? walk.step(begin) : end - 1;
    const Index origin = member.base[earliest - member.outer];
    const Index rows = member.base[latest - member.outer + 1] - origin;
    const auto dgates_at = [&](Index k) {
      return Matrix<Real>{group.dgates + (member.base[walk.step(k) - member.outer] - origin) * gates, gates};
    };
    for (Index k = end - 1; k >= begin; --k) {
      const Index here = member.base[walk.step(k) - member.outer];
      Matrix<const Real> later;
      if (k + 1 < end) {
        const Matrix<Real> at = dgates_at(k + 1);
        later = {at.at, at.row};
      } else if (end < sizes_.steps) {
        later = {group.carry + place * plan_.block * gates, gates};
      }
      step(lane, member, group, place, walk, k, dgates_at(k), later, here, here - origin);
    }
    if (rows > 0) input_gradients(lane, member, group, place, walk, earliest, latest, origin, rows);
    weight_gradients(lane, member, group, place, walk, begin, end, origin, fresh);
    if (begin > 0) {
      const auto [from, to] = lane.share(walk.rows(begin));
      std::memcpy(group.carry + (place * plan_.block + from) * gates, dgates_at(begin)[from],
                  (to - from) * gates * sizeof(Real));
    }
    lane.wait();  // before the next span writes over these gates, and the layer below reads its gradient
  }

  // What reaches a place's output from above: row `row` of the group's buffer, or of the caller's for the last layer.
  Matrix<const Real> from_above(const Group& group, Index place, Index row_in_n, Index row) const {
    const Index layer = place / sizes_.directions, column = (place % sizes_.directions) * sizes_.out();
    const Index width = sizes_.width();
    if (layer + 1 < sizes_.layers) return {group.dy[layer % 2] + row * width + column, width};
    if (!call_.d_output) return {};
    return {call_.d_output + row_in_n * width + column, width};
  }

  void step(const Lane& lane, Member& member, const Group& group, Index place, const Walk& walk, Index k,
            Matrix<Real> dgates, Matrix<const Real> later, Index here, Index slot) {
    const Index hidden = sizes_.hidden, out = sizes_.out(), depth = 4 * hidden;
    const Index rows = walk.rows(k), younger = std::min(rows, walk.rows(k + 1)),
                older = std::min(rows, walk.rows(k - 1));
    if (rows == 0) return;
    const auto [first, last] = lane.share(cell_panels());
    const auto [first_out, last_out] = lane.share(out_panels());
    const Index unit = first * S::columns, units = std::min(last * S::columns, hidden) - unit;
    const Index row = place * sizes_.rows() + walk.row(k), state_row = place * sizes_.batch + walk.first;
    const Matrix<const Real> dy = from_above(group, place, walk.row(k), here);
    const Matrix<Real> dc = {group.dc + place * plan_.block * hidden, hidden};
    for (Index r = younger; r < rows && units > 0; ++r) {  // sequences that end here
      if (call_.d_c_n) {
        std::memcpy(dc[r] + unit, call_.d_c_n + (state_row + r) * hidden + unit, units * sizeof(Real));
      } else {
        std::memset(dc[r] + unit, 0, units * sizeof(Real));
      }
    }
    Matrix<const Real> d_h_n;
    if (call_.d_h_n) d_h_n = {call_.d_h_n + state_row * out, out};
    Matrix<Real> dr, whole;
    if (sizes_.projected) {
      dr = {group.dr + slot * out, out};
      whole = {group.whole + slot * hidden, hidden};
      for (const bool ends : {false, true}) {
        const Index from = ends ? younger : 0, to = ends ? rows : younger, height = to - from;
        const Segment<Real> segment = {later.from(from).at, later.row, 1, depth};
        product<1>(&segment, ends ? 0 : 1, height, panels_[place].recurrent.right(), first_out, last_out,
                   {kZeros<Real>, 0, 0}, member.scratch, k % 2 == 1, [&](Index p, Sums<Real> sums) {
                     add_rows(p, sums, height, dy.from(from), ends ? d_h_n.from(from) : Matrix<const Real>(),
                              dr.from(from));
                   });
      }
      lane.wait();
    }
    const Index cuts[4] = {0, std::min(younger, older), std::max(younger, older), rows};
    for (int part = 0; part < 3; ++part) {
      const Index from = cuts[part], height = cuts[part + 1] - from;
      if (height == 0) continue;
      const bool ends = from >= younger, begins = from >= older;
      Matrix<const Real> c_prev;
      if (!begins) {
        c_prev = {call_.trace.cells + (place * sizes_.rows() + walk.row(k - 1)) * hidden, hidden};
      } else if (call_.c0) {
        c_prev = {call_.c0 + state_row * hidden, hidden};
      }
      BackwardCells<Real> cells;
      cells.hidden = hidden;
      cells.gates = Matrix<const Real>{call_.trace.gates + row * depth, depth}.from(from);
      cells.c = Matrix<const Real>{call_.trace.cells + row * hidden, hidden}.from(from);
      cells.c_prev = c_prev.from(from);
      cells.dc = dc.from(from);
      cells.dgates = dgates.from(from);
      Segment<Real> segment = {later.from(from).at, later.row, 1, depth};
      Panels<Real> right = panels_[place].recurrent.right();
      Index segments = ends ? 0 : 1;
      if (sizes_.projected) {
        segment = {dr.from(from).at, dr.row, 1, out};
        right = panels_[place].project.right();
        segments = 1;
        cells.whole = whole.from(from);
      } else {
        cells.dh = dy.from(from);
        if (ends) cells.dh_n = d_h_n.from(from);
      }
      product<1>(&segment, segments, height, right, first, last, {kZeros<Real>, 0, 0}, member.scratch, k % 2 == 1,
                 [&](Index p, Sums<Real> sums) { cells(p, sums, height); });
    }
    for (Index r = older; r < rows && call_.d_c0 && units > 0; ++r) {  // sequences that begin here
      std::memcpy(call_.d_c0 + (state_row + r) * hidden + unit, dc[r] + unit, units * sizeof(Real));
    }
    lane.wait();
    if (call_.d_h0 && older < rows) {
      const Segment<Real> segment = {dgates.from(older).at, depth, 1, depth};
      const Matrix<Real> d_h0 = Matrix<Real>{call_.d_h0 + state_row * out, out}.from(older);
      product<1>(&segment, 1, rows - older, panels_[place].recurrent.right(), first_out, last_out, {kZeros<Real>, 0, 0},
                 member.scratch, false,
                 [&](Index p, Sums<Real> sums) { add_rows(p, sums, rows - older, {}, {}, d_h0); });
    }
  }

  // to = sums + a + b, for the columns of a panel.
  void add_rows(Index panel, Sums<Real> sums, Index rows, Matrix<const Real> a, Matrix<const Real> b,
                Matrix<Real> to) const {
    each_strip<Real>(panel, sizes_.out(), rows, [&](auto strip, Index r, Index column, Index j) {
      Vec<Real> value = load(sums[r] + j);
      if (a) value += strip.get(a[r] + column);
      if (b) value += strip.get(b[r] + column);
      strip.put(to[r] + column, value);
    });
  }

  // The gradient of what the place has read: the output of the layer below, or x.
  void input_gradients(const Lane& lane, Member& member, const Group& group, Index place, const Walk& walk,
                       Index earliest, Index latest, Index origin, Index rows) const {
    const Index layer = place / sizes_.directions, direction = place % sizes_.directions, depth = 4 * sizes_.hidden;
    const Index columns = sizes_.inputs_of(layer);
    if (!needs_input(layer)) return;
    // Row by row of the span: where it goes, and what it is multiplied by.
    const Real** const mask = member.lists[0];
    Real** const to = const_cast<Real**>(member.lists[1]);
    for (Index t = earliest, q = 0; t <= latest; ++t) {
      const Index count = member.base[t - member.outer + 1] - member.base[t - member.outer];
      const Index global = sizes_.offsets[t] + walk.first;
      for (Index r = 0; r < count; ++r, ++q) {
        to[q] = layer == 0 ? call_.d_x + (global + r) * columns : group.dy[(layer - 1) % 2] + (origin + q) * columns;
        mask[q] = layer > 0 && call_.masks && direction + 1 == sizes_.directions
                      ? call_.masks + ((layer - 1) * sizes_.rows() + global + r) * columns
                      : nullptr;
      }
    }
    const Index panels = input_panels(layer);
    const bool by_panel = panels >= lane.members;
    const auto [first, last] = by_panel ? lane.share(panels) : std::pair<Index, Index>{0, panels};
    const auto [from, until] = by_panel ? std::pair<Index, Index>{0, rows} : lane.share(rows);
    const Index start = from, height = until - from;
    const Segment<Real> segment = {group.dgates + start * depth, depth, 1, depth};
    product<1>(&segment, 1, height, panels_[place].input.right(), first, last, {kZeros<Real>, 0, 0}, member.scratch,
               false, [&](Index p, Sums<Real> sums) {
                 each_strip<Real>(p, columns, height, [&](auto strip, Index r, Index column, Index j) {
                   Real* const at = to[start + r] + column;
                   Vec<Real> value = load(sums[r] + j);
                   if (direction > 0) value += strip.get(at);
                   if (mask[start + r]) value *= strip.get(mask[start + r] + column);
                   strip.put(at, value);
                 });
               });
  }

  const Real* input_row(Index layer, Index row) const {
    if (layer == 0) return call_.x + row * sizes_.inputs;
    const Real* const below = call_.masks ? call_.trace.dropped : call_.trace.inner;
    return below + ((layer - 1) * sizes_.rows() + row) * sizes_.width();
  }

  const Real* output_row(Index place, Index row) const {
    const Index layer = place / sizes_.directions, column = (place % sizes_.directions) * sizes_.out();
    const Real* const at =
        layer + 1 == sizes_.layers ? call_.trace.output : call_.trace.inner + layer * sizes_.rows() * sizes_.width();
    return at + row * sizes_.width() + column;
  }

  void weight_gradients(const Lane& lane, Member& member, const Group& group, Index place, const Walk& walk,
                        Index begin, Index end, Index origin, bool fresh) {
    const Weights<Real>& to = gathered_.of(lane.group, place);
    if (!to.w_ih && !to.w_hh && !to.b_ih && !to.w_hr) return;
    const Index layer = place / sizes_.directions, hidden = sizes_.hidden, gates = 4 * hidden, out = sizes_.out();
    const Real** const dgates = member.lists[0];
    const Real** const inputs = member.lists[1];
    const Real** const before = member.lists[2];
    Index count = 0, with_state = 0;
    for (const bool zeros : {false, true}) {  // rows whose state before was zero come last
      for (Index k = begin; k < end; ++k) {
        const Index rows = walk.rows(k), older = std::min(rows, walk.rows(k - 1));
        const Index here = member.base[walk.step(k) - member.outer] - origin;
        const Index split = call_.h0 ? rows : older;
        for (Index r = zeros ? split : 0; r < (zeros ? rows : split); ++r, ++count) {
          dgates[count] = group.dgates + (here + r) * gates;
          inputs[count] = input_row(layer, walk.row(k) + r);
          if (zeros) continue;
          before[count] = r < older ? output_row(place, walk.row(k - 1) + r)
                                    : call_.h0 + (place * sizes_.batch + walk.first + r) * out;
        }
      }
      if (!zeros) with_state = count;
    }
    const auto [first, last] = lane.share(panels_of<Real>(gates, S::columns));
    const Index low = first * S::columns, high = std::min(last * S::columns, gates);
    const RowList<Real> left = {dgates, count};
    const Index columns = sizes_.inputs_of(layer);
    const Target<Real> from_input = gathered_.target(lane.group, {inputs, count}, columns, to.w_ih);
    const Target<Real> from_state = gathered_.target(lane.group, {before, with_state}, out, to.w_hh);
    const bool thin = columns <= kThin;
    if (to.b_ih || (thin && to.w_ih)) {
      add_thin_gradients(left, low, high, to.b_ih, thin ? from_input : Target<Real>{{inputs, 0}, 0, nullptr, 0}, fresh);
    }
    if (thin) {
      add_gradients<Real, 1>({dgates, with_state}, low, high, {from_state}, fresh, member.space);
    } else {
      add_gradients<Real, 2>(left, low, high, {from_state, from_input}, fresh, member.space);
    }
    if (to.w_hr) {
      const auto [first_out, last_out] = lane.share(sizes_.projected);
      const Index rows = count;
      for (Index q = 0; q < rows; ++q) {
        dgates[q] = group.dr + q * out;
        inputs[q] = group.whole + q * hidden;
      }
      add_gradients<Real, 1>({dgates, rows}, first_out, last_out,
                             {gathered_.target(lane.group, {inputs, rows}, hidden, to.w_hr)}, fresh, member.space);
    }
  }

  const Backward<Real>& call_;
  const Sizes& sizes_;
  const Plan plan_;
  std::vector<Index> bounds_;
  std::vector<BackPanels<Real>> panels_;
  std::vector<Group> groups_;
  Gathering<Real> gathered_;
  std::vector<Member> members_;
  Index span_ = 1, slots_ = 1;  // steps that run together, and that the gradient between two layers has room for
};

template <typename Real>
void backward(const Backward<Real>& call) {
  run_lanes(call.sizes, call.threads, panels_of<Real>(call.sizes.hidden, Set<Real>::columns), 2.0,
            [&](const Plan& plan) { return BackwardJob<Real>(call, plan); });
}

}  // namespace FASTGAN_SET
}  // namespace fastgan
