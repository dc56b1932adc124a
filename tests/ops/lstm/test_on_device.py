"""The GPU backends on a device: what neither an interpreter nor a compiler shows. Without a GPU all of this skips."""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from fastgan import FusedLSTM
from fastgan.ops.lstm import BACKENDS, free_run_gpu, lstm
from fastgan.ops.registry import Problem
from tests.ops.lstm import test_free_run as free
from tests.ops.lstm.cases import (
    FLOORS,
    OUTPUTS,
    ROWS,
    Case,
    assert_fair,
    error,
    leaves_of,
    names_of,
    run_ours,
    run_torch,
    seeds_for,
)

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it torch promises no reproducible products

DEVICE = "cuda"
F32, F64, BF16 = torch.float32, torch.float64, torch.bfloat16
GPU = [row for row in BACKENDS if row.name in ("cuda", "triton")]
ABLE = [
    pytest.param(row.name, marks=pytest.mark.skipif(bool(row.why_not_here()), reason=f"{row.why_not_here()}"))
    for row in GPU
]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")

PAPER = Case(6, 32, 1, 128, layers=2)
RICH = Case(5, 7, 3, 40, layers=2, directions=2, states=True, dropout=True)
PACKED = Case(6, 5, 3, 40, layers=2, states=True, lengths=(6, 6, 4, 2, 1))
LONG_PACKED = Case(200, 200, 3, 64, lengths=tuple(range(200, 0, -1)))
MANY = Case(6, 2500, 1, 128, layers=2)  # in short numbers a warp has sequences of its own
LARGE = [Case(32, 16, hidden, hidden) for hidden in (512, 768, 1024)]
SIZES = [*(Case(6, batch, 1, 128, layers=2) for batch in (3, 32, 512, 4096)), *LARGE, LONG_PACKED, RICH]
TF32 = 4 * 2.0**-10  # four roundings of TF32
NUMBERS = {  # dtype, whether products of float32 may be TF32, and the error that says nothing
    "float32": (F32, False, FLOORS[F32]),
    "tf32": (F32, True, TF32),
    "bfloat16": (BF16, False, FLOORS[BF16]),
    "float16": (torch.float16, False, FLOORS[torch.float16]),
}

Found = tuple[Tensor, ...]


@pytest.fixture(autouse=True)
def exact_products_and_memory_full_of_nan() -> Iterator[None]:
    """Products of float32 are exact, and torch fills new memory with NaN, so that an element nobody wrote shows."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield
    torch.use_deterministic_algorithms(before)


def skip_unless_able(backend: str, case: Case) -> None:
    """Skip with the backend's own reason."""
    sizes = case.steps, case.batch, case.inputs, case.hidden, case.projected
    reason = ROWS[backend].why_not(Problem(*sizes, case.dtype, DEVICE, bool(case.lengths), case.directions))
    if reason is not None:
        pytest.skip(reason)


@functools.lru_cache(maxsize=2)  # for the backends in turn
def truth_of(case: Case) -> dict[str, Tensor]:
    return run_ours(case, "reference", F64, DEVICE)


@functools.lru_cache(maxsize=2)
def fair_of(case: Case, tf32: bool) -> dict[str, Tensor]:
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32):
        return run_torch(case, DEVICE)


@pytest.mark.parametrize("case", SIZES, ids=str)
@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("backend", ABLE)
def test_no_worse_than_torch_on_the_same_device(backend, numbers, case):
    dtype, tf32, floor = NUMBERS[numbers]
    case = dataclasses.replace(case, dtype=dtype)
    skip_unless_able(backend, case)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32):
        ours = run_ours(case, backend, device=DEVICE)
    assert_fair(ours, fair_of(case, tf32), truth_of(case), floor)


