"""The networks of a run that makes music, built, saved and loaded as one thing."""

from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fastgan.base.errors import BadInput
from fastgan.gan.checkpoint import Checkpoint
from fastgan.gan.music.guide import guide_size
from fastgan.gan.networks import Networks
from fastgan.gan.seeds import derive
from fastgan.nn.critic import Critic
from fastgan.nn.frame_generator import FrameGenerator
from fastgan.nn.spectral import SpectralEncoder
from fastgan.nn.styles import Styles
from fastgan.ops.adam import Adam
from fastgan.ops.stft import Frames


@dataclass
class MusicGame(Networks):
    """Encoder, generator, critic, and the optimisers of the stage that is on.

    Attributes:
        generator: learns.
        average: the running mean of the generator's weights, which makes the music.
        teacher: what the game begins with; it stays.
        critic: tells what follows in the music from what was made.
        encoder: frames to latent values and back.
        styles: what pieces are like as a whole.
        rate: Hz.
        frames: how sound is cut into frames.
        genres: the names of the genres, in the order of their numbers.
        group: frames that the generator makes in one step.
    """

    generator: FrameGenerator
    average: FrameGenerator
    teacher: FrameGenerator
    critic: Critic
    encoder: SpectralEncoder
    styles: Styles
    rate: int
    frames: Frames
    genres: list[str]
    group: int
    optimisers: dict[str, Adam] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        *,
        rate: int,
        genres: list[str],
        hidden: int,
        latents: int,
        group: int,
        seed: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        backend: str = "auto",
    ) -> "MusicGame":
        """Make networks with weights that depend on the seed alone, the same on every device."""
        frames = Frames.of_rate(rate)
        if latents > frames.bins:
            raise BadInput(
                f"--latents is {latents}, and a frame at {rate:,} Hz has {frames.bins} values; take fewer, or a higher --rate"
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "weights"))
            encoder = SpectralEncoder(frames.bins, latents)
            styles = Styles(latents, genres=len(genres))
            guide = guide_size(styles)
            generator = FrameGenerator(latents * group, guide, hidden=hidden, backend=backend)
            critic = Critic(latents * group, guide, hidden=hidden // 2, backend=backend)
        average, teacher = (deepcopy(generator).requires_grad_(False).eval() for _ in range(2))
        game = cls(generator, average, teacher, critic, encoder, styles, rate, frames, genres, group)
        for network in game.networks().values():
            network.to(device, dtype)
        return game

    @classmethod
    def restore(cls, checkpoint: Checkpoint, device: torch.device, backend: str = "auto") -> "MusicGame":
        """Build the networks that a checkpoint is of, with its weights.

        Raises:
            BadInput: it is of another kind of run, or does not fit its own settings.
        """
        told = checkpoint.state.get("settings", {})
        if told.get("encoder") != "spectral":
            raise BadInput("this run is on samples (--preset paper); a run of --preset music is needed")
        game = cls.build(
            rate=told["rate"],
            genres=checkpoint.state["genres"],
            hidden=told["hidden"],
            latents=told["latents"],
            group=told["group"],
            seed=told["seed"],
            device=device,
            dtype=getattr(torch, told["dtype"]),
            backend=backend,
        )
        game.take(checkpoint)
        return game

    def networks(self) -> dict[str, nn.Module]:
        """All networks by name."""
        return {
            "generator": self.generator,
            "average": self.average,
            "teacher": self.teacher,
            "critic": self.critic,
            "encoder": self.encoder,
            "styles": self.styles,
        }

    @property
    def frames_per_s(self) -> float:
        """Latent frames in a second."""
        return self.rate / self.frames.hop

    @property
    def step_s(self) -> float:
        """Seconds of a step of the generator."""
        return self.group / self.frames_per_s

    def join(self, latents: Tensor) -> Tensor:
        """Put the frames of a step side by side: [B, T, K] to [B, T // group, group * K]; what is over is cut away."""
        whole = latents.shape[1] // self.group * self.group
        return latents[:, :whole].reshape(len(latents), whole // self.group, -1)

    def part(self, steps: Tensor) -> Tensor:
        """Take the frames of steps apart, [B, T, group * K] to [B, T * group, K]: the inverse of `join`."""
        return steps.reshape(len(steps), steps.shape[1] * self.group, -1)

    @property
    def weights(self) -> Tensor:
        """How much each value of a step counts in a squared error, [group * K], 1 on average: as it counts in the sound."""
        return (self.encoder.spread / self.encoder.spread.mean()).repeat(self.group)

    @torch.no_grad()
    def follow(self, keep: float, share: float = 1.0) -> None:
        """Move the average towards where the generator has come from its teacher, or only this share of the way; `keep` of it stays."""
        networks = self.average, self.generator, self.teacher
        ours, theirs, taught = (tuple(network.parameters()) for network in networks)
        aim = theirs if share == 1 else torch._foreach_lerp(taught, theirs, share)
        torch._foreach_lerp_(ours, aim, 1 - keep)
