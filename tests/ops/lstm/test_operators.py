"""The operators as torch's machinery sees them: checks of their registration, compile, export, transforms and modes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from fastgan import FusedLSTM
from fastgan.ops.lstm import Stack, lstm, op
from tests.ops.lstm.cases import ABLE, Case, leaves_of, needs_cpu, seeds_for, with_leaves

F64 = torch.float64
CASES = [
    Case(4, 3, 2, 5, F64, layers=2, directions=2, states=True, dropout=True),
    Case(3, 2, 2, 4, F64, biases=1),
    Case(3, 2, 2, 4, F64, layers=2, biases=0, projected=3, states=True),
    Case(3, 3, 2, 4, F64, layers=2, directions=2, lengths=(3, 2, 2), dropout=True),
    Case(4, 3, 2, 5, layers=2, states=True),
]
CHECKS = [pytest.param("cpu", case, id=f"cpu-{case}", marks=needs_cpu) for case in CASES]
CHECKS += [pytest.param("reference", case, id=f"reference-{case}") for case in CASES[2:4]]
SMALL = Case(3, 2, 2, 3, F64, layers=2, states=True)


def arguments(stack: Stack, backend: str) -> tuple[object, ...]:
    """What all three operators begin with, and the backend, which they end with."""
    *lists, layout = op.pack(stack)
    return *lists, layout, stack.directions, list(stack.batch_sizes), backend


def checked(operator: object, given: tuple[object, ...]) -> None:
    found = torch.library.opcheck(operator, given)
    assert set(found.values()) == {"SUCCESS"}
    assert len(found) == 4


@pytest.mark.parametrize(("backend", "case"), CHECKS)
def test_opcheck_of_the_forward_pass(backend, case):
    gradients = case is not CASES[2]
    *common, name = arguments(case.stack(grad=gradients), backend)
    checked(torch.ops.fastgan.lstm, (*common, gradients, name))


def wanted(case: Case, stack: Stack) -> list[bool]:
    """Which gradients: all of them, or in every other case of some tensors alone."""
    return [CASES.index(case) % 2 == 1 or k % 3 != 1 for k in range(len(leaves_of(stack)))]


@pytest.mark.parametrize(("backend", "case"), CHECKS)
def test_opcheck_of_the_backward_pass(backend, case):
    stack = case.stack(grad=True)
    *common, name = arguments(stack, backend)
    trace = [tensor.detach() for tensor in torch.ops.fastgan.lstm(*common, True, name)]
    d_outputs = [seed.requires_grad_() for seed in seeds_for(tuple(trace[:3]))]
    checked(torch.ops.fastgan.lstm_backward, (*common, trace, d_outputs, wanted(case, stack), name))


@pytest.mark.parametrize(("backend", "case"), CHECKS)
def test_opcheck_of_the_second_order(backend, case):
    stack = case.stack()
    *common, name = arguments(stack, backend)
    trace = torch.ops.fastgan.lstm(*common, True, name)
    seeds, leaves = seeds_for(tuple(trace[:3])), list(leaves_of(stack).values())
    some = wanted(case, stack)
    u = [torch.randn_like(leaf) if want else leaf.new_empty(0) for leaf, want in zip(leaves, some, strict=True)]
    checked(torch.ops.fastgan.lstm_second, (*common, trace, seeds, some, u, name))


class Seen(TorchDispatchMode):
    """Which operations run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.name())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("case", [CASES[0], CASES[3]], ids=str)
def test_a_mode_sees_one_operation(case):
    stack = case.stack(grad=True)
    leaves = list(leaves_of(stack).values())
    with Seen() as seen:
        outputs = lstm(stack)
        first = torch.autograd.grad(outputs, leaves, seeds_for(outputs), create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves)
    ours = [name for name in seen.names if name.startswith("fastgan::")]
    assert ours == ["fastgan::lstm", "fastgan::lstm_backward", "fastgan::lstm_second"]
    assert not any("mm" in name or "sigmoid" in name for name in seen.names)
    outputs = lstm(stack, backend="reference")
    first_want = torch.autograd.grad(outputs, leaves, seeds_for(outputs), create_graph=True)
    second_want = torch.autograd.grad(sum(g.square().sum() for g in first_want), leaves)
    for got, want in zip((*first, *second), (*first_want, *second_want), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-12)


