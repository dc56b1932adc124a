"""The networks of a run and their optimisers: built, saved and loaded as one thing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fastgan.gan.checkpoint import Checkpoint
from fastgan.gan.networks import Networks
from fastgan.gan.seeds import derive
from fastgan.nn.discriminator import Discriminator
from fastgan.nn.encoder import FRAME, LATENTS, AutoEncoder
from fastgan.nn.generator import Generator
from fastgan.ops.adam import Adam


@dataclass
class Game(Networks):
    """Generator and discriminator, the encoder if there is one, and the optimisers of the stage that is on.

    Attributes:
        optimisers: one Adam per network that the stage trains, by the network's name.
    """

    generator: Generator
    discriminator: Discriminator
    encoder: AutoEncoder | None
    optimisers: dict[str, Adam] = field(default_factory=dict)

    @classmethod
    def build(
        cls, *, hidden: int, encoder: bool, seed: int, device: torch.device, dtype: torch.dtype, backend: str = "auto"
    ) -> "Game":
        """Make networks with weights that depend on the seed alone, the same on every device."""
        features = LATENTS if encoder else 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "weights"))
            generator = Generator(features, hidden, backend=backend)
            discriminator = Discriminator(features, hidden, backend=backend)
            autoencoder = AutoEncoder() if encoder else None
        game = cls(generator, discriminator, autoencoder)
        for network in game.networks().values():
            network.to(device, dtype)
        return game

    @classmethod
    def restore(cls, checkpoint: Checkpoint, device: torch.device, backend: str = "auto") -> "Game":
        """Build the networks that a checkpoint is of, with its weights.

        Raises:
            BadInput: it does not fit its own settings.
        """
        told = checkpoint.state["settings"]
        game = cls.build(
            hidden=told["hidden"],
            encoder=told["encoder"] == "conv",
            seed=told["seed"],
            device=device,
            dtype=getattr(torch, told["dtype"]),
            backend=backend,
        )
        game.take(checkpoint)
        return game

    def networks(self) -> dict[str, nn.Module]:
        """All networks by name."""
        named: dict[str, nn.Module] = {"generator": self.generator, "discriminator": self.discriminator}
        return named | ({"encoder": self.encoder} if self.encoder is not None else {})

    @property
    def frame(self) -> int:
        """Samples of sound per step of the sequence."""
        return FRAME if self.encoder is not None else 1

    def encode(self, sound: Tensor) -> Tensor:
        """Turn sound [B, T * frame] into the sequence that the game is about, [B, T, D]; no gradient."""
        if self.encoder is None:
            return sound[..., None]
        with torch.no_grad():
            return self.encoder.encode(sound)

    def decode(self, pieces: Iterable[Tensor]) -> Iterator[Tensor]:
        """Turn a sequence that comes in pieces [T, D] into pieces of sound [T * frame]: the inverse of `encode`."""
        return (piece[:, 0] for piece in pieces) if self.encoder is None else self.encoder.decode_pieces(pieces)
