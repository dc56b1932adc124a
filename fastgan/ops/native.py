"""The compiled libraries, each loaded once. That one is absent is normal; that it will not load is a fault."""

import ctypes
import functools
import importlib
import importlib.machinery
import importlib.util
import sysconfig
from pathlib import Path
from types import ModuleType

import torch

CONTRACT = 4  # of csrc/lstm.h, as the Python side knows it
CUDA_CONTRACT = 3  # of csrc/cuda/lstm.h
_OPENMP = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
ABSENT = (
    "the native library is not built (no C++ compiler was there, or FASTGAN_NATIVE=off); "
    "FASTGAN_NATIVE=cpu pip install ... builds it or says why it cannot"
)


@functools.cache
def library() -> ModuleType | None:
    """The kernels for the processor, or None when they were not built.

    Raises:
        RuntimeError: a file of them is there and does not load, or speaks another contract.
    """
    module = _load("_native", CONTRACT)
    runtime = None if module is None else openmp()
    if module is not None and runtime is not None:
        module.use_openmp(*(ctypes.cast(getattr(runtime, name), ctypes.c_void_p).value for name in _OPENMP))
    return module


@functools.cache
def cuda_library() -> ModuleType | None:
    """The kernels for Nvidia GPUs, or None when they were not built.

    Raises:
        RuntimeError: as `library`.
    """
    return _load("_cuda", CUDA_CONTRACT)


def _load(name: str, contract: int) -> ModuleType | None:
    full = f"fastgan.{name}"
    if importlib.util.find_spec(full) is None:
        strangers = built_for_others(Path(__file__).parents[1], name)
        if strangers:
            raise RuntimeError(
                f"{full} is built for another Python: found {', '.join(strangers)}, this one loads "
                f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}; {_rebuild()}"
            )
        return None
    try:
        module = importlib.import_module(full)
    except ImportError as error:
        raise RuntimeError(f"{full} is there and does not load: {error}; {_rebuild()}") from error
    found = getattr(module, "CONTRACT", None)
    if found != contract:
        raise RuntimeError(f"{full} was built for contract {found}, this version needs {contract}; {_rebuild()}")
    return module


def empty_cache() -> int:
    """Give memory back to the system that training steps have left for the next ones; at most 512 MB are ever kept.

    Returns:
        Bytes that were freed. What is still in use stays.
    """
    module = library()
    return 0 if module is None else int(module.forget_memory())


def openmp() -> ctypes.CDLL | None:
    """The OpenMP runtime that torch has loaded, or None: the kernels borrow its threads and bring none of their own."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    paths = dict.fromkeys(Path(line.split(maxsplit=5)[5]) for line in lines if line.count("/"))
    named = [path for path in paths if path.name.startswith(("libgomp", "libomp", "libiomp"))]
    home = Path(torch.__file__).parent
    for path in sorted(named, key=lambda path: home not in path.parents):  # its own before one that others have loaded
        library = ctypes.CDLL(str(path))
        if all(hasattr(library, name) for name in _OPENMP):
            return library
    return None


def why_not() -> str | None:
    """Why the library cannot be used, in words; None when it can.

    Raises:
        RuntimeError: as `library` does.
    """
    return ABSENT if library() is None else None


def built_for_others(folder: Path, name: str = "_native") -> list[str]:
    """File names of a library in `folder` that this interpreter does not load, sorted."""
    ours = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    names = sorted(path.name for kind in ("so", "pyd") for path in folder.glob(f"{name}.*{kind}"))
    return [found for found in names if found.removeprefix(name) not in ours]


def _rebuild() -> str:
    return f"reinstall fastgan to rebuild it (torch here is {torch.__version__})"