def test_each_gradient_alone_under_a_mode():
    for name in leaves_of(CASES[0].stack()):
        stack = CASES[0].stack()
        leaf = leaves_of(stack)[name].requires_grad_()
        with Seen():
            outputs = lstm(stack)
            (got,) = torch.autograd.grad(outputs, leaf, seeds_for(outputs))
        outputs = lstm(stack, backend="reference")
        (want,) = torch.autograd.grad(outputs, leaf, seeds_for(outputs))
        torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fake_tensors_have_the_shapes_of_real_ones(case):
    real = lstm(case.stack())
    with FakeTensorMode() as mode:
        stack = case.stack(grad=True)
        fake = lstm(stack)
        gradients = torch.autograd.grad(fake[0].sum(), list(leaves_of(stack).values()), allow_unused=True)
    for one, other in zip(fake, real, strict=True):
        assert one.fake_mode is mode
        assert (one.shape, one.dtype, one.stride()) == (other.shape, other.dtype, other.stride())
    for one, leaf in zip(gradients, leaves_of(stack).values(), strict=True):
        assert one.shape == leaf.shape


def trained(module: Callable[..., object], x: Tensor, parameters: list[Tensor]) -> list[Tensor]:
    """Outputs and gradients, dropout drawn from the same seed."""
    torch.manual_seed(0)
    output, (h_n, c_n) = module(x)
    outputs = (output, h_n, c_n)
    return [*outputs, *torch.autograd.grad(outputs, [x, *parameters], seeds_for(outputs))]


def assert_compiles_once(backend: str, module: FusedLSTM, batches: list[tuple[int, int]]) -> None:
    """Forward and backward of every size with what the first one compiled."""
    torch._dynamo.reset()
    counter = CompileCounterWithBackend(backend)
    compiled = torch.compile(module, fullgraph=True, backend=counter)
    parameters, frames = list(module.parameters()), 0
    for steps, batch in batches:
        x = torch.randn(steps, batch, module.input_size, dtype=F64)
        for dim in (0, 1):
            torch._dynamo.mark_dynamic(x, dim)
        x.requires_grad_()
        for one, other in zip(trained(compiled, x, parameters), trained(module, x, parameters), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)
        frames = frames or counter.frame_count
        assert counter.frame_count == frames, f"compiled again for {steps} steps of {batch}"
    calls = [node for node in counter.graphs[-1].graph.nodes if "fastgan.lstm" in str(node.target)]
    assert len(calls) == 1


@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 2, "bidirectional": True, "proj_size": 3}, {"num_layers": 2, "dropout": 0.5}],
    ids=["plain", "all", "dropout"],
)
def test_compiles_once_for_all_sizes(options):
    module = FusedLSTM(3, 5, dtype=F64, **options)
    assert_compiles_once("aot_eager", module, [(5, 3), (7, 4), (9, 2), (2, 8)])


def test_compiles_with_inductor():
    assert_compiles_once("inductor", FusedLSTM(3, 5, num_layers=2, dtype=F64), [(5, 3), (7, 4)])


@needs_cpu
def test_compiles_as_a_function():
    torch._dynamo.reset()
    stack = CASES[0].stack(grad=True)
    leaves = list(leaves_of(stack).values())

    def call(*given: Tensor) -> tuple[Tensor, ...]:
        return lstm(with_leaves(stack, given), backend="cpu")

    compiled = torch.compile(lambda x: lstm(stack._replace(x=x), backend="cpu"), fullgraph=True, backend="aot_eager")
    for one, other in zip(compiled(stack.x), call(*leaves), strict=True):
        assert torch.equal(one, other)


