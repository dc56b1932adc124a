"""Threads for compiled loops that release the interpreter's lock.

Not numba's `parallel=True`: its OpenMP layer sets the number of threads of the runtime that torch uses too, so that a network
told to use one thread found itself with two, waiting for each other in every product.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Result = TypeVar("Result")

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_rows(work: Callable[[slice], Result], rows: int) -> list[Result]:
    """Do work on all rows, a part of them in each thread.

    Args:
        work: takes the rows it is to do; must release the interpreter's lock for threads to help.
        rows: how many there are.

    Returns:
        What the parts gave, in the order of their rows. What a part raises is raised here.
    """
    edges = [rows * part // THREADS for part in range(THREADS + 1)]
    others = [_pool(os.getpid()).submit(work, slice(*edges[part : part + 2])) for part in range(1, THREADS)]
    first = work(slice(0, edges[1]))  # this thread works too
    return [first, *(part.result() for part in others)]


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """The threads of this process: a forked one has none of its parent's."""
    return ThreadPoolExecutor(max(1, THREADS - 1), thread_name_prefix="fastgan")
