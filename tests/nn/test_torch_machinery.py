"""The tables of module inputs that torch tests its own modules with, run against ours: no failure is expected."""

import copy
import functools
import io
import os
import pickle

import hypothesis
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from fastgan import FusedLSTM, FusedLSTMCell

KINDS = ("stack", "packed", "cell")
each_kind = pytest.mark.parametrize("kind", KINDS)
each_mode = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections")


@pytest.fixture(scope="module")
def machinery():
    """The module with torch's tables. What importing it sets for the whole process is put back."""
    hypothesis.settings.register_profile("before torch's tables", hypothesis.settings.default)
    environment = dict(os.environ)
    from torch.testing._internal import common_modules, common_utils  # takes seconds: not where tests are collected

    hypothesis.settings.load_profile("before torch's tables")
    os.environ.clear()
    os.environ.update(environment)
    setattr(torch.backends, "__allow_nonbracketed_mutation_flag", True)
    common_modules.utils = common_utils
    return common_modules


def info_of(machinery, kind):
    """A row for our module as torch's tables have for its own, without any exception."""
    if kind == "cell":
        return machinery.ModuleInfo(
            FusedLSTMCell,
            module_inputs_func=machinery.module_inputs_torch_nn_LSTMCell,
            module_error_inputs_func=machinery.module_error_inputs_torch_nn_LSTMCell,
        )
    inputs = machinery.module_inputs_torch_nn_LSTM
    if kind == "packed":
        inputs = functools.partial(machinery.module_inputs_torch_nn_RNN_GRU, is_rnn=False, with_packed_sequence=True)
    return machinery.ModuleInfo(
        FusedLSTM,
        module_inputs_func=inputs,
        module_error_inputs_func=machinery.module_error_inputs_torch_nn_RNN_GRU,
        train_and_eval_differ=True,
    )


class Sample:
    """One row of torch's inputs: how to build modules, and what to call them with."""

    def __init__(self, info, row, dtype, training, reference):
        self.given = row.constructor_input
        self.ours = info.module_cls
        self.theirs = nn.LSTMCell if info.module_cls is FusedLSTMCell else nn.LSTM
        self.dtype, self.training, self.reference = dtype, training, reference
        self.input, *rest = row.forward_input.args
        self.hx = rest[0] if rest else None
        if isinstance(self.hx, Tensor):  # the row was made for a GRU
            self.hx = self.hx, self.hx.detach().flip(-1).requires_grad_(self.hx.requires_grad)

    def build(self, module_class=None, **options):
        torch.manual_seed(1)
        options = {"dtype": self.dtype, **self.given.kwargs, **options}
        return (module_class or self.ours)(*self.given.args, **options).train(self.training)

    def call(self, module, tensors=None):
        """Every tensor that comes out."""
        x, *hx = tensors or self.tensors()
        if isinstance(self.input, PackedSequence):
            x = self.input._replace(data=x)
        result = module(x, tuple(hx)) if hx else module(x)
        found, rest = (result[0], result[1]) if self.ours is FusedLSTM else (result[0], result[1:])
        return [found.data if isinstance(found, PackedSequence) else found, *rest]

    def tensors(self):
        """Input and states as plain tensors."""
        x = self.input.data if isinstance(self.input, PackedSequence) else self.input
        return [x, *(self.hx or ())]


def samples(machinery, kind, dtype, training, requires_grad=False):
    torch.manual_seed(0)
    info = info_of(machinery, kind)
    rows = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=requires_grad, training=training)
    assert len(rows) > 1
    # Rows with packed input are those of a GRU, whose own reference knows of no cell state.
    return [Sample(info, row, dtype, training, None if kind == "packed" else row.reference_fn) for row in rows]


def outcome(sample, module, tensors):
    """Outputs, and the gradients of tensors and weights."""
    outputs = sample.call(module, tensors)
    return [*outputs, *gradients(outputs, [*tensors, *module.parameters()])]


def gradients(outputs, sources):
    return torch.autograd.grad(sum(output.square().sum() for output in outputs), sources)