def test_compiled_transforms_that_differentiate():
    torch._dynamo.reset()
    stack = SMALL.stack()
    slope = grad(lambda x: lstm(stack._replace(x=x))[0].square().sum())
    compiled = torch.compile(slope, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(stack.x), slope(stack.x), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=["plain", "all"])
def test_exports_with_any_size(options):
    module = FusedLSTM(3, 5, dtype=F64, **options)
    sizes = {0: torch.export.Dim("steps", min=1), 1: torch.export.Dim("batch", min=1)}
    program = torch.export.export(module, (torch.randn(4, 3, 3, dtype=F64),), dynamic_shapes=(sizes,))
    calls = [node for node in program.graph.nodes if "fastgan.lstm" in str(node.target)]
    assert len(calls) == 1
    for shape in ((4, 3, 3), (9, 2, 3), (2, 7, 3)):
        x = torch.randn(shape, dtype=F64)
        torch.testing.assert_close(program.module()(x), module(x), rtol=1e-12, atol=1e-13)


STACK = SMALL.stack()
WEIGHTS = tuple(value for name, value in leaves_of(STACK).items() if "[" in name)
ENSEMBLE = tuple(torch.stack((weight, 0.9 * weight, -weight)) for weight in WEIGHTS)
XS = torch.randn(3, *STACK.x.shape, dtype=F64, generator=torch.Generator().manual_seed(3))


def run(x: Tensor, weights: tuple[Tensor, ...] = WEIGHTS, backend: str = "auto") -> tuple[Tensor, ...]:
    return lstm(with_leaves(STACK, (x, STACK.h0, STACK.c0, *weights)), backend=backend)


def loss(weights: tuple[Tensor, ...], x: Tensor, backend: str = "auto") -> Tensor:
    return sum((value * value).sum() for value in run(x, weights, backend))


def close(got: object, want: object) -> None:
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("backend", ABLE)
def test_vmap(backend):
    over_x = [run(x, backend=backend) for x in XS]
    close(vmap(lambda x: run(x, backend=backend))(XS), tuple(map(torch.stack, zip(*over_x, strict=True))))
    close(vmap(lambda x: run(x, backend=backend), in_dims=1)(XS.movedim(0, 1)), vmap(run)(XS))
    over_weights = [run(STACK.x, weights, backend) for weights in zip(*ENSEMBLE, strict=True)]
    got = vmap(lambda weights: run(STACK.x, weights, backend))(ENSEMBLE)
    close(got, tuple(map(torch.stack, zip(*over_weights, strict=True))))
    both = [run(x, weights, backend) for x, *weights in zip(XS, *ENSEMBLE, strict=True)]
    got = vmap(lambda x, weights: run(x, weights, backend))(XS, ENSEMBLE)
    close(got, tuple(map(torch.stack, zip(*both, strict=True))))
    nested = vmap(vmap(lambda x: run(x, backend=backend)[0]))(torch.stack((XS, -XS)))
    close(nested, torch.stack([vmap(lambda x: run(x)[0])(one) for one in (XS, -XS)]))


