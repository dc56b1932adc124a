"""FusedLSTM in place of torch.nn.LSTM: layouts, dropout, every refusal; and what torch's cannot do."""

import copy
import io
import pickle
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

from fastgan import FusedLSTM
from tests.nn.common import B, H, I, T, assert_same, both_backends, flat, needs_cpu, pair, said, states


def test_packed_output_unpacks_like_torchs():
    theirs, ours = pair(bidirectional=True)
    lengths = torch.tensor([2, 5, 4])
    packed = pack_padded_sequence(torch.randn(T, B, I, dtype=torch.float64), lengths, enforce_sorted=False)
    (a, _), (b, _) = theirs(packed), ours(packed)
    assert torch.equal(b.batch_sizes, a.batch_sizes)
    assert torch.equal(b.sorted_indices, a.sorted_indices)
    torch.testing.assert_close(pad_packed_sequence(b), pad_packed_sequence(a))


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}], ids=str)
@pytest.mark.filterwarnings("ignore:Casting complex:UserWarning")
def test_complex_numbers_as_torch_has_them(options):
    ours, theirs = FusedLSTM(4, 6, dtype=torch.cdouble, **options), nn.LSTM(4, 6, dtype=torch.cdouble, **options)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(5, 3, 4, dtype=torch.cdouble)
    found = []
    for module in (ours, theirs):
        output, states = module(x)
        loss = output.abs().square().sum()
        found.append((output, states, torch.autograd.grad(loss, list(module.parameters()))))
        with torch.autocast("cpu"):
            assert module(x)[0].dtype == torch.cdouble
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-12)
    with pytest.raises(RuntimeError, match="complex128"):
        FusedLSTM(4, 6, dtype=torch.cdouble, backend="cpu")(x)


def test_empty_batch():
    for options in ({}, {"batch_first": True, "bidirectional": True, "num_layers": 2}):
        theirs, ours = pair(**options)
        x = torch.zeros((0, T, I) if options else (T, 0, I), dtype=torch.float64, requires_grad=True)
        assert [value.shape for value in flat(ours(x))] == [value.shape for value in flat(theirs(x))]
        ours(x)[0].sum().backward()
        assert x.grad.shape == x.shape
        assert all(not parameter.grad.any() for parameter in ours.parameters())


@both_backends
def test_memory_of_any_layout(backend):
    theirs, ours = pair(backend=backend, num_layers=2)
    x = torch.randn(I, B, T, dtype=torch.float64).permute(2, 1, 0).requires_grad_()
    hx = tuple(
        state.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_() for state in states(ours, B)
    )
    assert not x.is_contiguous()
    assert not hx[0].is_contiguous()
    assert_same(theirs, ours, lambda module: module(x, hx), [x, *hx])


def test_dropout_only_between_layers_and_only_in_training():
    theirs, ours = pair(num_layers=3, dropout=0.5)
    x = torch.randn(T, B, I, dtype=torch.float64)
    results = []
    for module in (theirs, ours):
        torch.manual_seed(1)
        results.append(module(x)[0])
    torch.testing.assert_close(results[1], results[0])  # the same values are dropped
    assert not torch.equal(ours(x)[0], ours(x)[0])
    ours.eval()
    torch.testing.assert_close(ours(x)[0], theirs.eval()(x)[0])
    ours.train()
    ours.dropout = 1.0
    assert torch.equal(ours(x)[0], ours(torch.zeros_like(x))[0])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("proj_size", [0, 2])
def test_same_names_order_and_draws(bias, proj_size):
    options = {"num_layers": 2, "bidirectional": True, "bias": bias, "proj_size": proj_size}
    torch.manual_seed(3)
    theirs = nn.LSTM(I, H, **options)
    torch.manual_seed(3)
    ours = FusedLSTM(I, H, **options)
    named = list(zip(theirs.named_parameters(), ours.named_parameters(), strict=True))
    for (their_name, their_value), (our_name, our_value) in named:
        assert their_name == our_name
        assert torch.equal(their_value, our_value)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    shapes = [[tuple(weight.shape) for weight in layer] for layer in ours.all_weights]
    assert shapes == [[tuple(weight.shape) for weight in layer] for layer in theirs.all_weights]
    assert ours.flatten_parameters() is None


