"""What the GPU kernels need of a multiprocessor, as compiled: no GPU takes part.

    python -m benchmarks.resources [--brief]

Of the backend "triton" every launch is made as it would be made on a GPU, compiled for each architecture and not run. A kernel that keeps
numbers in local memory because registers do not suffice, or wants more shared memory than there is, fails the command; but where two
programs share a multiprocessor they may keep some, since that is faster (docs/log.md). A plain
call has one input and nothing that can be left out; one with everything has 33, both directions, states, masks and sequences of
two lengths. The second order (move, back) takes fewer units at a time. The kernels that take windows of a corpus, in rows and
time-major, short and long, and that of Adam are compiled the same way.

Of the backend "cuda" all kernels of the library that is installed are read; each serves any size, and how much shared memory a
launch takes is planned by what the device has.
"""

import argparse
import functools
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, product
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from benchmarks import cubins
from fastgan.ops import adam, windows
from fastgan.ops.lstm import triton_gpu, weights_gpu
from fastgan.ops.lstm.stack import Gradients, Stack

SHARED = {
    80: 163 * 1024,
    90: 227 * 1024,
}  # bytes that a block may have, CUDA C++ programming guide, table of compute capabilities
PRODUCTS = {  # dtype, and whether TF32 is allowed
    "bfloat16": (torch.bfloat16, True),
    "float16": (torch.float16, True),
    "float32 as TF32": (torch.float32, True),
    "float32 as 3 TF32": (torch.float32, False),
}
KINDS = {  # as csrc/cuda/numbers.h calls them
    "bfloat16": "bfloat16",
    "float16": "float16",
    "tf32": "float32 as TF32",
    "threetf32": "float32 as 3 TF32",
    "short": "two bytes",
}
COLUMNS = "architecture|products|units|batch|call|tile|kernel|registers|local bytes|shared bytes|verdict"


def main() -> int:
    """Print the table; 1 when a kernel does not fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brief", action="store_true", help="of Triton one architecture, dtype and size: two minutes")
    brief = parser.parse_args().brief
    if triton_gpu.interpreted():
        sys.exit("TRITON_INTERPRET=1 is set: there is nothing to compile then; unset it")
    left_out, bad = [], 0
    print(f"| {' | '.join(COLUMNS.split('|'))} |\n|{'---|' * len(COLUMNS.split('|'))}")
    triton = chain(triton_rows(brief), window_rows(brief), adam_rows(brief))
    for reason, rows in ((_no_triton(), triton), (cubins.why_not(), cuda_rows())):
        left_out += [reason] if reason else []
        for fits, cells in rows if reason is None else ():
            bad += not fits
            print(f"| {' | '.join(map(str, cells))} | {'fits' if fits else 'does not fit'} |", flush=True)
    for reason in left_out:
        print(f"left out: {reason}")
    return int(bad > 0)


def _no_triton() -> str | None:
    return None if importlib.util.find_spec("triton") else "Triton is not installed"


def cuda_rows() -> Iterator[tuple[bool, list[object]]]:
    """Whether a kernel of the backend "cuda" fits, and all but the last cell of its row."""
    for kernel in cubins.kernels():
        streams = kernel.call.startswith("stream")
        tile = f"{kernel.tiles} groups" if streams else f"{kernel.tiles} a warp"
        cells = [
            kernel.architecture,
            KINDS[kernel.kind],
            f"{32 * kernel.tiles} at most" if streams else "any",
            "any",
            "",
            tile,
            f"cuda {kernel.call}",
        ]
        yield kernel.fits, [*cells, kernel.registers, kernel.local, "as planned"]


def triton_rows(brief: bool) -> Iterator[tuple[bool, list[object]]]:
    """The same for the launches of the backend "triton"."""
    architectures, names, units = ((90,), ("bfloat16",), (128,)) if brief else (SHARED, PRODUCTS, (32, 128, 255, 512))
    batches = (32,) if brief else (32, 8192)
    for architecture, name, hidden, batch, plain in product(architectures, names, units, batches, (True, False)):
        dtype, torch.backends.cudnn.allow_tf32 = PRODUCTS[name]
        with mock.patch.object(triton_gpu, "architecture", lambda number=architecture: number):
            tile = triton_gpu.tile_of(hidden, batch, dtype)
            found = launches(architecture, call(hidden, dtype, plain), batch)
        for kernel in found:
            registers, local = cubins.usage(kernel)
            shared = kernel.metadata.shared
            size = f"{tile.block} x {tile.units} x {tile.chunk}"
            cells = [f"sm_{architecture}", name, hidden, batch, "plain" if plain else "everything", size]
            fits = (local == 0 or tile.registers == triton_gpu.SHARED) and shared <= SHARED[architecture]
            yield fits, [*cells, kernel.name, registers, local, shared]


def window_rows(brief: bool) -> Iterator[tuple[bool, list[object]]]:
    """The same for taking windows of a corpus with 9.45 million, of which nothing is there but its sizes."""
    nothing = torch.empty(1000, dtype=torch.int64)
    architectures, names = ((90,), ("float32",)) if brief else (SHARED, ("float32", "bfloat16"))
    for architecture, name, segment, major in product(architectures, names, (6, 16_384), ("rows", "time-major")):
        corpus = windows.Windows(nothing.to(torch.int16), nothing, nothing, segment, segment, 9_450_000)
        shape = (64, segment) if major == "rows" else (segment, 64)
        out = torch.empty(shape, dtype=getattr(torch, name))
        grid, arguments, options = windows.launch(corpus, corpus.order(0, 0), out if major == "rows" else out.t())
        compiled: dict[str, Any] = {}
        with pretended(architecture, compiled):
            windows.kernels().take[grid](*arguments, **options)
        registers, local = cubins.usage(compiled["take"])
        shared = compiled["take"].metadata.shared
        tile = f"{options['ROWS']} x {options['COLUMNS']}"
        cells = [f"sm_{architecture}", name, "", 64, f"{segment} samples, {major}", tile, "take"]
        yield local == 0 and shared <= SHARED[architecture], [*cells, registers, local, shared]


def adam_rows(brief: bool) -> Iterator[tuple[bool, list[object]]]:
    """The same for a step of Adam on the paper's network, with gradients in a dtype and copies in it."""
    shapes = (512, 1), (512, 128), (512,), (512,), (512, 128), (512, 128), (512,), (512,), (1, 128), (1,)
    architectures, names = ((90,), ("bfloat16",)) if brief else (SHARED, ("float32", "bfloat16"))
    for architecture, name in product(architectures, names):
        optimiser = adam.Adam({str(place): torch.empty(shape) for place, shape in enumerate(shapes)}, 1e-3)
        short = [weight.to(getattr(torch, name)) for weight in optimiser.weights]
        compiled: dict[str, Any] = {}
        with pretended(architecture, compiled):
            optimiser.launch(short, short if name == "bfloat16" else [None] * len(short))
        registers, local = cubins.usage(compiled["step"])
        shared = compiled["step"].metadata.shared
        cells = [f"sm_{architecture}", name, 128, "any", "ten weights", "", "adam", registers, local, shared]
        yield local == 0 and shared <= SHARED[architecture], cells