@pytest.mark.parametrize("backend", ABLE)
def test_an_ensemble_is_trained(backend):
    """First and second order of torch.autograd through a vmap."""

    def gradients(each: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        leaves = [weight.clone().requires_grad_() for weight in ENSEMBLE]
        first = torch.autograd.grad(each(tuple(leaves)), leaves, create_graph=True)
        return (*first, *torch.autograd.grad(sum(g.square().sum() for g in first), leaves))

    got = gradients(lambda leaves: vmap(lambda weights: loss(weights, STACK.x, backend))(leaves).sum())
    one_by_one = gradients(lambda leaves: sum(loss(one, STACK.x, "reference") for one in zip(*leaves, strict=True)))
    close(got, one_by_one)


def test_gradients_of_each_sample():
    got = vmap(grad(loss), in_dims=(None, 0))(WEIGHTS, XS)
    for k, x in enumerate(XS):
        leaves = [weight.clone().requires_grad_() for weight in WEIGHTS]
        close(tuple(value[k] for value in got), torch.autograd.grad(loss(leaves, x), leaves))


def test_transforms_that_differentiate():
    x = STACK.x

    def plain(x: Tensor) -> Tensor:
        return lstm(STACK._replace(x=x), backend="reference")[0]

    def ours(x: Tensor) -> Tensor:
        return lstm(STACK._replace(x=x))[0]

    want = torch.autograd.functional.jacobian(plain, x)
    close(jacrev(ours)(x), want)
    close(jacfwd(ours)(x), want)
    close(torch.autograd.functional.jacobian(ours, x), want)
    close(torch.autograd.functional.jacobian(ours, x, vectorize=True), want)
    close(jvp(ours, (x,), (torch.ones_like(x),))[1], want.flatten(3).sum(-1))
    close(
        hessian(lambda x: ours(x).square().sum())(x),
        torch.autograd.functional.hessian(lambda x: plain(x).square().sum(), x),
    )

    def thrice(call: Callable[[Tensor], Tensor]) -> Tensor:
        function: Callable[..., Tensor] = call
        for _ in range(3):
            function = grad(lambda x, inner=function: inner(x).square().sum())
        return function(x)

    close(thrice(ours), thrice(plain))
    close(torch.func.functionalize(ours)(x), plain(x))


def test_forward_mode_differentiation():
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(STACK.x, torch.ones_like(STACK.x))
        got = torch.autograd.forward_ad.unpack_dual(lstm(STACK._replace(x=dual))[0]).tangent
    close(
        got,
        jvp(lambda x: lstm(STACK._replace(x=x), backend="reference")[0], (STACK.x,), (torch.ones_like(STACK.x),))[1],
    )


@needs_cpu
def test_a_named_backend_does_not_step_aside_in_silence():
    with pytest.raises(
        RuntimeError, match=r"backend='cpu' cannot run this: a torch\.func transform that differentiates"
    ):
        grad(loss)(WEIGHTS, STACK.x, "cpu")
    with torch.autograd.forward_ad.dual_level(), pytest.raises(RuntimeError, match="forward-mode differentiation"):
        run(STACK.x, backend="cpu")


def test_functional_call():
    module = FusedLSTM(2, 3, num_layers=2, dtype=F64)
    other = {name: 2 * value.detach() for name, value in module.named_parameters()}
    got = functional_call(module, other, (STACK.x,))
    with torch.no_grad():
        for name, value in module.named_parameters():
            value.copy_(other[name])
    close(got, module(STACK.x))
    gradients = grad(lambda given: functional_call(module, given, (STACK.x,))[0].square().sum())(other)
    module(STACK.x)[0].square().sum().backward()
    close(gradients, {name: value.grad for name, value in module.named_parameters()})


def test_a_subclass_of_tensor():
    class Marked(torch.Tensor):
        pass

    output, h_n, _ = lstm(STACK._replace(x=STACK.x.as_subclass(Marked)))
    assert isinstance(output, Marked)
    assert torch.equal(output.as_subclass(torch.Tensor), lstm(STACK)[0])
    assert torch.equal(h_n.as_subclass(torch.Tensor), lstm(STACK)[1])


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:`torch.jit:DeprecationWarning")
def test_a_traced_call_takes_other_values():
    traced = torch.jit.trace(lambda x: lstm(STACK._replace(x=x)), STACK.x, check_trace=False)
    x = torch.randn_like(STACK.x)
    close(traced(x), lstm(STACK._replace(x=x)))


def test_compiled_code_may_change_the_last_states():
    module = FusedLSTM(2, 3, num_layers=2, dtype=F64)

    def twice(run: Callable[..., tuple[Tensor, tuple[Tensor, Tensor]]]) -> tuple[Tensor, ...]:
        output, (h, c) = run(STACK.x)
        h[:, 0], c[:, 0] = 0, 0
        return torch.autograd.grad(module(output[..., :2], (h, c))[0].square().sum(), list(module.parameters()))

    close(twice(torch.compile(module, backend="aot_eager")), twice(module))
