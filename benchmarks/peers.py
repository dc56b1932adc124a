"""The paper's networks and both its workloads as PyTorch users write them: nn.LSTM, a Dataset, a DataLoader, Adam.

Every contender for a paper epoch, ours and Keras' too, takes the same weights (`Weights`, the names of our networks) and answers
the same questions: the losses of given batches and the weights after them (`answer`), so many steps on batches of its own
(`train`), and so many held-out windows (`evaluate`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset

from benchmarks.paper import FIT
from fastgan.audio.scale import FULL_SCALE
from fastgan.gan.metrics import keras_accuracy

if TYPE_CHECKING:  # they need packages for sound, which a machine with a GPU may lack
    from fastgan.audio.corpus import Corpus
    from fastgan.audio.store import Clip

LR = 1e-3
MSE_WEIGHT = ADVERSARIAL_WEIGHT = 1.0  # of the generator's loss
ROWS = 256  # held-out windows at a time: plain torch is slower with 64, and with 4,096, which our trainer takes

Arrays = Mapping[str, NDArray[np.floating]]
Weights = dict[str, NDArray[np.float32]]
Batches = dict[str, NDArray[np.float32]]  # "window" and "target", or "real" and "noise"; the first axis is the step


@dataclass(frozen=True)
class Answer:
    """What given batches do to given weights.

    Attributes:
        losses: of each step, by name.
        weights: after the last.
    """

    losses: dict[str, NDArray[np.float64]]
    weights: Arrays


@dataclass(frozen=True)
class Sound:
    """A corpus and which of its clips are trained on."""

    corpus: "Corpus"
    train: "list[Clip]"
    held_out: "list[Clip]"
    window: int


class Contender(Protocol):
    """Who trains the networks; see the top of this file."""

    def answer(self, batches: Batches) -> Answer:
        """Losses of these batches, one step each, and the weights after them."""

    def train(self, steps: int) -> object:
        """Do so many steps, data included."""

    def evaluate(self, windows: int) -> dict[str, float]:
        """Losses and accuracies over so many held-out windows."""


class Windows(Dataset):
    """Windows of a corpus as they are, int16 [segment]: a batch is normalised at once.

    Args:
        samples: int16, of all clips.
        clips: whose windows.
        segment: samples in each.
        hop: samples from one to the next.
    """

    def __init__(self, samples: Tensor, clips: "Sequence[Clip]", segment: int, hop: int):
        self.samples, self.segment = samples, segment
        starts = [np.arange(clip.start, clip.start + clip.length - segment + 1, hop) for clip in clips]
        self.starts = np.concatenate(starts)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Tensor:
        start = int(self.starts[index])
        return self.samples[start : start + self.segment]


class Network(nn.Module):
    """Two LSTM layers and a dense one, with the weights of one of our networks.

    Ours and Keras' have one bias vector per layer, torch's LSTM has two. The second is 0 here and takes no gradient: with one
    it would learn what the first learns, and the bias would move twice as far.
    """

    def __init__(self, weights: Weights, name: str, dtype: torch.dtype):
        super().__init__()
        own = {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}
        hidden = own["lstm.weight_hh_l0"].shape[1]
        self.lstm = nn.LSTM(1, hidden, num_layers=2, batch_first=True, dtype=dtype)
        self.dense = nn.Linear(hidden, 1, dtype=dtype)
        with torch.no_grad():
            for key, weight in self.named_parameters():
                if "bias_hh" in key:
                    weight.zero_().requires_grad_(False)
                else:
                    weight.copy_(torch.from_numpy(own[_ours(key)]))
        self.learning = [weight for weight in self.parameters() if weight.requires_grad]

    @classmethod
    def like(cls, ours: nn.Module, dtype: torch.dtype = torch.float32) -> "Network":
        """The same network as one of ours."""
        return cls({f"ours.{key}": value.numpy() for key, value in ours.state_dict().items()}, "ours", dtype)

    def forward(self, x: Tensor) -> Tensor:
        """The dense layer on every step: [B, n, 1] to [B, n, 1]."""
        return self.dense(self.lstm(x)[0])

    def last(self, x: Tensor) -> Tensor:
        """The dense layer on the last step: [B, n, 1] to [B, 1]."""
        return self.dense(self.lstm(x)[0][:, -1])

    def weights(self, name: str) -> dict[str, NDArray[np.float64]]:
        """What has been learnt, by our names."""
        found = {f"{name}.{_ours(key)}": value for key, value in self.named_parameters() if "bias_hh" not in key}
        return {key: value.detach().cpu().numpy().copy() for key, value in found.items()}


def _ours(key: str) -> str:
    return key.replace("bias_ih", "bias")


class KerasAdam(Adam):
    """Adam with Keras' epsilon of 1e-7, which stands beside the square root before its bias is corrected.

    Keras divides by sqrt(v) + e, torch by sqrt(v / (1 - b2^t)) + e. So torch's formula with e / sqrt(1 - b2^t) is Keras': 3e-6 in
    the first step, where torch itself has 1e-8.
    """

    EPSILON = 1e-7
    taken = 0

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of Keras' formula."""
        self.taken += 1
        for group in self.param_groups:
            group["eps"] = self.EPSILON / (1 - group["betas"][1] ** self.taken) ** 0.5
        super().step(closure)


