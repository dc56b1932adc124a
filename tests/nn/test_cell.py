"""FusedLSTMCell in place of torch.nn.LSTMCell."""

import pytest
import torch
from torch import Tensor, nn

from fastgan import FusedLSTM, FusedLSTMCell
from tests.nn.common import B, H, I, T, both_backends, needs_cpu, said


def pair(dtype=torch.float64, backend="auto", **options) -> tuple[nn.LSTMCell, FusedLSTMCell]:
    torch.manual_seed(0)
    theirs = nn.LSTMCell(I, H, dtype=dtype, **options)
    ours = FusedLSTMCell(I, H, dtype=dtype, backend=backend, **options)
    assert ours.load_state_dict(theirs.state_dict(), strict=True)
    assert theirs.load_state_dict(ours.state_dict(), strict=True)
    return theirs, ours


@both_backends
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [None, 1, B, 33])
@pytest.mark.parametrize("with_states", [False, True])
def test_same_states_and_gradients(backend, bias, batch, with_states):
    theirs, ours = pair(backend=backend, bias=bias)
    shape = () if batch is None else (batch,)
    x = torch.randn(*shape, I, dtype=torch.float64, requires_grad=True)
    hx = tuple(torch.randn(*shape, H, dtype=torch.float64, requires_grad=True) for _ in range(2))
    given = (hx,) if with_states else ()
    found = []
    for module in (theirs, ours):
        h, c = module(x, *given)
        h, c = module(x * 2, (h, c))
        loss = h.square().sum() + (c * 3).sin().sum()
        sources = [x, *module.parameters(), *(hx if with_states else ())]
        found.append([h, c, *torch.autograd.grad(loss, sources)])
    for wanted, mine in zip(*found, strict=True):
        assert mine.shape == wanted.shape
        torch.testing.assert_close(mine, wanted, rtol=1e-10, atol=1e-11)


@both_backends
def test_gradients_of_gradients(backend):
    theirs, ours = pair(backend=backend)
    found = []
    for module in (theirs, ours):
        torch.manual_seed(1)
        x, h, c = (torch.randn(B, size, dtype=torch.float64, requires_grad=True) for size in (I, H, H))
        state = module(x, module(x, (h, c)))
        slopes = torch.autograd.grad(state[0].square().sum() + state[1].sum(), (x, h), create_graph=True)
        found.append(torch.autograd.grad(sum(s.square().sum() for s in slopes), [x, h, c, *module.parameters()]))
    for wanted, mine in zip(*found, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-9, atol=1e-10)
    x, h, c = (torch.randn(2, size, dtype=torch.float64, requires_grad=True) for size in (I, H, H))
    assert torch.autograd.gradcheck(lambda *values: ours(values[0], values[1:]), (x, h, c))
    assert torch.autograd.gradgradcheck(lambda *values: ours(values[0], values[1:]), (x, h, c))


def test_a_loop_of_cells_is_an_lstm():
    cell = FusedLSTMCell(I, H)
    lstm = FusedLSTM(I, H)
    lstm.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()}, strict=True)
    x = torch.randn(T, B, I)
    state, outputs = None, []
    for step in x:
        state = cell(step, state)
        outputs.append(state[0])
    output, (h_n, c_n) = lstm(x)
    torch.testing.assert_close(torch.stack(outputs), output)
    torch.testing.assert_close(state, (h_n[0], c_n[0]))


@pytest.mark.parametrize("bias", [True, False])
def test_same_names_draws_and_repr(bias):
    torch.manual_seed(3)
    theirs = nn.LSTMCell(I, H, bias)
    torch.manual_seed(3)
    ours = FusedLSTMCell(I, H, bias)
    for (name, wanted), (our_name, found) in zip(theirs.named_parameters(), ours.named_parameters(), strict=True):
        assert name == our_name
        assert torch.equal(wanted, found)
    assert ours.bias_hh is None or bias
    assert repr(ours) == f"Fused{theirs!r}"
    assert repr(FusedLSTMCell(I, H, backend="cpu")) == f"FusedLSTMCell({I}, {H}, backend=cpu)"


@pytest.mark.parametrize("sizes", [(0, H), (I, 0), (0, 0)])
def test_sizes_of_nothing(sizes):
    theirs, ours = nn.LSTMCell(*sizes), FusedLSTMCell(*sizes)
    ours.load_state_dict(theirs.state_dict())
    x = torch.zeros(B, sizes[0])
    torch.testing.assert_close(ours(x), theirs(x))