def test_one_bias_is_the_sum_of_two():
    theirs, two = pair(num_layers=2, bidirectional=True)
    one = FusedLSTM(I, H, num_layers=2, bidirectional=True, bias="single", dtype=torch.float64)
    values = dict(two.state_dict())
    names = [name for name in values if name.startswith("bias_ih")]
    for name in names:
        values[name.replace("bias_ih", "bias")] = values.pop(name) + values.pop(name.replace("bias_ih", "bias_hh"))
    one.load_state_dict(values, strict=True)
    x = torch.randn(T, B, I, dtype=torch.float64)
    torch.testing.assert_close(one(x)[0], theirs(x)[0])


def test_the_papers_parameters():
    first, second = FusedLSTM(1, 128, bias="single"), FusedLSTM(128, 128, bias="single")
    assert [name for name, _ in first.named_parameters()] == ["weight_ih_l0", "weight_hh_l0", "bias_l0"]
    assert sum(parameter.numel() for parameter in first.parameters()) == 66_560
    assert sum(parameter.numel() for parameter in second.parameters()) == 131_584
    assert sum(p.numel() for p in FusedLSTM(1, 128, 2, bias="single").parameters()) == 66_560 + 131_584


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((0, 3), {}),
        ((3, 0), {}),
        ((2.0, 3), {}),
        ((3, "3"), {}),
        ((3, 3), {"num_layers": 0}),
        ((3, 3), {"proj_size": -1}),
        ((3, 3), {"proj_size": 3}),
        ((3, 3), {"dropout": 1.5}),
        ((3, 3), {"dropout": True}),
        ((3, 3), {"dropout": 0.5}),
        ((3, 3), {"bias": 1}),
        ((3, 3), {"batch_first": None}),
    ],
    ids=str,
)
def test_constructor_refuses_in_torchs_words(sizes, options):
    assert said(lambda: FusedLSTM(*sizes, **options)) == said(lambda: nn.LSTM(*sizes, **options))


def zeros(*shape: int) -> Tensor:
    return torch.zeros(shape)


@pytest.mark.parametrize(
    ("x", "hx"),
    [
        (zeros(I), None),
        (zeros(1, T, B, I), None),
        (zeros(T, B, I + 1), None),
        (zeros(T, B, I).double(), None),
        (zeros(0, B, I), None),
        (zeros(T, B, I), (zeros(2, B + 1, H), zeros(2, B, H))),
        (zeros(T, B, I), (zeros(2, B, H), zeros(1, B, H))),
        (zeros(T, B, I), (zeros(2, B, H), zeros(2, B, H - 1))),
        (zeros(T, B, I), (zeros(2, H), zeros(2, H))),
        (zeros(T, I), (zeros(2, 1, H), zeros(2, 1, H))),
        (zeros(T, I), (zeros(3, H), zeros(2, H))),
    ],
)
def test_forward_refuses_in_torchs_words(x, hx):
    theirs, ours = pair(dtype=torch.float32, num_layers=2)
    assert said(lambda: ours(x, hx)) == said(lambda: theirs(x, hx))


