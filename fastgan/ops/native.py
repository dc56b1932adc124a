"""The compiled library `fastgan._native`, loaded once. That it is absent is normal; that it will not load is a fault."""

import functools
import importlib
import importlib.machinery
import importlib.util
import sysconfig
from pathlib import Path
from types import ModuleType

import torch

CONTRACT = 1  # of csrc/lstm.h, as the Python side knows it
NAME = "fastgan._native"
ABSENT = (
    "the native library is not built (no C++ compiler was there, or FASTGAN_NATIVE=off); "
    "FASTGAN_NATIVE=cpu pip install ... builds it or says why it cannot"
)


@functools.cache
def library() -> ModuleType | None:
    """The library, or None when it was not built.

    Raises:
        RuntimeError: a file of it is there and does not load, or speaks another contract.
    """
    if importlib.util.find_spec(NAME) is None:
        strangers = built_for_others(Path(__file__).parents[1])
        if strangers:
            raise RuntimeError(
                f"{NAME} is built for another Python: found {', '.join(strangers)}, this one loads "
                f"_native{sysconfig.get_config_var('EXT_SUFFIX')}; {_rebuild()}"
            )
        return None
    try:
        module = importlib.import_module(NAME)
    except ImportError as error:
        raise RuntimeError(f"{NAME} is there and does not load: {error}; {_rebuild()}") from error
    found = getattr(module, "CONTRACT", None)
    if found != CONTRACT:
        raise RuntimeError(f"{NAME} was built for contract {found}, this version needs {CONTRACT}; {_rebuild()}")
    return module


def why_not() -> str | None:
    """Why the library cannot be used, in words; None when it can.

    Raises:
        RuntimeError: as `library` does.
    """
    return ABSENT if library() is None else None


def built_for_others(folder: Path) -> list[str]:
    """File names of the library in `folder` that this interpreter does not load, sorted."""
    ours = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    names = sorted(path.name for kind in ("so", "pyd") for path in folder.glob(f"_native.*{kind}"))
    return [name for name in names if name.removeprefix("_native") not in ours]


def _rebuild() -> str:
    return f"reinstall fastgan to rebuild it (torch here is {torch.__version__})"
