// The launches of csrc/cuda/launch.cu on the emulated device, which can be given any size.
#include <stdexcept>
#include <type_traits>

#include "passes.h"
#include "stream_passes.h"

namespace fastgan::cuda {

namespace emulated {
Machine machine = {132, 16, 16, 7, 227 * 1024};
std::uint64_t seed = 0;
}  // namespace emulated

namespace {

template <typename Call>
void put(const Call& call, Kind kind) {
  const int layers = call.shape.last - call.shape.first;
  const Plan plan = plan_of(emulated::machine, kind, call.shape, std::is_same_v<Call, Backward>, layers);
  if (plan.units == 0) throw std::runtime_error("the GPU has no room for this problem");
  const auto kernel = kernel_of(call, kind, plan.tiles);
  const int blocks = plan.blocks * layers;
  if (!plan.near) std::memset(call.flags, 0, sizeof(*call.flags) * blocks * plan.groups * call.shape.directions);
  emulated::launch([&] { kernel(call, plan); }, 32 * plan.warps, blocks, plan.groups, call.shape.directions,
                   shared_bytes(plan), emulated::seed);
}

template <typename Call>
void put_stream(const Call& call, Kind kind) {
  const StreamPlan plan = plan_of(emulated::machine, kind, call);
  if (plan.groups == 0) throw std::runtime_error("the GPU has no room for this problem");
  const auto kernel = stream_kernel_of(call, kind, plan.groups);
  emulated::launch([&] { kernel(call, plan); }, 32 * plan.warps, plan.blocks, 1, 1, plan.shared, emulated::seed);
}

}  // namespace

Machine machine_of(int) { return emulated::machine; }
void start(const Forward& call, Kind kind, int, void*) { put(call, kind); }
void start(const Backward& call, Kind kind, int, void*) { put(call, kind); }
void start(const FreeRun& call, Kind kind, int, void*) { put(call, kind); }
void start(const StreamPack& call, Kind, int, void*) {
  const int groups = groups_of(call.inputs, call.hidden), slabs = slabs_of(call.inputs, call.hidden);
  const auto kernel = stream_kernel_of(call, groups);
  const int blocks = slabs * kPieces * groups / kPackThreads;
  emulated::launch([&] { kernel(call); }, kPackThreads, blocks, 1, 1, 16, emulated::seed);
}
void start(const StreamForward& call, Kind kind, int, void*) { put_stream(call, kind); }
void start(const StreamBackward& call, Kind kind, int, void*) { put_stream(call, kind); }

}  // namespace fastgan::cuda
