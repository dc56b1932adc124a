// Puts the kernels on a device.
#include <mutex>
#include <vector>

#include "check.h"
#include "passes.h"

namespace fastgan::cuda {

namespace {

int attribute(cudaDeviceAttr name, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, name, device), "cannot ask the GPU what it has");
  return value;
}

template <typename Call>
void allow(Kernel<Call> kernel, int shared, bool near) {
  const void* function = reinterpret_cast<const void*>(kernel);
  check(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, shared),
        "cannot have the shared memory");
  if (near)
    check(cudaFuncSetAttribute(function, cudaFuncAttributeNonPortableClusterSizeAllowed, 1), "cannot have the cluster");
}

// What a launch says besides its arguments. `attribute` has to outlive it.
cudaLaunchConfig_t config_of(dim3 grid, int threads, int shared, bool near, cudaLaunchAttribute& attribute,
                             cudaStream_t stream) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared;
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = 1;
  if (near) {
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = grid.x;
    attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  } else {  // all blocks at once or none
    attribute.id = cudaLaunchAttributeCooperative;
    attribute.val.cooperative = 1;
  }
  return config;
}

// The largest cluster of the largest blocks that the device has room for, and for how many of it.
void find_clusters(Machine& machine, int device) {
  if (attribute(cudaDevAttrClusterLaunch, device) == 0) return;
  const Kernel<Forward> kernel = forward<ThreeTf32, 2>;
  allow(kernel, machine.shared, true);
  for (int blocks : {16, 8}) {
    cudaLaunchAttribute cluster;
    const auto config = config_of(dim3(blocks), 32 * machine.warps, machine.shared, true, cluster, nullptr);
    const auto error =
        cudaOccupancyMaxActiveClusters(&machine.clusters, reinterpret_cast<const void*>(kernel), &config);
    if (error == cudaSuccess && machine.clusters > 0) {
      machine.cluster = blocks;
      return;
    }
    cudaGetLastError();  // that there is no room is an answer, no failure
  }
}

template <typename Call>
void put(const Call& call, Kind kind, int device, void* to) {
  check(cudaSetDevice(device), "cannot use the GPU");
  const Machine machine = machine_of(device);
  constexpr bool back = std::is_same_v<Call, Backward>;
  const Plan plan = plan_of(machine, kind, call.shape, back, call.shape.last - call.shape.first);
  if (plan.units == 0) throw std::runtime_error("the GPU has no room for this problem");
  const dim3 grid(plan.blocks * (call.shape.last - call.shape.first), plan.groups, call.shape.directions);
  const auto stream = static_cast<cudaStream_t>(to);
  if (!plan.near)
    check(cudaMemsetAsync(call.flags, 0, sizeof(*call.flags) * grid.x * grid.y * grid.z, stream),
          "cannot clear the flags");
  const auto kernel = kernel_of(call, kind, plan.tiles);
  allow(kernel, shared_bytes(plan), plan.near);
  cudaLaunchAttribute attribute;
  const auto config = config_of(grid, 32 * plan.warps, shared_bytes(plan), plan.near, attribute, stream);
  check(cudaLaunchKernelEx(&config, kernel, call, plan), "cannot launch the kernel");
}

}  // namespace

Machine machine_of(int device) {
  static std::mutex lock;
  static std::vector<Machine> known;
  const std::lock_guard<std::mutex> guard(lock);
  if (known.size() <= std::size_t(device)) known.resize(device + 1);
  Machine& machine = known[device];
  if (machine.processors == 0) {
    int before = 0;
    check(cudaGetDevice(&before), "cannot ask which GPU is in use");
    check(cudaSetDevice(device), "cannot use the GPU");
    Machine found = {};
    found.processors = attribute(cudaDevAttrMultiProcessorCount, device);
    found.warps = kWarps;
    found.shared = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    find_clusters(found, device);
    check(cudaSetDevice(before), "cannot go back to the GPU in use");
    machine = found;
  }
  return machine;
}

void start(const Forward& call, Kind kind, int device, void* stream) { put(call, kind, device, stream); }
void start(const Backward& call, Kind kind, int device, void* stream) { put(call, kind, device, stream); }
void start(const FreeRun& call, Kind kind, int device, void* stream) { put(call, kind, device, stream); }

}  // namespace fastgan::cuda
