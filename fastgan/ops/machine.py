"""What this machine is, for the record of a run and for `fastgan.info`."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from fastgan.base.errors import BadInput
from fastgan.ops.lstm import backends
from fastgan.ops.registry import VARIABLE

PACKAGES = ("torch", "triton", "numba", "numpy", "soundfile", "soxr", "safetensors", "pybind11")

_ALL_THREADS = torch.get_num_threads()  # before anybody has set it
_WORTH_SHARING = 16e6  # operations: 128 rows of 128 units, from where two threads are 1.5 times faster than one


def describe() -> dict[str, str]:
    """Processor, system, threads, devices and versions, as plain strings by name."""
    facts = {
        "processor": _processor(),
        "cores": f"{os.cpu_count()} ({torch.get_num_threads()} threads used)",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
    }
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        card = torch.cuda.get_device_properties(number)
        facts[f"cuda:{number}"] = f"{card.name}, {card.total_memory / 2**30:.0f} GiB, sm_{card.major}{card.minor}"
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def choose_device(name: str) -> torch.device:
    """The device that a name stands for; "auto" is the first CUDA device, or the processor where there is none.

    Raises:
        BadInput: the name means nothing to torch, or the device is not here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadInput(f"no device {name!r}: use auto, cpu, cuda or cuda:1") from error
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            raise BadInput(
                f"no device {name!r} here: torch {torch.__version__} sees {count} CUDA devices; use --device cpu"
            )
    elif device.type != "cpu":
        raise BadInput(f"device {name!r} is not supported; use auto, cpu, cuda or cuda:1")
    return device


def use_threads(count: int, rows: int, hidden: int) -> None:
    """Set how many threads torch uses on the processor.

    Threads that share a small product wait for each other about as long as they work: at the paper's batch two gain little on
    an idle machine and lose by 2 times and more on a busy one, where the other thread is not even running
    (benchmarks/bench_threads.py). So small work gets one thread.

    Args:
        count: how many; 0 to choose by the size of the work, unless OMP_NUM_THREADS is set.
        rows: sequences in a step.
        hidden: units in an LSTM layer.
    """
    product = 2 * rows * hidden * 4 * hidden  # operations of a recurrent product, the largest that has to wait
    if count:
        torch.set_num_threads(count)
    elif not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(1 if product < _WORTH_SHARING else _ALL_THREADS)


def check_backend(name: str) -> None:
    """Refuse an implementation of the LSTM that cannot run on this machine.

    Args:
        name: one of the implementations, or "auto", for which the environment variable FASTGAN_BACKEND may speak.

    Raises:
        BadInput: says why it cannot, or which there are.
    """
    source = f"--backend {name}"
    if name == "auto" and os.environ.get(VARIABLE):
        name = os.environ[VARIABLE]
        source = f"{VARIABLE}={name}"
    reasons: dict[str, str | None] = {"auto": None, **dict(backends())}
    if name not in reasons:
        raise BadInput(f"{source} is not known; there are {', '.join(reasons)}")
    if reasons[name] is not None:
        raise BadInput(f"{source} cannot run here: {reasons[name]}; use auto")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