def test_forward_refuses_packed_input_in_the_same_words():
    _, ours = pair(dtype=torch.float32, num_layers=2)
    sizes = torch.tensor([3, 1])
    with pytest.raises(RuntimeError, match=r"input.size\(-1\) must be equal to input_size. Expected 4, got 5"):
        ours(PackedSequence(zeros(4, I + 1), sizes))
    for sequences in (2, 4):  # one too many as well, which would otherwise be left out without a word
        with pytest.raises(RuntimeError, match=rf"Expected hidden\[0\] size \(2, 3, 6\), got \[2, {sequences}, 6\]"):
            ours(PackedSequence(zeros(4, I), sizes), (zeros(2, sequences, H), zeros(2, 3, H)))
    unsorted = pack_sequence([zeros(1, I), zeros(2, I)], enforce_sorted=False)
    with pytest.raises(RuntimeError, match=r"Expected hidden\[1\] size \(2, 2, 6\), got \[2, 3, 6\]"):
        ours(unsorted, (zeros(2, 2, H), zeros(2, 3, H)))
    with pytest.raises(RuntimeError, match="input must have 2 dimensions, got 3"):
        ours(PackedSequence(zeros(4, 1, I), sizes))
    with pytest.raises(ValueError, match=r"RNN input dtype \(torch.float64\) does not match"):
        ours(PackedSequence(zeros(4, I).double(), sizes))


def test_states_of_another_device_dtype_or_number():
    _, ours = pair(dtype=torch.float32, num_layers=2)
    x, state = zeros(T, B, I), zeros(2, B, H)
    for hx in ((state.double(), state), (state, state.double())):
        with pytest.raises(RuntimeError, match=r"not the same dtype, found input tensor with torch.float32 and hidden"):
            ours(x, hx)
    for hx in ((state.to("meta"), state), (state, state.to("meta"))):
        with pytest.raises(
            RuntimeError, match="not at the same device, found input tensor at cpu and hidden tensor at"
        ):
            ours(x, hx)
    with pytest.raises(RuntimeError, match="Input and parameter tensors are not at the same device, found input"):
        ours(x.to("meta"))
    with pytest.raises(RuntimeError, match="not at the same device, found input tensor at cpu and parameter tensor at"):
        FusedLSTM(I, H, device="meta")(x)
    for hx in ((state,), (state, state, state)):
        with pytest.raises(RuntimeError, match="lstm expects two hidden states"):
            ours(x, hx)


@needs_cpu
def test_the_native_backend_refuses_an_empty_batch(monkeypatch):
    ours = FusedLSTM(I, H, backend="cpu")
    with pytest.raises(RuntimeError, match="backend='cpu' cannot run this: an empty batch; use backend='auto'"):
        ours(zeros(T, 0, I))
    assert FusedLSTM(I, H)(zeros(T, 0, I))[0].shape == (T, 0, H)
    monkeypatch.setenv("FASTGAN_BACKEND", "cpu")
    with pytest.raises(RuntimeError, match="FASTGAN_BACKEND='cpu' cannot run this: an empty batch"):
        FusedLSTM(I, H)(zeros(T, 0, I))


def test_backend_names():
    with pytest.raises(ValueError, match="backend='cudnn' is not known; the names are 'auto', 'cpu', 'cuda', 'triton'"):
        FusedLSTM(1, 2, backend="cudnn")
    with pytest.raises(RuntimeError, match=r"backend='cuda' cannot run this: tensors on cpu \(it takes cuda\)"):
        FusedLSTM(1, 2, backend="cuda")(torch.zeros(2, 1, 1))


def test_repr():
    options = {
        "num_layers": 2,
        "bias": False,
        "batch_first": True,
        "dropout": 0.5,
        "bidirectional": True,
        "proj_size": 2,
    }
    for given in ({}, options, {"num_layers": 3}):
        assert repr(FusedLSTM(I, H, **given)) == repr(nn.LSTM(I, H, **given)).replace("LSTM", "FusedLSTM")
    assert repr(FusedLSTM(I, H, bias="single", backend="cpu")) == f"FusedLSTM({I}, {H}, bias=single, backend=cpu)"


def test_copies_files_and_moves():
    _, ours = pair(dtype=torch.float32, num_layers=2, bidirectional=True)
    x = torch.randn(T, B, I)
    want = ours(x)[0]
    saved = io.BytesIO()
    torch.save(ours, saved)
    saved.seek(0)
    loaded = torch.load(saved, weights_only=False)
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), loaded):
        assert torch.equal(other(x)[0], want)
        with torch.no_grad():
            other.weight_hh_l0.zero_()
        assert not torch.equal(other(x)[0], want)
        assert torch.equal(ours(x)[0], want)
    double = ours.to(torch.float64)
    assert double is ours
    torch.testing.assert_close(double(x.double())[0].float(), want)
    meta = FusedLSTM(I, H, device="meta")
    assert meta(torch.empty(T, B, I, device="meta"))[0].shape == (T, B, H)


