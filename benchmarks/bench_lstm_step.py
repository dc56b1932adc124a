"""Claim: training the GAN is faster with FusedLSTM than with torch.nn.LSTM.

The trainer's steps by autograd (`fastgan.gan.steps`) at the paper's sizes (n = 6, H = 128): one fit step, and one step of the game,
discriminator and generator. The baseline is the same networks with the same weights on torch.nn.LSTM, whose second bias is 0.
Losses and all gradients are compared before anything is timed.

    python -m pytest benchmarks/bench_lstm_step.py --benchmark-only -s
"""

import statistics
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from benchmarks.contest import DRAWS, ROUNDINGS, Answers, Call, errors, within
from benchmarks.plain import with_torch
from benchmarks.turns import ratio, take_turns
from fastgan.gan.game import Game
from fastgan.gan.steps import discriminator_step, fit_step, game_step, generator_step

WINDOW, HIDDEN, LR = 6, 128, 1e-3
WEIGHTS = {"mse_weight": 1.0, "adversarial_weight": 1.0}
EPS = torch.finfo(torch.float32).eps
STAGES = {"fit": ("generator",), "game": ("generator", "discriminator")}  # and the networks that they train
BATCHES = [pytest.param(batch, marks=pytest.mark.long if batch == 512 else ()) for batch in (3, 32, 512)]


class Trainer:
    """A game at the start of a stage, and one batch.

    Args:
        stage: "fit" or "game".
        batch: sequences in a step.
        dtype: of all numbers.
        ours: FusedLSTM, else torch.nn.LSTM.
        seed: of weights and batch.
    """

    def __init__(self, stage: str, batch: int, dtype: torch.dtype, ours: bool, *, seed: int = 0):
        random = torch.Generator().manual_seed(seed)
        shapes = {
            "real": (batch, WINDOW, 1),
            "target": (batch, 1),
            "noise": (batch, WINDOW, 1),
        }
        self.batch = {name: torch.randn(shape, generator=random).to(dtype) for name, shape in shapes.items()}
        device = torch.device("cpu")
        self.game = Game.build(hidden=HIDDEN, encoder=False, seed=seed, device=device, dtype=dtype, backend="cpu")
        if not ours:
            for network in (self.game.generator, self.game.discriminator):
                network.lstm = with_torch(network.lstm)  # type: ignore[assignment]
        self.game.optimise(STAGES[stage], LR)
        self.step: Call = {"fit": self.fit, "game": self.play}[stage]

    def fit(self) -> dict[str, Tensor]:
        """Predict what follows each window."""
        return fit_step(self.game, self.batch["real"], self.batch["target"])

    def play(self) -> dict[str, Tensor]:
        """One step of the discriminator, one of the generator."""
        return game_step(self.game, self.batch["real"], self.batch["noise"], **WEIGHTS)

    def generate(self) -> dict[str, Tensor]:
        """One step of the generator."""
        return generator_step(self.game, self.batch["real"], self.game.generator(self.batch["noise"]), **WEIGHTS)

    def answers(self) -> Answers:
        """Losses and gradients of a stage's first steps, the generator's against a discriminator that has not moved yet."""
        if self.step == self.fit:
            return self.after("fit", self.fit, self.game.generator)
        untouched = {name: value.clone() for name, value in self.game.discriminator.state_dict().items()}
        found = self.after("discriminator", self.discriminate, self.game.discriminator)
        self.game.discriminator.load_state_dict(untouched)
        return found | self.after("generator", self.generate, self.game.generator)

    def real_half(self) -> Answers:
        """The part of the discriminator's gradients that comes from the real sequences."""

        def step() -> dict[str, Tensor]:
            (nn.functional.softplus(-self.game.discriminator(self.batch["real"])).mean() / 2).backward()
            return {}

        return self.after("discriminator", step, self.game.discriminator)

    @staticmethod
    def after(name: str, step: Callable[[], dict[str, Tensor]], network: nn.Module) -> Answers:
        """Losses of a step, and the gradients that it leaves in a network."""
        found = {f"{name}: {loss}": value for loss, value in step().items() if not loss.startswith("accuracy")}
        for key, weight in network.named_parameters():
            if "bias_hh" not in key:  # only torch has these
                assert weight.grad is not None, key
                found[f"{name}: gradient of {key.replace('bias_ih', 'bias')}"] = weight.grad.clone()
        return found

    def discriminate(self) -> dict[str, Tensor]:
        """One step of the discriminator."""
        return discriminator_step(self.game, self.batch["real"], self.game.generator(self.batch["noise"]).detach())


def check(stage: str, batch: int) -> None:
    """As `contest.check`, for a step.

    A gradient of the discriminator is the difference of two nearly equal sums, over real and over generated sequences. Whoever
    adds up rounds relative to the sums, so errors are relative to the largest value of one of them.

    Raises:
        AssertionError: names the answers and by how much they are off.
    """

    def trainers(dtype: torch.dtype, ours: bool) -> list[Trainer]:
        return [Trainer(stage, batch, dtype, ours, seed=seed) for seed in range(DRAWS)]

    def off(dtype: torch.dtype, ours: bool) -> dict[str, float]:
        return errors([trainer.answers() for trainer in trainers(dtype, ours)], truth, sums)

    sums = [trainer.real_half() for trainer in trainers(torch.float64, ours=False)] if stage == "game" else None
    truth = [trainer.answers() for trainer in trainers(torch.float64, ours=False)]
    wrong = within(off(torch.float32, ours=True), off(torch.float32, ours=False), ROUNDINGS * EPS)
    assert not wrong, f"{stage} step, batch {batch}: {wrong}"


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("batch", BATCHES)
def test_step(stage, batch, threads, record):
    check(stage, batch)
    calls = {
        "torch": Trainer(stage, batch, torch.float32, ours=False).step,
        "fastgan": Trainer(stage, batch, torch.float32, ours=True).step,
    }
    times = take_turns(calls)
    row = {
        "table": "step",
        "case": f"B{batch}",
        "workload": f"{stage} step",
        "threads": threads,
        "turns": len(times["torch"]),
        "seconds": {name: statistics.median(values) for name, values in times.items()},
        "ratio": list(ratio(times, "torch", "fastgan")),
    }
    record(row, calls["fastgan"])
