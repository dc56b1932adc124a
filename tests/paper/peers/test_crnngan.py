"""The peer learns, repeats, rests when told to, and its gradient goes back through its own output."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from fastgan.base.errors import BadInput
from fastgan.gan.batches import Batches
from fastgan.paper.peers.crnngan import (
    CRnnGan,
    FeedbackGenerator,
    StepwiseDiscriminator,
    _windows,
    cross_entropy,
    resting,
)
from tests.conftest import RATE, tune
from tests.paper.peers.corpora import corpus_of

CPU = torch.device("cpu")
SINE = np.rint(16_000 * np.sin(2 * np.pi * 0.02 * np.arange(RATE))).astype(np.int16)


def quiet(share: float) -> None:
    pass


def batches(samples: np.ndarray, *, window: int = 8, batch: int = 16) -> Batches:
    corpus = corpus_of(samples)
    cut = {"segment": window, "hop": window, "batch": batch, "seed": 0}
    return Batches(corpus, corpus.index.clips, device=CPU, dtype=torch.float32, **cut)


def build(**how: float) -> CRnnGan:
    return CRnnGan.build(hidden=12, seed=0, device=CPU, **how)


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten().clone() for weight in network.parameters()])


def same(one: CRnnGan, other: CRnnGan) -> bool:
    return all(
        torch.equal(weights(getattr(one, name)), weights(getattr(other, name)))
        for name in ("generator", "discriminator")
    )


def test_pretraining_beats_the_last_value_and_not_what_can_be_known() -> None:
    gan, windows = build(lr=1e-2), batches(SINE)
    before = gan.pretrain(windows, 1, quiet)["mse"]
    gan.pretrain(windows, 400, quiet)
    after = gan.pretrain(windows, 50, quiet)["mse"]

    real = windows.stride(0, 50).numpy()  # what the last call saw
    variance = np.square(real).mean()  # the error of the mean, 0
    assert before > 0.5 * variance
    last = np.square(np.diff(real, prepend=0.0)).mean()  # the error of saying the last value again, 0 at first
    # A share 1 / 8 of values are first ones, of which nothing can be known: they cost their variance. After one value the
    # sine may rise or fall: the second costs sin(w)^2 of it, for the step w. The rest follow from two values.
    turn = 2 * math.pi * 0.02
    least = (np.square(real[..., 0]).mean() + math.sin(turn) ** 2 * variance) / 8
    assert 0.98 * least < after < 0.98 * last
    assert last < 0.15 * variance


def test_what_a_step_predicts_is_what_it_makes_when_it_hears_itself() -> None:
    network = FeedbackGenerator(7).double()
    noise = torch.rand(3, 20, 1, dtype=torch.float64)
    made = network(noise)
    torch.testing.assert_close(network.following(noise, made), made, atol=1e-12, rtol=1e-12)


def test_a_prediction_knows_the_past_and_not_the_present() -> None:
    network = FeedbackGenerator(7).double()
    noise, values = torch.rand(2, 6, 1, dtype=torch.float64), torch.rand(2, 6, 1, dtype=torch.float64)
    values.requires_grad_(True)
    (slope,) = torch.autograd.grad(network.following(noise, values)[:, 3].sum(), values)
    assert torch.all(slope[:, :3] != 0)
    assert torch.all(slope[:, 3:] == 0)


def test_the_gradient_goes_through_the_feedback() -> None:
    network = FeedbackGenerator(5).double()
    lstm = network.lstm
    with torch.no_grad():  # nothing is remembered but by the output that comes back: no recurrence, closed forget gates
        for layer in range(2):
            getattr(lstm, f"weight_hh_l{layer}").zero_()
            getattr(lstm, f"bias_ih_l{layer}")[5:10] = -1e3
    noise = torch.rand(1, 3, 1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(network(noise)[0, 2, 0], noise)
    assert torch.all(slope != 0)
    assert torch.autograd.gradcheck(network, (noise,))
    with torch.no_grad():
        lstm.weight_ih_l0[:, 1] = 0  # what reads the previous output
    (slope,) = torch.autograd.grad(network(noise)[0, 2, 0], noise)
    assert torch.all(slope[0, :2].abs() < 1e-300)  # a compiled sigmoid of -1,000 need not round to 0


def test_the_discriminator_hears_both_directions_at_every_step() -> None:
    network = StepwiseDiscriminator(5).double()
    sequence = torch.rand(2, 6, 1, dtype=torch.float64, requires_grad=True)
    features, logits = network(sequence)
    assert features.shape == (2, 6, 10)
    assert logits.shape == (2, 6)
    (slope,) = torch.autograd.grad(logits[:, 2].sum(), sequence)
    assert torch.all(slope != 0)


def test_the_loss_is_that_of_the_mean_sigmoid() -> None:
    logits = torch.randn(4, 9, dtype=torch.float64)
    likely = logits.sigmoid().mean(dim=1)
    assert float(cross_entropy(logits)) == pytest.approx(float(-likely.log().mean()))
    assert float(cross_entropy(-logits)) == pytest.approx(float(-(1 - likely).log().mean()))
    assert float(cross_entropy(torch.zeros(3, 5))) == pytest.approx(math.log(2))
    assert float(cross_entropy(torch.full((3, 5), -1e4))) == pytest.approx(1e4)  # exp of it would be 0


@pytest.mark.parametrize(
    ("losses", "rests"),
    [
        ((0.69, 1.0), (True, False)),
        ((0.71, 1.0), (False, False)),
        ((1.0, 0.71), (False, False)),
        ((1.0, 0.69), (False, True)),
    ],
)
def test_a_network_rests_below_seven_tenths_of_the_other(losses: tuple[float, float], rests: tuple[bool, bool]) -> None:
    assert resting(*losses) == rests


@pytest.mark.parametrize("bias", [-5.0, 0.0, 5.0])
def test_what_rests_stays_as_it_is(bias: float) -> None:
    gan = build()
    with torch.no_grad():
        gan.discriminator.dense.weight.zero_()
        gan.discriminator.dense.bias.fill_(bias)
    before = weights(gan.generator), weights(gan.discriminator)
    told = gan.play(batches(tune(0.2)), 0, 1, quiet)
    # Real and made sequences get the logit b: softplus(-b) for each that should be taken for real, softplus(b) else.
    taken, not_taken = math.log1p(math.exp(-bias)), math.log1p(math.exp(bias))
    assert told["g_loss"] == pytest.approx(taken, rel=1e-5)
    assert told["d_loss"] == pytest.approx((taken + not_taken) / 2, rel=1e-5)
    d_rests, g_rests = bias < 0, bias > 0
    assert (told["d_rests"], told["g_rests"]) == (d_rests, g_rests)
    assert torch.equal(weights(gan.generator), before[0]) == g_rests
    assert torch.equal(weights(gan.discriminator), before[1]) == d_rests


def test_the_generator_matches_the_features() -> None:
    gan, windows = build(lr=1e-2), batches(tune(0.5), batch=64)
    gan.optimisers[1].param_groups[0]["lr"] = 0.0  # the discriminator's features stand still
    first = gan.play(windows, 0, 5, quiet)["features"]
    gan.play(windows, 5, 100, quiet)
    assert gan.play(windows, 105, 5, quiet)["features"] < 0.3 * first


def test_a_run_repeats_to_the_bit_however_it_is_cut() -> None:
    windows, once, again = batches(tune(0.5)), build(), build()
    assert same(once, again)
    assert once.pretrain(windows, 4, quiet) == again.pretrain(windows, 4, quiet)
    whole = once.play(windows, 0, 6, quiet)
    parts = [again.play(windows, 0, 2, quiet), again.play(windows, 2, 4, quiet)]
    assert same(once, again)
    for name, mean in whole.items():
        assert (2 * parts[0][name] + 4 * parts[1][name]) / 6 == pytest.approx(mean, rel=1e-12)
    np.testing.assert_array_equal(once.generate(50, 1), again.generate(50, 1))
    other = CRnnGan.build(hidden=12, seed=1, device=CPU)
    assert not same(build(), other)


def test_sound_carries_its_state_and_grows_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = build()
    made = gan.generate(100, 3)
    assert made.dtype == np.int16
    np.testing.assert_array_equal(gan.generate(250, 3)[:100], made)
    assert not np.array_equal(gan.generate(100, 4), made)
    assert len(gan.generate(0, 3)) == 0
    fresh = gan._noise((1, 4096, 1), 0, "generate", 3)
    with torch.no_grad():
        sound = gan.generator(torch.cat((fresh, gan._noise((1, 4096, 1), 1, "generate", 3)), dim=1)[:, :4_100])
    whole = np.rint(sound.flatten().numpy() * 32_768).astype(np.int16)
    np.testing.assert_array_equal(gan.generate(4_100, 3), whole)


def test_noise_is_uniform() -> None:
    values = build()._noise((20_000,), 0, "play")
    assert 0 <= values.min() <= values.max() <= 1
    assert float(values.mean()) == pytest.approx(0.5, abs=5 / math.sqrt(12 * 20_000))
    assert float(values.var()) == pytest.approx(1 / 12, abs=5 * math.sqrt(1 / 180 / 20_000))


@pytest.mark.parametrize(
    "work",
    [
        lambda gan: gan.pretrain(batches(tune(0.2)), 1, quiet),
        lambda gan: gan.play(batches(tune(0.2)), 0, 1, quiet),
        lambda gan: gan.generate(5, 0),
    ],
    ids=["pretrain", "play", "generate"],
)
def test_weights_that_diverged_are_named(work: Callable[[CRnnGan], object]) -> None:
    gan = build()
    with torch.no_grad():
        gan.generator.dense.bias.fill_(math.nan)
    with pytest.raises(BadInput, match="smaller learning rate"):
        work(gan)


def test_batches_come_one_by_one_from_the_first_wanted() -> None:
    windows = batches(tune(1), batch=4)
    shown = torch.stack(list(_windows(windows, 3, 70)))  # more than are asked for at a time
    assert torch.equal(shown[..., 0], windows.stride(3, 70))


def test_progress_is_told() -> None:
    told: list[float] = []
    windows = batches(tune(1), batch=4)
    build().pretrain(windows, 70, told.append)
    assert told == pytest.approx([(step + 1) / 70 for step in range(70)])
    told.clear()
    build().play(windows, 3, 4, told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]
