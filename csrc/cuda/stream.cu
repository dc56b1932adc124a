// Puts the passes for many sequences on a device.
#include "check.h"
#include "stream_passes.h"

namespace fastgan::cuda {

namespace {

template <typename Call>
void put(const Call& call, Kind kind, int device, void* to) {
  check(cudaSetDevice(device), "cannot use the GPU");
  const StreamPlan plan = plan_of(machine_of(device), kind, call);
  if (plan.groups == 0) throw std::runtime_error("the GPU has no room for this problem");
  const auto kernel = stream_kernel_of(call, kind, plan.groups);
  const void* function = reinterpret_cast<const void*>(kernel);
  check(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, plan.shared),
        "cannot have the shared memory");
  kernel<<<plan.blocks, 32 * plan.warps, plan.shared, static_cast<cudaStream_t>(to)>>>(call, plan);
  check(cudaGetLastError(), "cannot launch the kernel");
}

}  // namespace

void start(const StreamPack& call, Kind, int device, void* stream) {
  check(cudaSetDevice(device), "cannot use the GPU");
  const int groups = groups_of(call.inputs, call.hidden), slabs = slabs_of(call.inputs, call.hidden);
  const auto kernel = stream_kernel_of(call, groups);
  const int blocks = slabs * kPieces * groups / kPackThreads;
  kernel<<<blocks, kPackThreads, 0, static_cast<cudaStream_t>(stream)>>>(call);
  check(cudaGetLastError(), "cannot launch the kernel");
}

void start(const StreamForward& call, Kind kind, int device, void* stream) { put(call, kind, device, stream); }
void start(const StreamBackward& call, Kind kind, int device, void* stream) { put(call, kind, device, stream); }

}  // namespace fastgan::cuda
