"""convert and revert: everything but the class of a module stays what it was."""

import copy
import pickle
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.rnn import pack_sequence

import fastgan
from fastgan import FusedLSTM, FusedLSTMCell, convert, revert

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore:LSTM with projections"),
]


class Tagger(nn.Module):
    """Someone's model: an LSTM with everything on, a cell, one module in two places, other layers."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(3, 4)
        self.encoder = nn.Sequential(nn.LSTM(4, 5, 2, batch_first=True, dropout=0.3, bidirectional=True, proj_size=2))
        self.shared = nn.LSTM(4, 4, bias=False)
        self.again = nn.ModuleList([self.shared])
        self.cell = nn.LSTMCell(4, 4)
        self.gru = nn.GRU(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(self.embed(x))[0]
        x = self.again[0](self.shared(x)[0])[0]
        return self.gru(self.cell(x[:, 0])[0])[0]


def classes(model: nn.Module) -> dict[str, type]:
    return {name: type(module) for name, module in model.named_modules(remove_duplicate=False)}


@pytest.fixture
def model() -> Tagger:
    torch.manual_seed(0)
    return Tagger().double().eval()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 6, 3, dtype=torch.float64)


def test_round_trip(model, x):
    before, parameters, keys = classes(model), list(model.parameters()), list(model.state_dict())
    want = model(x)
    for change, there in ((convert, True), (revert, False), (convert, True), (revert, False)):
        report = change(model)
        assert report.model is model
        assert report.converted == ("encoder.0", "shared", "again.0", "cell")
        assert report.kept == {}
        assert all(one is other for one, other in zip(model.parameters(), parameters, strict=True))
        assert list(model.state_dict()) == keys
        assert model.shared is model.again[0]
        expected = dict(before)
        if there:
            swapped = {nn.LSTM: FusedLSTM, nn.LSTMCell: FusedLSTMCell}
            expected = {name: swapped.get(kind, kind) for name, kind in before.items()}
        assert classes(model) == expected
        torch.testing.assert_close(model(x), want, rtol=1e-10, atol=1e-11)
        assert not any(module.training for module in model.modules())
    assert revert(model).converted == ()
    assert convert(nn.Linear(1, 1)).converted == ()


def test_attributes_match_those_of_a_module_built_so():
    options = {
        "num_layers": 2,
        "bias": False,
        "batch_first": True,
        "dropout": 0.3,
        "bidirectional": True,
        "proj_size": 2,
    }
    theirs, ours = nn.LSTM(3, 4, **options), FusedLSTM(3, 4, **options)
    there = convert(theirs).model
    assert repr(there) == repr(ours)
    assert vars(there).keys() == vars(ours).keys()
    plain = {name for name, value in vars(ours).items() if isinstance(value, (bool, int, float, str, list, type(None)))}
    assert {name: vars(there)[name] for name in plain} == {name: vars(ours)[name] for name in plain}
    back = revert(ours).model
    assert repr(back) == repr(theirs)
    assert vars(back).keys() == vars(theirs).keys()
    assert back._flat_weights_names == theirs._flat_weights_names
    assert all(one is other for one, other in zip(back._flat_weights, back.parameters(), strict=True))


@pytest.mark.parametrize("theirs", [nn.LSTM(3, 4, 2), nn.LSTMCell(3, 4)], ids=["stack", "cell"])
def test_a_model_that_is_itself_an_lstm(theirs):
    x = torch.randn(2, 3)
    ours = convert(theirs, backend="reference").model
    assert isinstance(theirs, nn.LSTM | nn.LSTMCell)
    assert isinstance(ours, FusedLSTM | FusedLSTMCell)
    assert ours.backend == "reference"
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])  # the old one still works
    with torch.no_grad():
        next(theirs.parameters()).mul_(2)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])
    back = revert(ours)
    assert type(back.model) is type(theirs)
    assert back.converted == ("",)
    assert str(back) == "1 converted, 0 kept\n  (the model): converted"


def test_nothing_is_allocated_drawn_or_said():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd = nn.LSTM(3, 4, dropout=0.5)  # torch warns that dropout needs layers
    wide = nn.LSTM(1 << 20, 1 << 20, device="meta")
    model = nn.ModuleList([odd, wide])
    state = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        convert(model)
        assert model[0].dropout == 0.5
        revert(model)
    assert model[0].dropout == 0.5
    assert torch.equal(torch.get_rng_state(), state)
    assert model[1].weight_hh_l0.device.type == "meta"


def test_optimizers_gradients_and_hooks_of_parameters_go_on(model, x):
    twin = copy.deepcopy(model)
    seen = []
    model.shared.weight_hh_l0.register_hook(lambda gradient: seen.append(gradient.clone()))
    model.cell.bias_hh.requires_grad_(False)
    twin.cell.bias_hh.requires_grad_(False)
    optimizers = [torch.optim.Adam(one.parameters(), 0.01) for one in (model, twin)]
    for step in range(4):
        for one, optimizer in zip((model, twin), optimizers, strict=True):
            one(x).square().sum().backward()  # gradients add up over two steps
            if step % 2:
                optimizer.step()
                optimizer.zero_grad()
        (revert if step == 2 else convert)(model)
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)
        assert one.requires_grad == other.requires_grad
    assert len(seen) == 4


def test_hooks_and_their_handles_are_carried_over():
    model = nn.ModuleDict({"lstm": nn.LSTM(3, 4)})
    calls = []

    def note(kind, result=None):
        def hook(module, *_):
            calls.append((kind, type(module)))
            return result

        return hook

    def double_output(module, arguments, keywords, output):
        calls.append(("forward with keywords", type(module)))
        return output[0] * 2, output[1]

    lstm = model["lstm"]
    handles = [
        lstm.register_forward_pre_hook(note("pre")),
        lstm.register_forward_hook(double_output, with_kwargs=True),
        lstm.register_full_backward_pre_hook(note("backward pre")),
        lstm.register_full_backward_hook(note("backward")),
        lstm.register_state_dict_pre_hook(note("state")),
        lstm.register_load_state_dict_post_hook(note("load")),
    ]
    x = torch.randn(5, 2, 3, requires_grad=True)

    def everything():
        calls.clear()
        output = model["lstm"](x)[0]
        output.sum().backward()
        model.load_state_dict(model.state_dict())
        return output.detach(), list(calls)

    want, kinds = everything()
    assert len(kinds) == 6
    assert convert(model).converted == ("lstm",)
    found, ours = everything()
    torch.testing.assert_close(found, want)
    assert ours == [(kind, FusedLSTM) for kind, _ in kinds]
    for handle in handles:
        handle.remove()
    plain, nothing = everything()
    assert nothing == []
    torch.testing.assert_close(plain * 2, want)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
@pytest.mark.parametrize("kind", ["new", "old", "spectral"])
def test_parametrizations_are_carried_over(kind):
    apply = {
        "new": parametrizations.weight_norm,
        "old": nn.utils.weight_norm,
        "spectral": parametrizations.spectral_norm,
    }[kind]
    model = nn.Sequential(nn.LSTM(3, 4, dtype=torch.float64)).eval()
    apply(model[0], "weight_hh_l0")
    apply(model[0], "weight_ih_l0")
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    want, keys, name = model(x)[0], list(model.state_dict()), type(model[0]).__name__
    parameters = list(model.parameters())
    for change, wanted in ((convert, FusedLSTM), (revert, nn.LSTM), (convert, FusedLSTM)):
        assert change(model).converted == ("0",)
        assert parametrize.type_before_parametrizations(model[0]) is wanted
        torch.testing.assert_close(model(x)[0], want)
        if wanted is FusedLSTM and kind != "old":  # torch itself cannot copy the others
            torch.testing.assert_close(copy.deepcopy(model)(x)[0], want)
        assert list(model.state_dict()) == keys
        assert all(one is other for one, other in zip(model.parameters(), parameters, strict=True))
    assert type(model[0]).__name__ == name.replace("LSTM", "FusedLSTM")
    with torch.no_grad():
        parameters[-1].mul_(3)
    changed = model(x)[0]
    torch.testing.assert_close(revert(model).model(x)[0], changed)
    convert(model)
    if kind != "old":
        with parametrize.cached():
            torch.testing.assert_close(model(x)[0], changed)
        parametrize.remove_parametrizations(model[0], "weight_hh_l0")
        parametrize.remove_parametrizations(model[0], "weight_ih_l0")
        assert type(model[0]) is FusedLSTM
        torch.testing.assert_close(model(x)[0], changed)


class Careful(nn.LSTM):
    """Someone's subclass, with a different answer."""

    def forward(self, x, hx=None):
        output, state = super().forward(x, hx)
        return output.clamp(min=0), state