@pytest.mark.parametrize("case", [RICH, PACKED, Case(3, 2, 1, 8), PAPER], ids=str)
@pytest.mark.parametrize("backward", [*ABLE, "reference"])
@pytest.mark.parametrize("forward", [*ABLE, "reference"])
def test_any_backward_reads_what_any_forward_left(forward, backward, case):
    def run(first: str, second: str, dtype: torch.dtype) -> dict[str, Tensor]:
        stack = case.stack(dtype, device=DEVICE)
        trace = ROWS[first].forward(stack)
        everything = [name != "masks" for name in names_of(stack)]
        found = ROWS[second].backward(stack, trace, *seeds_for(trace[:3]), everything)
        names = (*OUTPUTS, *(f"d_{name}" for name in names_of(stack)))
        values = (*trace[:3], found.x, found.h0, found.c0, None, *found.weights)
        return {name: value.cpu() for name, value in zip(names, values, strict=True) if value is not None}

    for name in {forward, backward} - {"reference"}:
        skip_unless_able(name, case)
    assert_fair(
        run(forward, backward, F32),
        run("reference", "reference", F32),
        run("reference", "reference", F64),
        2 * FLOORS[F32],  # the definition's own error can be nearly nothing
    )


class Net:
    """A FusedLSTM on the device, an input for it, and what may be done with them."""

    def __init__(self, backend: str, case: Case, **options: object) -> None:
        skip_unless_able(backend, case)
        torch.manual_seed(0)
        options = {"num_layers": case.layers, "bidirectional": case.directions == 2, "dtype": case.dtype} | options
        self.module = FusedLSTM(case.inputs, case.hidden, backend=backend, **options).to(DEVICE)
        self.x = case.stack(device=DEVICE).x.requires_grad_()
        self.sizes = torch.tensor(case.batch_sizes)
        self.leaves = [self.x, *self.module.parameters()]
        with torch.no_grad():
            self.seeds = seeds_for(self.outputs())  # drawn on the processor, so not while a graph is captured

    def outputs(self, call: Callable[..., object] | None = None) -> Found:
        """Output and both last states."""
        x = PackedSequence(self.x, self.sizes) if len(self.sizes) else self.x
        output, states = (self.module if call is None else call)(x)
        return (output.data if len(self.sizes) else output, *states)

    def infer(self) -> Found:
        """Without gradients."""
        with torch.no_grad():
            return self.outputs()

    def train(self, call: Callable[..., object] | None = None) -> Found:
        """Outputs, and the gradients of a weighted sum of all of them."""
        outputs = self.outputs(call)
        gradients = torch.autograd.grad(outputs, self.leaves, self.seeds)
        return tuple(one.detach() for one in (*outputs, *gradients))

    def penalise(self) -> Found:
        """The gradients of a gradient penalty."""
        output, _, _ = self.outputs()
        (slope,) = torch.autograd.grad(output.square().sum(), self.x, create_graph=True)
        return torch.autograd.grad((slope.flatten(1).norm(dim=1) - 1).square().sum(), self.leaves)


WORK = [Net.infer, Net.train, Net.penalise]


def assert_same_bits(found: Found, want: Found) -> None:
    for place, (one, other) in enumerate(zip(found, want, strict=True)):
        assert one.dtype == other.dtype
        assert torch.equal(one, other), f"number {place}: {(one != other).sum()} of {one.numel()} differ"


