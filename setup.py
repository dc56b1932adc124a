"""The native build, and nothing else: all metadata is in pyproject.toml.

The environment variable FASTGAN_NATIVE steers it: `auto` (the default) builds the library when a C++ compiler is there
and goes on without it otherwise, `off` builds nothing, `cpu` fails when the library cannot be built, and `cuda` is
kept for a release that has CUDA kernels.
"""

import os
import sys
from pathlib import Path
from typing import Any

from setuptools import setup

CHOICES = ("auto", "off", "cpu", "cuda")
# Without these two promises a compiler may not turn the comparisons in the loops into vector code. Results stay exact
# IEEE arithmetic: NaN, infinities and signed zeros are kept.
UNIX_FLAGS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"]
MSVC_FLAGS = ["/O2", "/W3"]


def extensions(choice: str) -> list[Any]:
    """What to build for a value of FASTGAN_NATIVE."""
    if choice not in CHOICES:
        raise SystemExit(f"FASTGAN_NATIVE={choice!r} is not known; the values are {', '.join(CHOICES)}")
    if choice == "cuda":
        raise SystemExit("FASTGAN_NATIVE=cuda: this release has no CUDA kernels; use FASTGAN_NATIVE=auto or cpu")
    if choice == "off":
        return []
    try:
        from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
    except ImportError:
        if choice == "cpu":
            raise SystemExit("FASTGAN_NATIVE=cpu needs pybind11 to build; pip install pybind11") from None
        print("fastgan: pybind11 is not installed, so the native library is not built", file=sys.stderr)
        return []
    ParallelCompile().install()  # setuptools alone compiles one file after the other
    native = Pybind11Extension(
        "fastgan._native",
        [path.as_posix() for folder in ("csrc", "csrc/cpu") for path in sorted(Path(folder).glob("*.cpp"))],
        depends=[path.as_posix() for path in sorted(Path("csrc").rglob("*.h"))],
        include_dirs=["csrc"],
        extra_compile_args=MSVC_FLAGS if sys.platform == "win32" else UNIX_FLAGS,
        cxx_std=17,
    )
    native.optional = choice == "auto"  # setuptools then warns about a failed build and goes on
    return [native]


setup(ext_modules=extensions(os.environ.get("FASTGAN_NATIVE", "").strip().lower() or "auto"))
