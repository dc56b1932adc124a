// Threads that work on one call together. They are those of the OpenMP runtime that torch uses, when there is one: two
// runtimes would spin against each other on the same cores.
#pragma once

#include <atomic>
#include <cstddef>

namespace fastgan {

// Runs work(argument, member) for each member of a team at once. Gives false, with nothing run, when the runtime has
// fewer threads to give just now (inside a parallel region of the caller, say).
bool run_team(int members, void (*work)(void*, int), void* argument);

// Whether a team of more than one can be had: not in a process forked from one that has used threads.
bool teams_work();

// Addresses of GOMP_parallel, omp_get_thread_num and omp_get_num_threads in the runtime to use; zeros for none, and
// threads are then started for each call.
void use_openmp(void* parallel, void* thread_num, void* num_threads);

// All members wait here for each other. Waiting is a short spin, then the processor is offered to others at each look:
// the one that is waited for may need it.
class Barrier {
 public:
  void reset(int members) { members_ = members; }
  void wait() { wait(arrive()); }
  // The two halves, with work in between that needs nothing of the others.
  unsigned arrive();
  void wait(unsigned round) const;

 private:
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> round_{0};
  int members_ = 1;
};

// Memory for the length of a call, kept by the calling thread for its next one; 64-byte aligned.
void* workspace(std::size_t bytes);

}  // namespace fastgan