def elsewhere(work: Callable[[], Found]) -> Found:
    """What comes of it on a stream of its own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        found = work()
    torch.cuda.current_stream().wait_stream(stream)
    return found


def captured(work: Callable[[], Found]) -> tuple[Found, Callable[[], None]]:
    """Where a CUDA graph of this work leaves its results, and its replay."""
    elsewhere(work)  # what is loaded or allocated once
    before, graph = torch.cuda.current_stream(), torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            found = work()
    finally:
        torch.cuda.set_stream(before)  # a capture that fails leaves its own in place
    return found, graph.replay


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
@pytest.mark.parametrize(
    "case", [PAPER, RICH, PACKED, *(dataclasses.replace(one, dtype=BF16) for one in (PAPER, MANY)), LARGE[0]], ids=str
)
@pytest.mark.parametrize("backend", ABLE)
def test_a_graph_gives_what_the_call_gives(backend, case, work):
    net = Net(backend, case)
    values = [case.stack(seed=seed, device=DEVICE).x for seed in (0, 1)]
    found, replay = captured(lambda: work(net))
    for x in (*values, *values):
        with torch.no_grad():
            net.x.copy_(x)
            for one in found:
                one.fill_(float("nan"))
        replay()
        assert_same_bits(found, work(net))


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
@pytest.mark.parametrize("case", [PAPER, RICH, PACKED, MANY, dataclasses.replace(MANY, dtype=BF16), LARGE[1]], ids=str)
@pytest.mark.parametrize("backend", ABLE)
def test_same_bits_again_and_on_another_stream(backend, case, work):
    net = Net(backend, case)
    first = work(net)
    for _ in range(3):
        assert_same_bits(work(net), first)
    assert_same_bits(elsewhere(lambda: work(net)), first)


@pytest.mark.parametrize("case", [PAPER, RICH], ids=str)
@pytest.mark.parametrize("backend", ABLE)
def test_compiles_whole(backend, case):
    net = Net(backend, case)
    torch._dynamo.reset()
    compiled = torch.compile(net.module, fullgraph=True)
    for one, other in zip(net.train(compiled), net.train(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", ABLE)
def test_autocast_computes_in_its_own_dtype(backend):
    net = Net(backend, PAPER)
    skip_unless_able(backend, dataclasses.replace(PAPER, dtype=BF16))

    def in_autocast(x: Tensor) -> object:
        with torch.autocast(DEVICE, BF16):
            return net.module(x)

    def by_torch(dtype: torch.dtype) -> Found:
        twin = nn.LSTM(PAPER.inputs, PAPER.hidden, PAPER.layers)
        twin.load_state_dict(net.module.state_dict())
        twin.to(DEVICE, dtype)
        x = net.x.detach().to(dtype).requires_grad_()
        output, states = twin(x)
        seeds = [seed.to(dtype) for seed in net.seeds]
        outputs = (output, *states)
        return tuple(one.detach() for one in (*outputs, *torch.autograd.grad(outputs, [x, *twin.parameters()], seeds)))

    full = net.seeds
    net.seeds = [seed.to(BF16) for seed in full]
    found = net.train(in_autocast)
    net.seeds = full
    assert [one.dtype for one in found] == [BF16] * 3 + [F32] * (len(found) - 3)
    for one, fair, truth in zip(found, by_torch(BF16), by_torch(F64), strict=True):
        assert error(one, truth) <= 2 * error(fair, truth) + FLOORS[BF16]


@pytest.mark.parametrize("backend", ABLE)
def test_backward_in_eval_mode(backend):
    net = Net(backend, RICH)
    trained = net.train()
    net.module.eval()
    assert_same_bits(net.train(), trained)


@pytest.mark.parametrize("backend", ABLE)
def test_dropout_follows_the_seed(backend):
    def run(name: str, seed: int) -> Found:
        torch.manual_seed(seed)
        net.module.backend = name
        return net.train()

    net = Net(backend, RICH, dropout=0.5)
    found = run(backend, 1)
    assert_same_bits(run(backend, 1), found)
    assert not torch.equal(run(backend, 2)[0], found[0])
    for one, other in zip(found, run("reference", 1), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sizes", [{"num_layers": 2}, {"bidirectional": True}], ids=str)
@pytest.mark.parametrize("backend", ABLE)
def test_packed_sequences_in_any_order(backend, sizes):
    lengths = torch.tensor([3, 9, 1, 9, 4])
    skip_unless_able(backend, Case(9, 5, 3, 40, lengths=(9, 9, 4, 3, 1)))
    torch.manual_seed(0)
    ours = FusedLSTM(3, 40, backend=backend, **sizes)
    x = torch.randn(9, 5, 3)

    def run(module: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        module.to(DEVICE, dtype).zero_grad()
        packed = pack_padded_sequence(x.to(DEVICE, dtype), lengths, enforce_sorted=False)
        output, states = module(packed)
        outputs = dict(zip(OUTPUTS, (output.data, *states), strict=True))
        torch.autograd.backward(list(outputs.values()), seeds_for(tuple(outputs.values())))
        outputs |= {name: one.grad for name, one in module.named_parameters()}
        return {name: value.detach().cpu() for name, value in outputs.items()}

    theirs = nn.LSTM(3, 40, **sizes)
    theirs.load_state_dict(ours.state_dict())
    assert_fair(run(ours, F32), run(theirs, F32), run(theirs, F64))


@pytest.mark.parametrize("backend", ABLE)
def test_memory_with_gaps_and_turned_around(backend):
    net = Net(backend, RICH)
    want = net.train()
    net.leaves[0] = net.x = net.x.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    net.seeds = [torch.stack((seed, seed), -1)[..., 0] for seed in net.seeds]
    assert not any(one.is_contiguous() for one in (net.x, *net.seeds))
    assert_same_bits(net.train(), want)


@pytest.mark.parametrize("case", [PAPER, RICH, PACKED, LARGE[0]], ids=str)
@pytest.mark.parametrize("backend", ABLE)
def test_a_gradient_penalty(backend, case):
    def run(name: str, dtype: torch.dtype) -> dict[str, Tensor]:
        stack = case.stack(dtype, grad=True, device=DEVICE)
        output, h_n, c_n = lstm(stack, backend=name)
        (slope,) = torch.autograd.grad(output.square().sum() + c_n.sum(), stack.x, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().sum()
        leaves = leaves_of(stack)
        found = torch.autograd.grad(penalty + 0 * h_n.sum(), list(leaves.values()))
        return {name: value.cpu() for name, value in zip(leaves, found, strict=True)}

    skip_unless_able(backend, case)
    assert_fair(run(backend, F32), run("reference", F32), run("reference", F64), 2 * FLOORS[F32])


@pytest.mark.parametrize("backend", ABLE)
def test_tensors_of_another_device_are_refused(backend):
    net = Net(backend, PAPER)
    states = torch.zeros(2, 32, 128), torch.zeros(2, 32, 128)
    with pytest.raises(RuntimeError, match="Input and hidden tensors are not at the same device"):
        net.module(net.x, states)
    with pytest.raises(RuntimeError, match="Input and parameter tensors are not at the same device"):
        net.module(net.x.detach().cpu())


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="this machine has fewer than two GPUs")
@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
@pytest.mark.parametrize("backend", ABLE)
def test_on_a_device_that_is_not_the_current_one(backend, work):
    net = Net(backend, RICH)
    want = work(net)
    net.module.to("cuda:1")
    net.x = net.x.detach().to("cuda:1").requires_grad_()
    net.leaves = [net.x, *net.module.parameters()]
    net.seeds = [seed.to("cuda:1") for seed in net.seeds]
    assert torch.cuda.current_device() == 0
    assert_same_bits(tuple(one.to("cuda:0") for one in work(net)), want)


@pytest.mark.parametrize("windows", [0, 6])
@pytest.mark.parametrize("clips", [1, 16, 500])
def test_a_stack_reads_its_own_values_in_one_launch(clips, windows):
    case = free.Case(1, 128, 2, windows, clips)
    net, start, steps = free.net_of(case, F32), free.starts(case, F32), 200
    there = free.Net(
        [tuple(None if part is None else part.to(DEVICE) for part in layer) for layer in net.layers],
        *(part.to(DEVICE) for part in net[1:]),
    )
    reason = free_run_gpu.why_not(there, clips, windows)
    if reason is not None:
        pytest.skip(reason)
    ours = free_run_gpu.OnGpu(there, clips, windows)
    found = torch.cat((ours.run(steps - 50, start.to(DEVICE)), ours.run(50)), dim=1).cpu()
    plain = free.Stepwise(net, clips, windows).run(steps, start)
    truth = free.Stepwise(free.wide(net), clips, windows).run(steps, start.double())
    assert truth[:, :10].std() > 1e-3
    allowed = 4 * (plain - truth)[:, :20].abs().max() + 32 * torch.finfo(F32).eps * truth.abs().max()
    assert (found - truth)[:, :20].abs().max() <= allowed
    assert (found - truth).abs().max() <= 1e-3  # what reads itself makes errors grow