class CarefulFused(FusedLSTM):
    pass


def test_what_is_kept_and_why():
    patched, compiled, hooked = nn.LSTM(3, 4), nn.LSTM(3, 4), nn.LSTM(3, 4)
    patched.forward = lambda *_: None
    compiled.compile(backend="eager")
    hooked.register_load_state_dict_pre_hook(lambda *_: None)
    bound = nn.LSTMCell(3, 4)
    bound.register_forward_hook(bound.__class__.forward.__get__(bound))
    model = nn.ModuleDict(
        {
            "plain": nn.LSTM(3, 4),
            "subclass": Careful(3, 4),
            "script": torch.jit.script(nn.LSTM(3, 4)),
            "inside": torch.jit.script(nn.Sequential(nn.Tanh(), nn.LSTMCell(3, 4))),
            "traced": torch.jit.trace(nn.LSTM(3, 4), torch.zeros(2, 3), check_trace=False),
            "patched": patched,
            "compiled": compiled,
            "wrapped": torch.compile(nn.LSTM(3, 4), backend="eager"),
            "hooked": hooked,
            "bound": bound,
        }
    )
    before = classes(model)
    report = convert(model)
    by_torch_compile = "compiled by torch.compile; convert the model before it is compiled"
    assert report.converted == ("plain",)
    assert report.kept == {
        "subclass": "a subclass of LSTM (Careful), which may compute something else",
        "script": "compiled by torch.jit",
        "inside.1": "compiled by torch.jit",
        "traced": "compiled by torch.jit",
        "patched": "its forward was replaced on the instance",
        "compiled": by_torch_compile,
        "wrapped._orig_mod": by_torch_compile,
        "hooked": "one of its load state dict pre hooks is bound to it",
        "bound": "one of its forward hooks is bound to it",
    }
    assert classes(model) == before | {"plain": FusedLSTM}
    lines = str(report).splitlines()
    assert lines[0] == "1 converted, 9 kept"
    assert "  plain: converted" in lines
    assert "  subclass: kept, a subclass of LSTM (Careful), which may compute something else" in lines

    ours = nn.Sequential(FusedLSTM(3, 4, bias="single"), CarefulFused(3, 4), FusedLSTM(3, 4), FusedLSTMCell(3, 4))
    report = revert(ours)
    assert report.converted == ("2", "3")
    assert report.kept == {
        "0": "it has a single bias vector per layer, torch.nn.LSTM has two or none",
        "1": "a subclass of FusedLSTM (CarefulFused), which may compute something else",
    }
    with pytest.raises(ValueError, match="backend='cudnn' is not known"):
        convert(nn.LSTM(3, 4), backend="cudnn")
    torch._dynamo.reset()