def call(hidden: int, dtype: torch.dtype, plain: bool) -> Stack:
    """Two layers of few sequences: over one value a step, as the paper has them, or with all that a call can have."""
    inputs, ways, batch = (1, 1, 4) if plain else (33, 2, 4)
    new = functools.partial(torch.empty, dtype=dtype)
    weights: list[Tensor | None] = []
    for place in range(2 * ways):
        entering = inputs if place < ways else hidden * ways
        weights += [new(4 * hidden, entering), new(4 * hidden, hidden), new(4 * hidden), new(4 * hidden), None]
    if plain:
        return Stack(new(2, batch, inputs), None, None, None, tuple(weights), ways)
    sizes = batch, batch // 2
    states, masks = new(2 * ways, batch, hidden), new(1, sum(sizes), hidden * ways)
    return Stack(new(sum(sizes), inputs), states, states, masks, tuple(weights), ways, sizes)


def launches(architecture: int, stack: Stack, batch: int) -> list[Any]:
    """The kernels of a forward pass, a backward pass and a second order, compiled.

    Of the batch they know only the tile, so the stack may have fewer sequences: torch's products are computed for nothing.
    """
    compiled: dict[str, Any] = {}
    real = triton_gpu.tile_of

    def tile_of(hidden: int, _: int, dtype: torch.dtype, order: int = 1) -> triton_gpu.Tile:
        return real(hidden, batch, dtype, order)

    with pretended(architecture, compiled), mock.patch.object(triton_gpu, "tile_of", tile_of):
        trace = triton_gpu.forward(stack)
        wanted = [tensor is not None for tensor in stack.tensors()]
        outputs = trace.output, *((None, None) if stack.h0 is None else (trace.h_n, trace.c_n))
        triton_gpu.backward(stack, trace, *outputs, wanted)
        u = Gradients(stack.x, stack.h0, stack.c0, (None,) * len(stack.weights))
        triton_gpu.second(stack, trace, *outputs, u, wanted)
    return list(compiled.values())


@contextmanager
def pretended(architecture: int, compiled: dict[str, Any]) -> Iterator[None]:
    """Launches compile for an architecture and do nothing else."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    target = GPUTarget("cuda", architecture, 32)
    pretender = SimpleNamespace(
        get_current_device=lambda: architecture, get_current_stream=lambda _: 0, get_current_target=lambda: target
    )

    class Compiler:
        def __init__(self, module: Any):
            self.module = module

        def __getattr__(self, name: str) -> Any:
            def launch(grid: tuple[int, ...]) -> Any:
                def run(*arguments: Any, **options: Any) -> None:
                    compiled[name] = getattr(self.module, name).warmup(*arguments, grid=grid, **options)

                return run

            return mock.MagicMock(__getitem__=lambda _, grid: launch(grid))

    driver.set_active(pretender)  # for the rest of the process: where there is no GPU there is none to go back to
    with ExitStack() as patches:
        for owner in (triton_gpu, weights_gpu, windows, adam):

            def kernels(*module: str, real: Any = owner.kernels) -> Any:
                return Compiler(real(*module))

            patches.enter_context(mock.patch.object(owner, "kernels", kernels))
        yield


if __name__ == "__main__":
    os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")
    sys.exit(main())
