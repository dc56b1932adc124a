"""Fixtures of the LSTM's tests: settings of the whole process that are put back."""

import os

import pytest
import torch

from fastgan.ops import lstm as table
from fastgan.ops import native
from tests.ops.lstm import emulated
from tests.ops.lstm.cases import LIBRARY, SETS


@pytest.fixture(params=SETS)
def instructions(request):
    """Each instruction set of this machine in turn."""
    LIBRARY.use_instruction_set(request.param)
    assert LIBRARY.instruction_set() == request.param
    yield request.param
    LIBRARY.use_instruction_set("auto")


@pytest.fixture
def device(monkeypatch, tmp_path_factory):
    """Where the CUDA kernels run: a made-up device, to be resized by `emulate`."""
    own = tmp_path_factory.getbasetemp()
    library = emulated.library(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)  # workers lie side by side
    library.emulate(*emulated.H100, 0)
    monkeypatch.setattr(native, "cuda_library", lambda: library)
    table._known.cache_clear()
    yield library
    table._known.cache_clear()


@pytest.fixture
def exact_products():
    """Products of float32 are as exact as they can be: a GPU's default is shorter."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


@pytest.fixture
def memory_full_of_nan():
    """Torch fills new memory with NaN, so that an element nobody wrote shows."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)