@both_backends
def test_same_seed_same_bits(backend):
    def run() -> list[Tensor]:
        torch.manual_seed(7)
        module = FusedLSTM(I, H, num_layers=2, dropout=0.3, bidirectional=True, backend=backend)
        output, (h_n, c_n) = module(torch.randn(T, B, I))
        (output.sum() + h_n.sum() + c_n.sum()).backward()
        return [output, h_n, c_n, *(parameter.grad for parameter in module.parameters())]

    first = run()
    for _ in range(3):
        assert all(torch.equal(one, other) for one, other in zip(first, run(), strict=True))


@both_backends
def test_no_row_of_a_batch_sees_another(backend):
    _, ours = pair(backend=backend, num_layers=2)
    x = torch.randn(T, 4, I, dtype=torch.float64)
    together = ours(x)[0]
    for row in range(4):
        torch.testing.assert_close(ours(x[:, row : row + 1])[0], together[:, row : row + 1], rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(ours(x[:, row])[0], together[:, row], rtol=1e-12, atol=1e-13)


@both_backends
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_gradient_penalty_matches_torchs_cpu(backend, mode):
    theirs, ours = pair(backend=backend, num_layers=2)
    found = []
    for module in (theirs, ours):
        getattr(module, mode)()
        torch.manual_seed(2)
        x = torch.randn(T, B, I, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(module(x)[0].square().sum(), x, create_graph=True)
        loss = (slope.flatten(1).norm(dim=1) - 1).square().sum()
        found.append(torch.autograd.grad(loss, [x, *module.parameters()]))
    for theirs_one, ours_one in zip(*found, strict=True):
        torch.testing.assert_close(ours_one, theirs_one, rtol=1e-9, atol=1e-10)


def test_transforms():
    _, ours = pair()
    xs = torch.randn(3, T, B, I, dtype=torch.float64)
    torch.testing.assert_close(torch.vmap(lambda x: ours(x)[0])(xs), torch.stack([ours(x)[0] for x in xs]))
    want = torch.autograd.functional.jacobian(lambda x: ours(x)[0].sum(0), xs[0])
    torch.testing.assert_close(torch.func.jacrev(lambda x: ours(x)[0].sum(0))(xs[0]), want)
    torch.testing.assert_close(torch.func.jacfwd(lambda x: ours(x)[0].sum(0))(xs[0]), want)


def test_compiles_in_one_graph():
    _, ours = pair(num_layers=2, dtype=torch.float32)
    x = torch.randn(3, 2, I)
    graphs = []

    def count(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(ours, fullgraph=True, backend=count)
    torch.testing.assert_close(compiled(x)[0], ours(x)[0])
    assert len(graphs) == 1
    torch._dynamo.reset()
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")  # traces the backward pass as well
    found = [torch.autograd.grad(module(x)[0].square().sum(), list(ours.parameters())) for module in (ours, compiled)]
    for plain, traced in zip(*found, strict=True):
        torch.testing.assert_close(traced, plain)
    torch._dynamo.reset()


def test_importing_the_package_does_not_import_torch():
    script = (
        "import sys, fastgan; assert 'torch' not in sys.modules; print(fastgan.__version__);"
        "names = ['FusedLSTM', 'FusedLSTMCell', 'convert', 'revert']; assert set(names) < set(dir(fastgan));"
        "print(*(getattr(fastgan, name).__module__ for name in names))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    version, homes = done.stdout.splitlines()
    assert version == __import__("fastgan").__version__
    assert homes == "fastgan.nn.lstm fastgan.nn.cell fastgan.nn.convert fastgan.nn.convert"
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        __import__("fastgan").Nothing  # noqa: B018
