// Everything that must not be compiled for an instruction set of its own: the standard library, and what sets share.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#  include <immintrin.h>
#endif

#include "../lstm.h"
#include "team.h"
