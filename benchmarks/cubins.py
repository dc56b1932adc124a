"""What kernels for Nvidia GPUs need of a multiprocessor, as their compiled code tells: by Nvidia's own tool, which comes with Triton."""

import importlib.util
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fastgan.ops import native

_FUNCTION = re.compile(
    r"^arch = (?P<architecture>\w+)|^ Function (?P<name>\w+):\s+REG:(?P<registers>\d+) STACK:(?P<stack>\d+).*?LOCAL:(?P<local>\d+)",
    re.MULTILINE,
)
# As the compiler writes names: a pass of a kind of numbers and tiles of a warp, or groups of units.
_NAME = re.compile(
    r"\d(?P<call>(stream_)?(forward|backward)|free_run|stream_pack)I(NS0_\d+(?P<kind>[A-Za-z]\w*?)E)?Li(?P<tiles>\d)E"
)


class Function(NamedTuple):
    """One function of compiled code."""

    architecture: str
    name: str  # as the compiler writes it
    registers: int  # of a thread
    local: int  # bytes of a thread in memory, where registers do not suffice


class Kernel(NamedTuple):
    """One kernel of csrc/cuda for one architecture."""

    architecture: str
    kind: str
    call: str
    tiles: int  # of a warp; of the passes for many sequences the groups of units
    registers: int
    local: int  # bytes

    @property
    def fits(self) -> bool:
        """Whether nothing spills."""
        return self.local == 0


def why_not() -> str | None:
    """Why the kernels in CUDA C++ cannot be read here, or None."""
    if not importlib.util.find_spec("triton"):
        return "Triton is not installed, and with it the tool that reads kernels in CUDA C++"
    return None if native.cuda_library() else "the kernels in CUDA C++ are not built; install fastgan where nvcc is"


def kernels() -> Iterator[Kernel]:
    """The kernels of the library that is installed."""
    module = native.cuda_library()
    assert module is not None, why_not()
    assert module.__file__ is not None
    for function in read(_told(Path(module.__file__))):
        name = _NAME.search(function.name)
        assert name is not None, f"a kernel of another name: {function.name}"
        kind = (name["kind"] or "short").lower()
        yield Kernel(function.architecture, kind, name["call"], int(name["tiles"]), function.registers, function.local)


def usage(compiled: Any) -> tuple[int, int]:
    """Registers of a thread, and its bytes of local memory, of a kernel that Triton compiled."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(compiled.asm["cubin"])
        (function,) = read(_told(path))
    return function.registers, function.local


def read(told: str) -> Iterator[Function]:
    """The functions that the tool tells of, in its order.

    Args:
        told: output of `cuobjdump --dump-resource-usage`.
    """
    architecture = ""
    for found in _FUNCTION.finditer(told):
        architecture = found["architecture"] or architecture
        if found["name"]:
            local = max(int(found["stack"]), int(found["local"]))
            yield Function(architecture, found["name"], int(found["registers"]), local)


def _told(path: Path) -> str:
    import triton

    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    return subprocess.run([tool, "--dump-resource-usage", path], capture_output=True, text=True, check=True).stdout