@each_kind
@each_mode
@each_dtype
def test_forward_and_backward(machinery, kind, training, dtype):
    for sample in samples(machinery, kind, dtype, training, requires_grad=True):
        ours, theirs = sample.build(), sample.build(sample.theirs)
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(one, other)
        truth = outcome(sample, copy.deepcopy(theirs).double(), [tensor.double() for tensor in sample.tensors()])
        found = outcome(sample, ours, sample.tensors())
        wanted = outcome(sample, theirs, sample.tensors())
        for mine, torchs, true in zip(found, wanted, truth, strict=True):
            assert mine.shape == torchs.shape
            assert mine.dtype == torchs.dtype
            if dtype == torch.float64:
                torch.testing.assert_close(mine, true, rtol=1e-10, atol=1e-11)
                continue
            floor = 8 * torch.finfo(dtype).eps * true.abs().max()
            assert (mine - true).abs().max() <= 2 * (torchs - true).abs().max() + floor
        if sample.reference is not None:
            again = sample.reference(ours, sample.input, *([sample.hx] if sample.hx else []))
            again = [again[0], *(again[1] if isinstance(again[1], tuple) else again[1:])]
            torch.testing.assert_close(found[: len(again)], again)


@each_kind
def test_device_and_dtype_at_construction(machinery, kind):
    for sample in samples(machinery, kind, torch.float32, True):
        for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            for device in ("cpu", "meta"):
                module = sample.build(device=device, dtype=dtype)
                assert all(tensor.device.type == device and tensor.dtype == dtype for tensor in module.parameters())
        module = sample.ours(*sample.given.args, **sample.given.kwargs)
        assert all(tensor.dtype == torch.get_default_dtype() for tensor in module.parameters())


