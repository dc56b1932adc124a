#include "emulated.h"

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <stdexcept>
#include <vector>

namespace fastgan::cuda {

namespace emulated {

namespace {

constexpr std::size_t kStack = 64 * 1024;
constexpr int kPatience = 10000;  // turns of looking at flags that nobody sets

// Opens for all when the last of them arrives.
struct Barrier {
  int members, arrived = 0;
  std::uint64_t opened = 0;

  std::uint64_t arrive() {
    const std::uint64_t ticket = opened;
    if (++arrived == members) {
      arrived = 0;
      ++opened;
    }
    return ticket;
  }
};

struct Warp {
  Barrier barrier{32};
  std::uint32_t shown[2][32][6];
  unsigned turn[32] = {};
};

// A copy that nobody can see before it is waited for.
struct Copy {
  void* to;
  const void* from;
  int group;
};

struct Thread {
  Position position;
  std::vector<Copy> copies;
  int groups = 0;
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStack]};
  Warp* warp;
  Barrier *block, *cluster;
  std::uint64_t ticket = 0;  // of the cluster's barrier
  const Barrier* waits_at = nullptr;
  std::uint64_t waits_with = 0;
  bool looking = false, done = false;
};

const std::function<void()>* running = nullptr;
Thread* current = nullptr;
ucontext_t scheduler;

void begin() {
  (*running)();
  current->done = true;
}

void pause() { swapcontext(&current->context, &scheduler); }

void pass(Barrier& barrier, std::uint64_t ticket) {
  current->waits_at = &barrier;
  current->waits_with = ticket;
  while (barrier.opened == ticket) pause();
  current->waits_at = nullptr;
}

// One turn of everybody who can go on. Gives how many went on, not counting who only looked at a flag.
int take_turns(std::vector<Thread*>& order, std::size_t& left) {
  int moved = 0;
  for (Thread* thread : order) {
    if (thread->done || (thread->waits_at && thread->waits_at->opened == thread->waits_with)) continue;
    current = thread;
    thread->looking = false;
    swapcontext(&scheduler, &thread->context);
    moved += !thread->looking;
    left -= thread->done;
  }
  return moved;
}

}  // namespace

const Position& here() { return current->position; }
void wait_for_block() { pass(*current->block, current->block->arrive()); }
void wait_for_warp() { pass(current->warp->barrier, current->warp->barrier.arrive()); }
void arrive_in_cluster() { current->ticket = current->cluster->arrive(); }
void wait_for_cluster() { pass(*current->cluster, current->ticket); }
void let_others_run() {
  current->looking = true;
  pause();
}

std::uint32_t (*show(const std::uint32_t (&mine)[6]))[6] {
  Warp& warp = *current->warp;
  const int lane = current->position.thread % 32;
  auto& shown = warp.shown[warp.turn[lane]++ % 2];  // two, so that nobody overwrites what a slower one still reads
  std::memcpy(shown[lane], mine, sizeof mine);
  wait_for_warp();
  return shown;
}

void launch(const std::function<void()>& kernel, int threads, int blocks, int groups, int directions, int shared,
            std::uint64_t seed) {
  const std::size_t all_blocks = std::size_t(blocks) * groups * directions;
  std::vector<Barrier> of_blocks(all_blocks, Barrier{threads}),
      of_groups(all_blocks / blocks, Barrier{threads * blocks});
  std::vector<Warp> warps(all_blocks * (threads / 32));
  // A block that read what it has not written would see numbers that are none.
  std::vector<std::vector<float>> memory(all_blocks, std::vector<float>(shared / sizeof(float), std::nanf("")));
  std::vector<std::unique_ptr<Thread>> everybody;
  for (std::size_t k = 0; k < all_blocks; ++k) {
    for (int t = 0; t < threads; ++t) {
      auto one = std::make_unique<Thread>();
      const int block = int(k % blocks), group = int(k / blocks % groups), direction = int(k / blocks / groups);
      one->position = {t, threads, block, blocks, group, direction, memory[k].data()};
      one->warp = &warps[k * (threads / 32) + t / 32];
      one->block = &of_blocks[k];
      one->cluster = &of_groups[k / blocks];
      getcontext(&one->context);
      one->context.uc_stack.ss_sp = one->stack.get();
      one->context.uc_stack.ss_size = kStack;
      one->context.uc_link = &scheduler;
      makecontext(&one->context, begin, 0);
      everybody.push_back(std::move(one));
    }
  }
  std::vector<Thread*> order;
  for (const auto& one : everybody) order.push_back(one.get());
  std::shuffle(order.begin(), order.end(), std::mt19937_64(seed));
  running = &kernel;
  std::size_t left = order.size();
  for (int idle = 0; left > 0;) {
    idle = take_turns(order, left) ? 0 : idle + 1;
    if (idle > kPatience) throw std::runtime_error("the kernel hangs: everybody waits for somebody else");
  }
}

}  // namespace emulated

void copy_ahead(void* to, const void* from) {
  emulated::current->copies.push_back({to, from, emulated::current->groups});
}
void copies_together() { ++emulated::current->groups; }
void wait_for_copies(int later) {
  auto& copies = emulated::current->copies;
  const auto waited = [&](const emulated::Copy& copy) { return copy.group < emulated::current->groups - later; };
  for (const auto& copy : copies) {
    if (waited(copy)) std::memcpy(copy.to, copy.from, 16);
  }
  copies.erase(std::remove_if(copies.begin(), copies.end(), waited), copies.end());
}

float exponential(float x) { return std::exp(x); }
float rough_tangent(float x) { return std::tanh(x); }
std::uint32_t two_bfloat16(float first, float second) {
  const auto round = [](float x) {
    const std::uint32_t bits = bits_of(x);
    return x != x ? 0x7fff : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  };
  return round(first) | round(second) << 16;
}
std::uint32_t two_float16(float first, float second) { return half_of(first) | std::uint32_t(half_of(second)) << 16; }

namespace {

// A product of a warp by the tables of the manual of PTX, "Matrix fragments for mma": which number of which thread is
// the one of a row and a column. Registers hold two terms where there are 16, else one of 8.
template <int K, typename Widen>
void multiply(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1, Widen widen) {
  constexpr int packed = K / 8, quarter = 4 * packed;  // terms of a register, and of the four threads side by side
  const std::uint32_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
  const auto all = emulated::show(mine);
  const auto left = [&](int row, int k) {
    return widen(all[row % 8 * 4 + k % quarter / packed][row / 8 + k / quarter * 2], k % packed);
  };
  const auto right = [&](int k, int column) {
    return widen(all[column * 4 + k % quarter / packed][4 + k / quarter], k % packed);
  };
  const int lane = emulated::here().thread % 32;
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + (i < 2 ? 0 : 8), column = lane % 4 * 2 + i % 2;
    double total = sum[i];
    for (int k = 0; k < K; ++k) total += double(left(row, k)) * right(k, column);
    sum[i] = float(total);
  }
}

}  // namespace

void multiply_bfloat16(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  multiply<16>(sum, a, b0, b1, [](std::uint32_t two, int k) { return float_of(k ? two & 0xffff0000 : two << 16); });
}

void multiply_float16(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  multiply<16>(sum, a, b0, b1, [](std::uint32_t two, int k) { return float_of_half(std::uint16_t(two >> (16 * k))); });
}

void multiply_tf32(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  multiply<8>(sum, a, b0, b1, [](std::uint32_t one, int) { return float_of(one & 0xffffe000); });
}

}  // namespace fastgan::cuda