class Plain:
    """The loop as a good practitioner writes it: one forward pass of everything, no waiting for numbers.

    Args:
        workload: "fit" or "game".
        batch: windows in a step.
        weights: to start from.
        sound: to train on; without it there are answers only.
        dtype: of all numbers.
        adam, lr: the optimiser's class and learning rate.
        order: of the windows in an epoch; a new one is drawn for each when left out.
    """

    def __init__(
        self,
        workload: str,
        batch: int,
        weights: Weights,
        sound: Sound | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        adam: type[Adam] = Adam,
        lr: float = LR,
        order: Iterable[int] | None = None,
    ):
        self.workload, self.dtype = workload, dtype
        names = ("generator",) if workload == FIT else ("generator", "discriminator")
        self.networks = {name: Network(weights, name, dtype) for name in names}
        self.optimisers: dict[str, Adam] = {name: adam(net.learning, lr=lr) for name, net in self.networks.items()}
        self.updates: dict[str, Callable[[], object]] = {name: one.step for name, one in self.optimisers.items()}
        self.sums: dict[str, Tensor] = {}
        if sound is not None:
            samples = torch.from_numpy(np.array(sound.corpus.samples))
            segment = sound.window + (workload == FIT)
            train, held_out = (
                Windows(samples, clips, segment, sound.window) for clips in (sound.train, sound.held_out)
            )
            self.loader = DataLoader(train, batch_size=batch, shuffle=order is None, sampler=order, drop_last=True)
            self.held_out = DataLoader(held_out, batch_size=ROWS)
            self.feed = self.endless()

    def answer(self, batches: Batches) -> Answer:
        """Losses of these batches, one step each, and the weights after them."""
        tensors = [torch.from_numpy(value).to(self.dtype) for value in batches.values()]
        steps = [self.step(*batch) for batch in zip(*tensors, strict=True)]
        losses = {name: np.array([float(step[name]) for step in steps]) for name in steps[0]}
        return Answer(losses, {k: v for name, net in self.networks.items() for k, v in net.weights(name).items()})

    def train(self, steps: int) -> None:
        """Do so many steps; losses are added up without being waited for."""
        for rows in islice(self.feed, steps):
            for name, value in self.step(*self.given(rows)).items():
                self.sums[name] = self.sums.get(name, 0) + value

    def endless(self) -> Iterator[Tensor]:
        """Batches of windows, one epoch after the other."""
        while True:
            yield from self.loader

    def given(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """What a step takes, from int16 [B, segment]: windows and what follows them, or real sequences and noise."""
        values = rows.to(self.dtype)[..., None] / FULL_SCALE
        return (values[:, :-1], values[:, -1]) if self.workload == FIT else (values, torch.randn_like(values))

    def step(self, *given: Tensor) -> dict[str, Tensor]:
        """One step of the workload."""
        return self.fit(*given) if self.workload == FIT else self.play(*given)

    def fit(self, window: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Predict what follows each window."""
        loss = self.prediction_loss(window, target)[0]
        self.descend("generator", loss)
        return {"loss": loss.detach()}

    def play(self, real: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Generate once; a step of the discriminator, then one of the generator against what it has become."""
        fake = self.generate(noise)
        d_loss = self.verdict_loss(real, fake.detach())[0]
        self.descend("discriminator", d_loss)
        self.freeze(True)
        mse, adversarial = self.generator_loss(fake, real)
        self.descend("generator", MSE_WEIGHT * mse + ADVERSARIAL_WEIGHT * adversarial)
        self.freeze(False)
        return {"d_loss": d_loss.detach(), "g_mse": mse.detach(), "g_adversarial": adversarial.detach()}

    def freeze(self, frozen: bool) -> None:
        """Leave out the discriminator's gradients, which the generator's step has no use for."""
        for weight in self.networks["discriminator"].learning:
            weight.requires_grad_(not frozen)

    def descend(self, name: str, loss: Tensor) -> None:
        """One step of an optimiser."""
        self.optimisers[name].zero_grad()
        loss.backward()
        self.updates[name]()

    def prediction_loss(self, window: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error, and the predictions."""
        prediction = self.networks["generator"].last(window)
        return F.mse_loss(prediction, target), prediction

    def generate(self, noise: Tensor) -> Tensor:
        """Sequences from noise."""
        return self.networks["generator"](noise)

    def verdict_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of telling real from generated, in one pass, and the logits [2 B, 1]."""
        verdict = self.networks["discriminator"].last(torch.cat((real, fake)))
        labels = torch.cat((torch.ones_like(verdict[: len(real)]), torch.zeros_like(verdict[len(real) :])))
        return F.binary_cross_entropy_with_logits(verdict, labels), verdict

    def generator_loss(self, fake: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error to the real batch, and cross-entropy of passing for real."""
        verdict = self.networks["discriminator"].last(fake)
        return F.mse_loss(fake, real), F.binary_cross_entropy_with_logits(verdict, torch.ones_like(verdict))

    @torch.no_grad()
    def evaluate(self, windows: int) -> dict[str, float]:
        """Losses and accuracies over so many held-out windows, whole batches while there are."""
        sums: dict[str, Tensor] = {}
        count = 0
        for rows in islice(self.held_out, -(-windows // ROWS)):
            count += len(rows)
            for name, value in self.measure(*self.given(rows)).items():
                sums[name] = sums.get(name, 0) + value.double() * len(rows)
        return {name: float(value) / count for name, value in sums.items()}

    def measure(self, one: Tensor, other: Tensor) -> dict[str, Tensor]:
        """Losses and accuracies of a batch."""
        if self.workload == FIT:
            loss, prediction = self.prediction_loss(one, other)
            return {"loss": loss, "accuracy": keras_accuracy(prediction, other)}
        fake = self.generate(other)
        d_loss, verdict = self.verdict_loss(one, fake)
        real, generated = verdict.chunk(2)
        adversarial = F.binary_cross_entropy_with_logits(generated, torch.ones_like(generated))
        return {
            "d_loss": d_loss,
            "g_loss": MSE_WEIGHT * F.mse_loss(fake, one) + ADVERSARIAL_WEIGHT * adversarial,
            "accuracy_real": (real > 0).double().mean(),
            "accuracy_fake": (generated <= 0).double().mean(),
        }


class Compiled(Plain):
    """The same through `torch.compile`: each forward pass with its loss, and the optimisers' steps.

    Dynamo breaks its graph at nn.LSTM, which runs as in eager; dense layers, losses and Adam are compiled around it. Of the ways
    around that, tracing the LSTM (`torch._dynamo.config.allow_rnn`) ends in an error of Inductor on a processor (torch 2.13),
    and six steps of cells written by hand compiled for 50 s into code that was no faster than nn.LSTM.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        torch._dynamo.reset()  # other sizes and threads start anew
        torch._dynamo.utils.counters.clear()
        for name in ("prediction_loss", "generate", "verdict_loss", "generator_loss"):
            setattr(self, name, torch.compile(getattr(self, name), dynamic=False))
        self.updates = {name: torch.compile(update) for name, update in self.updates.items()}

    def answer(self, batches: Batches) -> Answer:
        """As `Plain.answer`.

        Raises:
            AssertionError: less was compiled than a loss and an update for each network: the rest would be plain torch's time.
        """
        with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):  # where it would go on without compiling
            found = super().answer(batches)
        graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        assert graphs >= 2 * len(self.networks), f"{graphs} graphs were compiled"
        return found

    @staticmethod
    def why_not() -> str | None:
        """What Inductor lacks here, or None."""
        from torch._inductor.cpp_builder import get_cpp_compiler
        from torch._inductor.exc import InvalidCxxCompiler

        try:
            get_cpp_compiler()
        except InvalidCxxCompiler as error:
            return f"torch.compile finds no C++ compiler ({str(error).splitlines()[0]})"
        return None
