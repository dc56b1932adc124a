"""The native builds, and nothing else: all metadata is in pyproject.toml.

The environment variable FASTGAN_NATIVE steers them. `auto` (the default) builds the kernels for the processor when a C++ compiler
is there, those for Nvidia GPUs when nvcc is there too, and goes on without what cannot be built; `off` builds nothing;
`cpu` fails when the kernels for the processor cannot be built, and builds no others; `cuda` fails when either cannot.
"""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

CHOICES = ("auto", "off", "cpu", "cuda")
# Without these two promises a compiler may not turn the comparisons in the loops into vector code. Results stay exact
# IEEE arithmetic: NaN, infinities and signed zeros are kept.
UNIX_FLAGS = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"]
MSVC_FLAGS = ["/O2", "/W3"]
CUDA = "fastgan._cuda"


def extensions(choice: str) -> list[Any]:
    """What to build for a value of FASTGAN_NATIVE."""
    if choice not in CHOICES:
        raise SystemExit(f"FASTGAN_NATIVE={choice!r} is not known; the values are {', '.join(CHOICES)}")
    if choice == "off":
        return []
    try:
        from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
    except ImportError:
        if choice != "auto":
            raise SystemExit(f"FASTGAN_NATIVE={choice} needs pybind11 to build; pip install pybind11") from None
        print("fastgan: pybind11 is not installed, so the native libraries are not built", file=sys.stderr)
        return []
    ParallelCompile().install()  # setuptools alone compiles one file after the other
    found = [
        Pybind11Extension(
            "fastgan._native",
            [path.as_posix() for folder in ("csrc", "csrc/cpu") for path in sorted(Path(folder).glob("*.cpp"))],
            depends=[path.as_posix() for path in sorted(Path("csrc").rglob("*.h"))],
            include_dirs=["csrc"],
            extra_compile_args=MSVC_FLAGS if sys.platform == "win32" else UNIX_FLAGS,
            cxx_std=17,
        )
    ]
    reason = no_cuda()
    if choice == "cuda" and reason is not None:
        raise SystemExit(f"FASTGAN_NATIVE=cuda: {reason}")
    if choice == "cuda" or (choice == "auto" and reason is None):
        found.append(
            Pybind11Extension(
                CUDA,
                ["csrc/cuda/bindings.cpp"],
                depends=[path.as_posix() for path in sorted(Path("csrc/cuda").iterdir())],
                define_macros=[("FASTGAN_MODULE", "_cuda")],
                extra_compile_args=UNIX_FLAGS,
                # Torch brings a CUDA runtime of its own; this one stays inside.
                extra_link_args=["-Wl,--exclude-libs,ALL"],
                libraries=["cudart_static", "rt", "dl", "pthread"],
                cxx_std=17,
            )
        )
    elif choice == "auto":
        print(f"fastgan: the kernels for GPUs in CUDA C++ are not built: {reason}", file=sys.stderr)
    for extension in found:
        extension.optional = choice == "auto"  # setuptools then warns about a failed build and goes on
    return found


def no_cuda() -> str | None:
    """Why the kernels for GPUs cannot be built, or None."""
    if not sys.platform.startswith("linux"):
        return f"they are built on Linux, this is {sys.platform}"
    return None if shutil.which("nvcc") else "nvcc is not in PATH; install the CUDA toolkit"


class Build(build_ext):
    """Builds the files of kernels for GPUs by nvcc, side by side."""

    def build_extension(self, ext: Any) -> None:
        """Build one extension module."""
        if ext.name == CUDA:
            folder, sources = Path(self.build_temp), sorted(Path("csrc/cuda").glob("*.cu"))
            folder.mkdir(parents=True, exist_ok=True)

            def compiled(source: Path) -> str:
                to = str(folder / f"{source.stem}.o")
                nvcc("--options-file", "csrc/cuda/options.txt", "-c", str(source), "-o", to)
                return to

            with ThreadPoolExecutor() as pool:
                ext.extra_objects = list(pool.map(compiled, sources))
            told = nvcc("--dryrun", "-c", str(sources[0]))
            ext.library_dirs = re.findall(r'"-L([^"]+)"', told)
        super().build_extension(ext)


def nvcc(*arguments: str) -> str:
    """What the compiler says."""
    done = subprocess.run(["nvcc", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise CompileError(f"nvcc {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stderr


setup(
    ext_modules=extensions(os.environ.get("FASTGAN_NATIVE", "").strip().lower() or "auto"),
    cmdclass={"build_ext": Build},
)
