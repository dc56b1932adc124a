"""What nvcc makes of csrc/cuda: registers and local memory of every kernel, as `-Xptxas -v` tells them. Warnings are errors."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "csrc/cuda"
_KERNEL = re.compile(
    r"Compiling entry function '(?P<name>\w+)' for '(?P<architecture>\w+)'"
    r".*?(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads"
    r".*?Used (?P<registers>\d+) registers",
    re.DOTALL,
)
# As the compiler writes names: a pass of a kind of numbers and tiles of a warp, or groups of units.
_NAME = re.compile(
    r"\d(?P<call>(stream_)?(forward|backward)|free_run|stream_pack)I(NS0_\d+(?P<kind>[A-Za-z]\w*?)E)?Li(?P<tiles>\d)E"
)


class Kernel(NamedTuple):
    """One kernel for one architecture."""

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
    """Why nothing can be compiled here, or None."""
    return None if shutil.which("nvcc") else "nvcc is not in PATH"


def kernels() -> Iterator[Kernel]:
    """Compile all: some minutes.

    Raises:
        RuntimeError: nvcc fails or warns; with what it says.
    """
    flags = ["--options-file", str(FOLDER / "options.txt"), "-Werror=all-warnings", "-Xptxas=-v"]
    for source in sorted(FOLDER.glob("*.cu")):
        command = ["nvcc", *flags, "-c", str(source), "-o", "/dev/null"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        yield from read(done.stderr + done.stdout)


def read(told: str) -> Iterator[Kernel]:
    """What ptxas told of each kernel.

    Args:
        told: the output of nvcc.
    """
    for found in _KERNEL.finditer(told):
        name = _NAME.search(found["name"])
        assert name is not None, f"a kernel of another name: {found['name']}"
        local = max(int(found["stack"]), int(found["stores"]), int(found["loads"]))
        kind = (name["kind"] or "short").lower()
        yield Kernel(found["architecture"], kind, name["call"], int(name["tiles"]), int(found["registers"]), local)