@each_kind
@each_mode
def test_save_load_pickle_and_copy(machinery, kind, training):
    for sample in samples(machinery, kind, torch.float32, training):
        module = sample.build()
        wanted = sample.call(module)
        file = io.BytesIO()
        torch.save(module.state_dict(), file)
        file.seek(0)
        fresh = sample.build()
        with torch.no_grad():
            for parameter in fresh.parameters():
                parameter.zero_()
        assert any(not torch.equal(one, other) for one, other in zip(sample.call(fresh), wanted, strict=True))
        fresh.load_state_dict(torch.load(file, weights_only=True), strict=True)
        whole = io.BytesIO()
        torch.save(module, whole)
        whole.seek(0)
        loaded = torch.load(whole, weights_only=False)
        for other in (fresh, loaded, pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
            assert other.training == training
            assert all(torch.equal(one, two) for one, two in zip(sample.call(other), wanted, strict=True))


@each_kind
def test_repr(machinery, kind):
    for sample in samples(machinery, kind, torch.float32, True):
        assert repr(sample.build()) == repr(sample.build(sample.theirs)).replace("LSTM", "FusedLSTM")


@each_kind
@each_mode
def test_gaps_in_memory(machinery, kind, training):
    for sample in samples(machinery, kind, torch.float64, training, requires_grad=True):
        module = sample.build()
        dense = sample.tensors()
        wanted = sample.call(module, dense)
        wanted_gradients = gradients(wanted, [*dense, *module.parameters()])
        for which in range(1, 2 ** len(dense)):
            tensors = [
                machinery.utils.noncontiguous_like(tensor) if which >> k & 1 else tensor
                for k, tensor in enumerate(dense)
            ]
            assert not all(tensor.is_contiguous() for tensor in tensors)
            found = sample.call(module, tensors)
            torch.testing.assert_close(found, wanted, rtol=0, atol=0)
            found_gradients = gradients(found, [*tensors, *module.parameters()])
            torch.testing.assert_close(found_gradients, wanted_gradients, rtol=0, atol=0)


def differentiable(machinery, kind, training, chosen=lambda _: True):
    """The chosen samples as functions of their tensors and weights, for torch's numerical checks."""
    for number, sample in enumerate(samples(machinery, kind, torch.float64, training, requires_grad=True)):
        if not chosen(number):
            continue
        module, tensors = sample.build(), sample.tensors()
        names = [name for name, _ in module.named_parameters()]

        def run(*values, sample=sample, module=module, names=names):
            count = len(values) - len(names)
            weights = dict(zip(names, values[count:], strict=True))

            def call(*arguments, **options):
                return torch.func.functional_call(module, weights, arguments, options)

            return tuple(sample.call(call, list(values[:count])))

        yield run, (*tensors, *(parameter.detach().clone().requires_grad_() for parameter in module.parameters()))


@each_kind
@each_mode
def test_grad(machinery, kind, training):
    for run, values in differentiable(machinery, kind, training):
        assert machinery.utils.gradcheck(run, values)  # batched gradients (vmap of the backward pass) included


@each_kind
@each_mode
def test_gradgrad(machinery, kind, training):
    # Rows alternate between few that differ, and each is slow: every one is checked in one of the modes.
    for run, values in differentiable(machinery, kind, training, lambda number: (number % 3 == 0) != training):
        assert machinery.utils.gradgradcheck(run, values)


@each_kind
def test_to(machinery, kind):
    for sample in samples(machinery, kind, torch.float32, True):
        module = sample.build()
        before = list(module.parameters())
        wanted = sample.call(module)
        sum(output.sum() for output in wanted).backward()
        assert module.to(torch.float64) is module
        assert all(one is other for one, other in zip(module.parameters(), before, strict=True))
        assert all(one.dtype == one.grad.dtype == torch.float64 for one in before)
        wide = sample.call(module, [tensor.double() for tensor in sample.tensors()])
        torch.testing.assert_close([value.float() for value in wide], wanted)
        assert all(value.dtype == torch.float64 for value in wide)
        torch.testing.assert_close(sample.call(module.float()), wanted)
        assert all(one.device.type == "meta" for one in module.to("meta").parameters())
        shapes = [value.shape for value in sample.call(module, [tensor.to("meta") for tensor in sample.tensors()])]
        assert shapes == [value.shape for value in wanted]


@each_kind
def test_to_empty(machinery, kind):
    for sample in samples(machinery, kind, torch.float32, True):
        full = sample.build()
        with torch.device("meta"):
            module = sample.build()
        with pytest.raises(NotImplementedError):
            module.to("cpu")
        module.to_empty(device="cpu")
        module.load_state_dict(full.state_dict(), strict=True)
        torch.testing.assert_close(sample.call(module), sample.call(full), rtol=0, atol=0)
        meta = sample.build(device="meta")
        meta.load_state_dict(full.state_dict(), strict=True, assign=True)
        torch.testing.assert_close(sample.call(meta), sample.call(full), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["stack", "cell"])
@each_mode
@each_dtype
def test_errors(machinery, kind, training, dtype):
    info = info_of(machinery, kind)
    rows = info.module_error_inputs_func(info, device="cpu", dtype=dtype, requires_grad=False, training=training)
    assert rows
    for row in rows:
        given = row.module_error_input
        constructor = given.constructor_input
        options = {"dtype": dtype, **constructor.kwargs}
        if row.error_on is machinery.ModuleErrorEnum.CONSTRUCTION_ERROR:
            with pytest.raises(row.error_type, match=row.error_regex):
                info.module_cls(*constructor.args, **options)
        else:
            module = info.module_cls(*constructor.args, **options)
            with pytest.raises(row.error_type, match=row.error_regex):
                module(*given.forward_input.args, **given.forward_input.kwargs)


def test_modes_differ_by_dropout_alone(machinery):
    for kind in ("stack", "packed"):
        for sample in samples(machinery, kind, torch.float64, True):
            for dropout in (0.0, 0.6):
                module = sample.build(dropout=dropout)
                trained, judged = sample.call(module.train()), sample.call(module.eval())
                same = all(torch.equal(one, other) for one, other in zip(trained, judged, strict=True))
                assert same == (dropout == 0)
                torch.testing.assert_close(
                    judged, sample.call(sample.build(nn.LSTM, dropout=dropout).eval()), rtol=1e-10, atol=1e-11
                )