def test_empty_batch_and_gaps_in_memory():
    theirs, ours = pair()
    x = torch.zeros(0, I, dtype=torch.float64, requires_grad=True)
    h, c = ours(x)
    assert h.shape == c.shape == (0, H)
    (h.sum() + c.sum()).backward()
    assert x.grad.shape == (0, I)
    x, h, c = (torch.randn(size, B, dtype=torch.float64).t() for size in (I, H, H))
    assert not x.is_contiguous()
    torch.testing.assert_close(ours(x, (h, c)), theirs(x, (h, c)))


def zeros(*shape: int) -> Tensor:
    return torch.zeros(shape)


@pytest.mark.parametrize(
    ("x", "hx"),
    [
        (zeros(B, I + 1), None),
        (zeros(I + 1), None),
        (zeros(2, B, I), None),
        (zeros(), None),
        (zeros(B, I), (zeros(B, H + 1), zeros(B, H))),
        (zeros(B, I), (zeros(B, H), zeros(B, H + 1))),
        (zeros(B, I), (zeros(B - 1, H), zeros(B, H))),
        (zeros(B, I), (zeros(B, H), zeros(B - 1, H))),
        (zeros(B, I), (zeros(H), zeros(H))),
        (zeros(B, I), (zeros(1, B, H), zeros(B, H))),
        (zeros(B, I), (zeros(B, H), zeros(1, B, H))),
        (zeros(I), (zeros(1, H), zeros(1, H))),
        (zeros(I), (zeros(H + 1), zeros(H))),
        (zeros(B, I), (zeros(B, H),)),
        (zeros(B, I), (zeros(B, H), zeros(B, H), zeros(B, H))),
    ],
)
def test_refuses_in_torchs_words(x, hx):
    theirs, ours = pair(dtype=torch.float32)
    assert said(lambda: ours(x, hx)) == said(lambda: theirs(x, hx))


def test_refuses_what_torch_words_badly():
    _, ours = pair(dtype=torch.float32)
    with pytest.raises(ValueError, match=r"RNN input dtype \(torch.float64\) does not match weight dtype"):
        ours(zeros(B, I).double())
    with pytest.raises(RuntimeError, match="Input and hidden tensors are not the same dtype"):
        ours(zeros(B, I), (zeros(B, H), zeros(B, H).double()))
    with pytest.raises(RuntimeError, match="Input and hidden tensors are not at the same device"):
        ours(zeros(B, I), (zeros(B, H), zeros(B, H).to("meta")))
    with pytest.raises(RuntimeError, match="Input and parameter tensors are not at the same device"):
        ours(zeros(B, I).to("meta"))
    with pytest.raises(RuntimeError, match="hidden0 has inconsistent hidden_size: got no such dimension, expected 6"):
        ours(zeros(H, I), (zeros(H), zeros(H)))
    with pytest.raises(ValueError, match="backend='cudnn' is not known"):
        FusedLSTMCell(I, H, backend="cudnn")


@needs_cpu
def test_the_named_backend_is_asked():
    with pytest.raises(RuntimeError, match="backend='cpu' cannot run this: an empty batch"):
        FusedLSTMCell(I, H, backend="cpu")(zeros(0, I))
    with pytest.raises(RuntimeError, match="backend='cuda' cannot run this"):
        FusedLSTMCell(I, H, backend="cuda")(zeros(1, I))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_short_numbers_and_autocast(dtype):
    _, ours = pair(dtype=torch.float32)
    x, hx = torch.randn(B, I), (torch.randn(B, H), torch.randn(B, H))
    wanted = ours(x, hx)
    with torch.autocast("cpu", dtype=dtype):
        found = ours(x, hx)
    assert all(torch.equal(one, other.to(dtype)) for one, other in zip(found, wanted, strict=True))
    short = ours.to(dtype)(x.to(dtype), tuple(state.to(dtype) for state in hx))
    assert all(one.dtype == dtype for one in short)
    torch.testing.assert_close([one.float() for one in short], list(wanted), rtol=0.05, atol=0.05)


def test_transforms_and_compiling():
    _, ours = pair()
    x, h, c = (torch.randn(4, B, size, dtype=torch.float64) for size in (I, H, H))
    found = torch.vmap(lambda *values: ours(values[0], values[1:])[0])(x, h, c)
    torch.testing.assert_close(found, torch.stack([ours(x[k], (h[k], c[k]))[0] for k in range(4)]))
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x[0], (h[0], c[0])), ours(x[0], (h[0], c[0])))
    torch._dynamo.reset()
