"""Our modules under torch.jit and torch.fx: traces that take any size, leaves, and a refusal that says what to do."""

import copy

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn.utils.rnn import pack_padded_sequence

from fastgan import FusedLSTM, FusedLSTMCell, revert

F64 = torch.float64
pytestmark = [
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:LSTM with projections"),
]
OPTIONS = [
    {},
    {"batch_first": True},
    {"num_layers": 2, "bidirectional": True},
    {"proj_size": 3, "num_layers": 2},
    {"bias": "single"},
    {"bias": False},
]
each_option = pytest.mark.parametrize("options", OPTIONS, ids=str)


def close(one: object, other: object) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@each_option
def test_a_trace_takes_any_number_of_steps_and_sequences(options):
    module = FusedLSTM(4, 6, dtype=F64, **options)
    traced = torch.jit.trace(module, (torch.randn(5, 2, 4, dtype=F64),))
    alone = torch.jit.trace(module, (torch.randn(5, 4, dtype=F64),))
    for steps, batch in ((5, 2), (1, 7), (9, 3)):
        x = torch.randn(steps, batch, 4, dtype=F64)
        close(traced(x), module(x))
        close(alone(x[:, 0]), module(x[:, 0]))


def test_a_trace_with_states_takes_any_number_of_sequences():
    module = FusedLSTM(4, 6, num_layers=2, dtype=F64)

    def inputs(batch: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = torch.randn(2, 2, batch, 6, dtype=F64)
        return torch.randn(3, batch, 4, dtype=F64), (h, c)

    traced = torch.jit.trace(module, inputs(2))
    for batch in (1, 5):
        x, hx = inputs(batch)
        close(traced(x, hx), module(x, hx))


class Lengths(nn.Module):
    """What packs its input by itself."""

    def __init__(self, lstm: nn.Module):
        super().__init__()
        self.lstm = lstm

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The last states."""
        packed = pack_padded_sequence(x, lengths, batch_first=self.lstm.batch_first, enforce_sorted=False)
        return self.lstm(packed)[1]


@each_option
def test_a_trace_of_packed_sequences_takes_other_lengths(options):
    model = Lengths(FusedLSTM(4, 6, dtype=F64, **options))
    x = torch.randn(5, 5, 4, dtype=F64)
    traced = torch.jit.trace(model, (x, torch.tensor([3, 5, 2, 1, 1])), check_trace=False)
    for lengths in ([4, 4, 2, 5, 1], [5] * 5, [1, 2, 1, 5, 1]):
        close(traced(x, torch.tensor(lengths)), model(x, torch.tensor(lengths)))


def test_a_trace_in_training_drops_anew_each_time():
    module = FusedLSTM(4, 6, num_layers=2, dropout=0.5)
    traced = torch.jit.trace(module, (torch.randn(3, 2, 4),), check_trace=False)
    x = torch.randn(3, 2, 4)
    assert not torch.equal(traced(x)[0], traced(x)[0])


@pytest.mark.parametrize("bias", [True, False])
def test_a_traced_cell_takes_any_number_of_sequences(bias):
    cell = FusedLSTMCell(4, 6, bias=bias, dtype=F64)
    traced = torch.jit.trace(cell, (torch.randn(3, 4, dtype=F64),))
    alone = torch.jit.trace(cell, (torch.randn(4, dtype=F64),))
    for batch in (1, 5):
        x = torch.randn(batch, 4, dtype=F64)
        close(traced(x), cell(x))
        close(alone(x[0]), cell(x[0]))


class Mixed(nn.Module):
    """A cell whose states begin a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.lstm = FusedLSTMCell(4, 6), FusedLSTM(6, 6)

    def forward(self, x: Tensor, hx: tuple[Tensor, Tensor]) -> Tensor:
        """The outputs."""
        h, c = self.cell(x, hx)
        return self.lstm(h[None], (h[None], c[None]))[0]


def test_in_a_symbolic_trace_they_are_leaves():
    model = Mixed()
    graph = fx.symbolic_trace(model)
    assert [node.target for node in graph.graph.nodes if node.op == "call_module"] == ["cell", "lstm"]
    x, h, c = torch.randn(3, 4), torch.randn(3, 6), torch.randn(3, 6)
    assert torch.equal(graph(x, (h, c)), model(x, (h, c)))
    assert fx.symbolic_trace(nn.Sequential(FusedLSTM(4, 6)))(x)[0].shape == (3, 6)


@pytest.mark.parametrize("module", [FusedLSTM(4, 6), FusedLSTMCell(4, 6)], ids=lambda one: type(one).__name__)
def test_scripting_is_refused_with_what_can_be_scripted(module):
    model = nn.Sequential(module)
    with pytest.raises(RuntimeError, match=r"script fastgan\.revert"):
        torch.jit.script(model)
    scripted = torch.jit.script(revert(copy.deepcopy(model)).model)
    x = torch.randn(3, 4)
    torch.testing.assert_close(scripted(x)[0], model(x)[0])
