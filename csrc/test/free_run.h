// A stack that reads its own values, against windows that are run one by one from a zero state.
#pragma once

#include <vector>

#include "../lstm.h"

// Gives how many cases failed, each of which it prints; `where` names the case that is under way.
int check_free_runs(const std::vector<const fastgan::Kernels*>& sets, const char*& where);
