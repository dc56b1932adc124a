"""However weights change between calls, the next call uses what they are then: nothing packed before may be used again."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize

from fastgan import FusedLSTM
from tests.nn.common import B, I, T, both_backends, pair

SIZES = {"num_layers": 2, "bidirectional": True}


def agree(theirs, ours, x):
    """In training with gradients, and in inference, before and after: the same."""
    for module in (theirs, ours):
        module.zero_grad()
        module(x)[0].square().sum().backward()
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=1e-10, atol=1e-11)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-10)
    with torch.no_grad():
        for mode in ("eval", "train"):
            getattr(ours, mode)()
            torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=1e-10, atol=1e-11)


def in_place(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(0.7)


def copied(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.flip(0))


def through_data(module):
    for parameter in module.parameters():
        parameter.data.mul_(0.9)  # leaves the version counter as it is


def other_data(module):
    for parameter in module.parameters():
        parameter.data = parameter.data.flip(0).contiguous()


def columns_in_memory(module):
    for parameter in module.parameters():
        parameter.data = parameter.data.flip(0).t().contiguous().t()


def averaged(module):
    for parameter in module.parameters():
        parameter.data.lerp_(torch.full_like(parameter, 0.1), 0.3)


def by_numpy(module):
    for parameter in module.parameters():
        parameter.detach().numpy()[...] *= 0.8  # unseen by torch


def loaded(module):
    module.load_state_dict({name: value * 0.6 for name, value in module.state_dict().items()})


def assigned(module):
    module.load_state_dict({name: value * 0.6 for name, value in module.state_dict().items()}, assign=True)


def new_parameters(module):
    for name, parameter in list(module.named_parameters()):
        setattr(module, name, nn.Parameter(parameter.detach() * 1.1))


def deleted_and_set(module):
    for name, parameter in list(module.named_parameters()):
        delattr(module, name)
        module.register_parameter(name, nn.Parameter(parameter.detach() * 1.1))


def swapped(module):
    for parameter in module.parameters():
        halved = nn.Parameter(parameter.detach() * 0.5)
        if isinstance(module, FusedLSTM):
            torch.utils.swap_tensors(parameter, halved)
        else:  # torch's module holds weak references, which forbid it
            parameter.data = halved.data


def by_vector(module):
    vector = nn.utils.parameters_to_vector(module.parameters()).detach()
    nn.utils.vector_to_parameters(vector * 0.9, module.parameters())


def moved(module):
    in_place(module)
    module.float().double()


CHANGES = [
    in_place,
    copied,
    through_data,
    other_data,
    columns_in_memory,
    averaged,
    by_numpy,
    loaded,
    assigned,
    new_parameters,
    deleted_and_set,
    swapped,
    by_vector,
    moved,
]


@both_backends
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changed_weights_are_used(backend, change):
    theirs, ours = pair(backend=backend, **SIZES)
    x = torch.randn(T, B, I, dtype=torch.float64)
    agree(theirs, ours, x)
    with torch.no_grad():
        before = ours.eval()(x)[0]
    for _ in range(2):
        change(theirs)
        change(ours)
        with torch.no_grad():
            after = ours(x)[0]
        assert not torch.equal(after, before)
        before = after
        agree(theirs, ours, x)
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()] or (
        change is deleted_and_set
    )


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9),
    "adam one by one": lambda parameters: torch.optim.Adam(parameters, 0.05, foreach=False),
    "adam foreach": lambda parameters: torch.optim.Adam(parameters, 0.05, foreach=True),
    "adam fused": lambda parameters: torch.optim.Adam(parameters, 0.05, fused=True),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, 0.02),
}


@both_backends
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_run_equals_torchs(backend, name):
    theirs, ours = pair(backend=backend, **SIZES)
    x = torch.randn(T, B, I, dtype=torch.float64)
    losses = []
    for module in (theirs, ours):
        optimizer = OPTIMIZERS[name](module.parameters())
        losses.append([])
        for _ in range(5):
            optimizer.zero_grad()
            loss = (module(x)[0] - 0.3).square().sum()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                losses[-1].append(module.eval()(x)[0].square().sum().item())
            module.train()
    assert losses[1] == pytest.approx(losses[0], rel=1e-8)
    assert len(set(losses[1])) == 5


def test_a_moving_average_of_the_model():
    theirs, ours = pair(**SIZES)
    x = torch.randn(T, B, I, dtype=torch.float64)
    outputs = []
    for module in (theirs, ours):
        average = torch.optim.swa_utils.AveragedModel(
            module, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.5)
        )
        found = []
        for _ in range(3):
            in_place(module)
            average.update_parameters(module)
            with torch.no_grad():
                found.append(average(x)[0])
        outputs.append(torch.stack(found))
    assert not torch.equal(outputs[1][0], outputs[1][1])
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-10, atol=1e-11)


class DropConnect(nn.Module):
    """Drops single weights, others at each look."""

    def forward(self, weight: Tensor) -> Tensor:
        return functional.dropout(weight, 0.5)


class Halve(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


@both_backends
def test_weights_that_differ_at_every_call(backend):
    theirs, ours = pair(backend=backend)
    x = torch.randn(T, B, I, dtype=torch.float64)
    for module in (theirs, ours):
        parametrize.register_parametrization(module, "weight_hh_l0", DropConnect())
    assert not torch.equal(ours(x)[0], ours(x)[0])
    for seed in range(3):
        found = []
        for module in (theirs, ours):
            torch.manual_seed(seed)
            with parametrize.cached():  # torch's module looks at its weights twice in a call
                output = module(x)[0]
            found.append([output, *torch.autograd.grad(output.square().sum(), list(module.parameters()))])
        torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-10)


@both_backends
@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
@pytest.mark.parametrize("normalise", [parametrizations.weight_norm, nn.utils.weight_norm], ids=["new", "old"])
def test_weight_norm_and_other_parametrizations(backend, normalise):
    theirs, ours = pair(backend=backend, **SIZES)
    x = torch.randn(T, B, I, dtype=torch.float64)
    for module in (theirs, ours):
        normalise(module, "weight_hh_l0")
        normalise(module, "weight_ih_l1_reverse")
        parametrize.register_parametrization(module, "weight_ih_l0", Halve())
    agree(theirs, ours, x)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for change in (in_place, through_data):
        change(theirs)
        change(ours)
        agree(theirs, ours, x)
    other = copy.deepcopy(ours)
    torch.testing.assert_close(other(x)[0], theirs(x)[0], rtol=1e-10, atol=1e-11)
    for module in (theirs, ours):
        parametrize.remove_parametrizations(module, "weight_ih_l0")
    agree(theirs, ours, x)


@both_backends
def test_functional_call(backend):
    theirs, ours = pair(backend=backend)
    x = torch.randn(T, B, I, dtype=torch.float64)
    want_before = theirs(x)[0]
    doubled = {name: value.detach() * 2 for name, value in theirs.named_parameters()}
    theirs.load_state_dict(doubled)
    torch.testing.assert_close(torch.func.functional_call(ours, doubled, (x,))[0], theirs(x)[0])
    torch.testing.assert_close(ours(x)[0], want_before)


def test_all_weights_are_the_parameters():
    _, ours = pair(**SIZES)
    new_parameters(ours)
    assert [id(weight) for layer in ours.all_weights for weight in layer] == [id(one) for one in ours.parameters()]
    for names in ours._all_weights:  # how others set the bias of the forget gate
        for name in names:
            if "bias_ih" in name:
                getattr(ours, name).data[6:12].fill_(1.0)
    assert ours.bias_ih_l1_reverse[6:12].eq(1).all()


@both_backends
def test_shared_weights_gather_both_gradients(backend):
    theirs, ours = pair(backend=backend, num_layers=1, bidirectional=True)
    x = torch.randn(T, B, I, dtype=torch.float64)
    for module in (theirs, ours):
        module.weight_hh_l0_reverse = module.weight_hh_l0
    agree(theirs, ours, x)


def test_data_parallel_replicas_look_their_weights_up():
    _, ours = pair()
    x = torch.randn(T, B, I, dtype=torch.float64)
    replica = ours._replicate_for_data_parallel()  # what DataParallel copies to each device
    replica._parameters = {}
    for name, parameter in ours.named_parameters():
        setattr(replica, name, parameter.detach() * 2)
    doubled = FusedLSTM(I, 6, dtype=torch.float64)
    doubled.load_state_dict({name: value * 2 for name, value in ours.state_dict().items()})
    torch.testing.assert_close(replica(x)[0], doubled(x)[0])