def test_a_compiled_model_follows(x):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.LSTM(4, 5)).double()
    compiled = torch.compile(model, backend="eager")
    want = compiled(x)[0]
    assert convert(compiled).converted == ("_orig_mod.1",)
    assert isinstance(model[1], FusedLSTM)
    torch.testing.assert_close(compiled(x)[0], want)
    torch._dynamo.reset()


def test_beside_and_of_lazy_modules(x):
    class Guess(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.LazyLinear(4)
            self.lstm = nn.LSTM(4, 5)

        def forward(self, x):
            return self.lstm(self.first(x))[0]

    model = Guess()
    assert convert(model).converted == ("lstm",)
    assert isinstance(model.first, nn.LazyLinear)
    assert model(x.float()).shape == (2, 6, 5)
    lstm = nn.LSTM(4, 5)
    lstm.weight_ih_l0 = nn.UninitializedParameter()
    ours = convert(lstm).model
    assert ours.weight_ih_l0 is lstm.weight_ih_l0
    ours.weight_ih_l0.materialize((20, 4))
    assert revert(ours).converted == ("",)


def test_what_users_hung_on_a_module_stays(model, x):
    model.shared.tag = {"any": "thing"}
    model.shared.register_buffer("steps", torch.tensor(3), persistent=False)
    model.shared.extra = nn.LSTMCell(4, 4)
    tag = model.shared.tag
    report = convert(model)
    assert report.converted == ("encoder.0", "shared", "shared.extra", "again.0", "cell")
    assert model.shared.tag is tag
    assert model.shared.steps == 3
    assert "shared.steps" not in model.state_dict()
    assert isinstance(model.shared.extra, FusedLSTMCell)
    model.encoder[0].train()
    assert convert(model).converted == ()
    revert(model)
    assert model.encoder[0].training
    assert not model.training


def test_a_converted_model_is_copied_saved_and_moved(model, x):
    want = model(x)
    convert(model)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(other(x), want)
        assert isinstance(other.shared, FusedLSTM)
        assert other.shared is other.again[0]
        revert(other)
        torch.testing.assert_close(copy.deepcopy(other)(x), want)
    for wanted in (torch.float32, torch.bfloat16):
        model.to(wanted)
        revert(model)
        assert all(one.dtype == wanted for one in model.parameters())
        torch.testing.assert_close(model(x.to(wanted)).double(), want, rtol=0.1, atol=0.1)
        convert(model)
        torch.testing.assert_close(model(x.to(wanted)).double(), want, rtol=0.1, atol=0.1)
    fresh = Tagger().bfloat16()
    assert not fresh.load_state_dict(model.state_dict(), strict=True).missing_keys


def test_packed_input_goes_through_a_converted_model():
    theirs = nn.LSTM(3, 4, 2, bidirectional=True)
    packed = pack_sequence([torch.randn(length, 3) for length in (2, 5, 1)], enforce_sorted=False)
    torch.testing.assert_close(convert(theirs).model(packed)[0].data, theirs(packed)[0].data)


def test_trees_with_holes_and_many_names():
    class Holes(nn.Module):
        def __init__(self):
            super().__init__()
            self.nothing = None
            self.register_module("none", None)
            block = nn.Sequential(nn.LSTM(3, 4))
            self.left, self.right = block, block

    model = Holes()
    assert convert(model).converted == ("left.0",)  # the block is walked once
    assert isinstance(model.right[0], FusedLSTM)
    assert fastgan.revert(model).converted == ("left.0",)
