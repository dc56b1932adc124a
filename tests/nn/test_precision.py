"""Short floating-point numbers, autocast, and where a module is: on "meta", moved, copied, in a file."""

import copy
import io

import pytest
import torch

from fastgan import FusedLSTM, FusedLSTMCell
from tests.nn.common import B, H, I, T, both_backends, flat, needs_cpu, states

SHORT = [torch.float16, torch.bfloat16]
widening = pytest.mark.parametrize("backend", ["auto", pytest.param("cpu", marks=needs_cpu)])
SIZES = {"num_layers": 2, "bidirectional": True}


@widening
@pytest.mark.parametrize("dtype", SHORT, ids=str)
@pytest.mark.parametrize("proj_size", [0, 2])
def test_short_numbers_are_computed_in_float32(backend, dtype, proj_size):
    torch.manual_seed(0)
    short = FusedLSTM(I, H, dtype=dtype, backend=backend, proj_size=proj_size, **SIZES)
    wide = copy.deepcopy(short).float()
    x = torch.randn(T, B, I, dtype=dtype, requires_grad=True)
    hx = states(short, B, dtype)
    wide_x, *wide_hx = (tensor.detach().float().requires_grad_() for tensor in (x, *hx))
    found, wanted = flat(short(x, hx)), flat(wide(wide_x, tuple(wide_hx)))
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == dtype
        assert torch.equal(one, other.to(dtype))  # rounded once, at the end
    seeds = [torch.randn_like(one) for one in found]
    mine = torch.autograd.grad(found, [x, *hx, *short.parameters()], seeds)
    truth = torch.autograd.grad(wanted, [wide_x, *wide_hx, *wide.parameters()], [seed.float() for seed in seeds])
    for one, other in zip(mine, truth, strict=True):
        assert one.dtype == dtype
        torch.testing.assert_close(one, other.to(dtype))


@widening
@pytest.mark.parametrize("dtype", SHORT, ids=str)
def test_autocast(backend, dtype):
    torch.manual_seed(0)
    ours = FusedLSTM(I, H, backend=backend, **SIZES)
    x = torch.randn(T, B, I, requires_grad=True)
    wanted = flat(ours(x))
    with torch.autocast("cpu", dtype=dtype):
        found = flat(ours(x))
        from_short = flat(ours(x.to(dtype)))
        off = []
        with torch.autocast("cpu", enabled=False):
            off = flat(ours(x))
    for one, other, third, same in zip(found, wanted, from_short, off, strict=True):
        assert one.dtype == third.dtype == dtype
        assert torch.equal(one, other.to(dtype))  # computed in float32, rounded at the end
        assert same.dtype == torch.float32
        assert torch.equal(same, other)
    sum(one.float().square().sum() for one in found).backward()
    got = [x.grad, *(parameter.grad for parameter in ours.parameters())]
    assert all(one.dtype == torch.float32 and one.abs().sum() > 0 for one in got)
    truth = torch.autograd.grad(sum(one.square().sum() for one in wanted), [x, *ours.parameters()])
    for one, other in zip(got, truth, strict=True):
        allowed = torch.finfo(dtype).eps * other.abs().max() * 8  # the seeds were rounded
        assert (one - other).abs().max() <= allowed


@both_backends
@pytest.mark.parametrize("dtype", SHORT, ids=str)
def test_results_have_the_short_dtype(backend, dtype):
    ours = FusedLSTM(I, H, backend=backend, **SIZES)
    x = torch.randn(T, B, I)
    wanted = flat(ours(x))
    with torch.autocast("cpu", dtype=dtype):
        under_autocast = flat(ours(x))
    for one, other, third in zip(under_autocast, wanted, flat(ours.to(dtype)(x.to(dtype))), strict=True):
        assert one.dtype == third.dtype == dtype
        torch.testing.assert_close(one.float(), other, rtol=0.05, atol=0.05)
        torch.testing.assert_close(third.float(), other, rtol=0.05, atol=0.05)


def test_autocast_takes_states_of_other_dtypes():
    ours = FusedLSTM(I, H)
    x = torch.randn(T, B, I)
    hx = torch.randn(1, B, H), torch.randn(1, B, H)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        first = ours(x, (hx[0].double(), hx[1]))[0]
        output, state = ours(x, hx)
        again = ours(output[..., :I], state)[0]
    assert torch.equal(first, output)
    assert again.dtype == torch.bfloat16
    double = FusedLSTM(I, H, dtype=torch.float64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert double(x.double())[0].dtype == torch.float64  # autocast leaves those alone


@both_backends
def test_backward_in_eval_mode_is_that_of_training(backend):
    ours = FusedLSTM(I, H, backend=backend, dtype=torch.float64, **SIZES)
    x = torch.randn(T, B, I, dtype=torch.float64, requires_grad=True)
    found = [torch.autograd.grad(module(x)[0].sum(), [x, *ours.parameters()]) for module in (ours, ours.eval())]
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@both_backends
def test_nothing_requires_a_gradient_without_reason(backend):
    ours = FusedLSTM(I, H, backend=backend)
    x = torch.randn(T, B, I)
    assert all(one.requires_grad for one in flat(ours(x)))
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            assert not any(one.requires_grad for one in flat(ours(x)))
    ours.requires_grad_(False)
    assert not any(one.requires_grad for one in flat(ours(x)))
    assert flat(ours(x.requires_grad_()))[0].requires_grad
    with torch.inference_mode():
        made_there = torch.randn(T, B, I)
    assert ours(made_there)[0].shape == (T, B, H)


def test_meta_gives_shapes():
    ours = FusedLSTM(I, H, device="meta", proj_size=2, **SIZES)
    x = torch.empty(T, B, I, device="meta")
    output, (h_n, c_n) = ours(x)
    assert output.shape == (T, B, 4)
    assert h_n.shape == (4, B, 2)
    assert c_n.shape == (4, B, H)
    output.sum().backward()
    assert all(one.grad.shape == one.shape for one in ours.parameters())
    step = FusedLSTMCell(I, H, device="meta")(torch.empty(B, I, device="meta"))
    assert [one.shape for one in step] == [(B, H), (B, H)]


def test_copies_do_not_share_weights():
    ours = FusedLSTM(I, H, **SIZES)
    x = torch.randn(T, B, I)
    want = ours(x)[0]
    file = io.BytesIO()
    torch.save(ours, file)
    file.seek(0)
    for other in (copy.deepcopy(ours), torch.load(file, weights_only=False)):
        assert torch.equal(other(x)[0], want)
        with torch.no_grad():
            other.weight_hh_l0.zero_()
        assert not torch.equal(other(x)[0], want)
        assert torch.equal(ours(x)[0], want)
    shared = copy.copy(ours)
    with torch.no_grad():
        ours.weight_hh_l0.zero_()
    assert torch.equal(shared(x)[0], ours(x)[0])
    ours.share_memory()
    assert torch.equal(shared(x)[0], ours(x)[0])
