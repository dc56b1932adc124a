"""Fixtures of the LSTM's tests: settings of the whole process that are put back."""

import pytest
import torch

from tests.ops.lstm.cases import LIBRARY, SETS


@pytest.fixture
def any_threads():
    """Sets the number of threads; afterwards it is what it was."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(params=SETS)
def instructions(request):
    """Each instruction set of this machine in turn."""
    LIBRARY.use_instruction_set(request.param)
    assert LIBRARY.instruction_set() == request.param
    yield request.param
    LIBRARY.use_instruction_set("auto")
