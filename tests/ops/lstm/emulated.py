"""The kernels of csrc/cuda built by the C++ compiler, for a device that csrc/test/emulated.cpp makes up."""

import functools
import importlib.machinery
import importlib.util
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType

from filelock import FileLock

import fastgan

SOURCES = Path(fastgan.__file__).parents[1] / "csrc"
# Processors, warps of a block, blocks of a cluster, such clusters at once, bytes of shared memory.
H100 = (132, 16, 16, 7, 227 * 1024)
A100 = (108, 16, 0, 0, 163 * 1024)
SMALL_BLOCKS = (132, 2, 4, 30, 100 * 1024)
SMALL_BLOCKS_APART = (132, 2, 0, 0, 100 * 1024)
LITTLE_MEMORY = (60, 3, 2, 25, 12 * 1024)
MACHINES = {
    "H100": H100,
    "A100": A100,
    "small blocks": SMALL_BLOCKS,
    "small blocks apart": SMALL_BLOCKS_APART,
    "little memory": LITTLE_MEMORY,
}


def why_not() -> str | None:
    """Why it cannot be built here, or None."""
    if not SOURCES.exists():
        return "an installed package has no csrc"
    if shutil.which("c++") is None:
        return "no C++ compiler"
    return None if importlib.util.find_spec("pybind11") else "pybind11 is not installed"


@functools.cache
def library(shared: Path) -> ModuleType:
    """The module, built once for all processes that share a folder: half a minute."""
    path = shared / "_cuda.so"
    with FileLock(shared / "_cuda.lock"):
        if not path.exists():
            _build(path)
    loader = importlib.machinery.ExtensionFileLoader("_cuda", str(path))
    spec = importlib.util.spec_from_file_location("_cuda", path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _build(path: Path) -> None:
    """Write the module to a file that is not there before it is whole."""
    import pybind11

    folder = Path(tempfile.mkdtemp(prefix="emulated-", dir=path.parent))
    includes = [SOURCES / "test", SOURCES / "cuda", pybind11.get_include(), sysconfig.get_path("include")]
    flags = ["-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-DFASTGAN_EMULATED", "-DFASTGAN_MODULE=_cuda"]
    flags += [f"-I{folder}" for folder in includes]
    files = [SOURCES / name for name in ("test/emulated.cpp", "test/emulated_launch.cpp", "cuda/bindings.cpp")]
    builds = [subprocess.Popen(["c++", *flags, "-c", file, "-o", folder / f"{file.stem}.o"]) for file in files]
    assert not any([build.wait() for build in builds])  # noqa: C419 all have to end
    built = folder / path.name
    subprocess.run(["c++", "-shared", *(folder / f"{file.stem}.o" for file in files), "-o", built], check=True)
    built.replace(path)
    shutil.rmtree(folder)
