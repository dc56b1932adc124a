"""Music as a network hears it that was trained to tag it: MSD_musicnn, rebuilt in PyTorch from its published weights.

The network is that of J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging"
(2019, arXiv 1909.06654), trained on the Million Song Dataset; its weights come with the package `musicnn` (ISC licence).
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fastgan.measure.checkpoint import read_checkpoint
from fastgan.measure.mel import HOP, RATE, log_mel
from fastgan.measure.weights import WeightFile

PATCH = 187  # frames that are judged together: 3 s
SHORTEST_S = PATCH * HOP / RATE
"""Seconds that a sound must last at least: one patch."""

TAGS = (
    "rock, pop, alternative, indie, electronic, female vocalists, dance, 00s, alternative rock, jazz, beautiful, metal, "
    "chillout, male vocalists, classic rock, soul, indie rock, Mellow, electronica, 80s, folk, 90s, chill, instrumental, "
    "punk, oldies, blues, hard rock, ambient, acoustic, experimental, female vocalist, guitar, Hip-Hop, 70s, party, "
    "country, easy listening, sexy, catchy, funk, electro, heavy metal, Progressive rock, 60s, rnb, indie pop, sad, House, happy"
).split(", ")
"""What the 50 outputs stand for, in their order: the most frequent tags of the data set."""

_FOLDER = "musicnn/MSD_musicnn"
INDEX = WeightFile(
    distribution="musicnn",
    version="0.1.0",
    name=f"{_FOLDER}/.index",
    sha256="87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
)
DATA = WeightFile(
    distribution="musicnn",
    version="0.1.0",
    name=f"{_FOLDER}/.data-00000-of-00001",
    sha256="8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
)

_EPSILON = 1e-3  # of TensorFlow's batch normalisation
_REACH = 3  # frames that a convolution over 7 of them sees to either side
_BATCH = 8  # patches at a time: some 30 MB for the widest layer


class Musicnn:
    """The network, to be used only: float32, on the processor, with the statistics of its training.

    Args:
        tensors: of its checkpoint, by the names of their variables.
    """

    version = f"MSD_musicnn {DATA.sha256[:16]}, front end 1"
    """Changes whenever the same sound would be described by other numbers."""

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]]):
        self._tensors = {name: torch.from_numpy(array.copy()) for name, array in tensors.items() if "Adam" not in name}

    @classmethod
    def load(cls) -> "Musicnn":
        """Read the weights from the package that holds them.

        Raises:
            Missing: it is not installed.
        """
        return cls(read_checkpoint(INDEX.read(), DATA.read()))

    def embed(self, samples: NDArray[np.int16], rate: int, *, hop_s: float = 1.0) -> NDArray[np.float32]:
        """Describe each patch of a sound by the layer before the tags.

        The last bits depend on PyTorch's number of threads.

        Args:
            samples: int16 [N], at least `SHORTEST_S` long.
            rate: Hz.
            hop_s: seconds from one patch to the next, rounded down to frames of 16 ms; 3 makes them follow without a gap.

        Returns:
            float32 [P, 200]; P = 28 for 30 s and a hop of 1 s.

        Raises:
            ValueError: the sound is shorter than a patch, or the hop is below a frame or above a patch.
        """
        hop = int(hop_s * RATE / HOP)
        if not 1 <= hop <= PATCH:
            raise ValueError(f"hop_s is {hop_s}; it lies between a frame, {HOP / RATE} s, and a patch, {SHORTEST_S} s")
        if len(samples) < SHORTEST_S * rate:
            raise ValueError(f"the sound has {len(samples) / rate:.3f} s; a patch is {SHORTEST_S} s")
        with torch.inference_mode():
            image = self._normalise(torch.from_numpy(log_mel(samples, rate))[None, None], 0)[0, 0]  # [T, 96]
            count = 1 + (len(image) - PATCH) // hop
            spans = (
                image[first * hop : (min(first + _BATCH, count) - 1) * hop + PATCH] for first in range(0, count, _BATCH)
            )
            return torch.cat([self._penultimate(span, hop) for span in spans]).numpy()

    def tags(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the probabilities [P, 50] of `TAGS` for patches described by [P, 200]."""
        with torch.inference_mode():
            return self._dense(torch.from_numpy(embeddings), "dense_1").sigmoid().numpy()

    def _penultimate(self, span: Tensor, hop: int) -> Tensor:
        """From normalised frames [S, 96] to the patches [B, 200] that begin every `hop` of them."""
        patches = span.unfold(0, PATCH, hop).transpose(1, 2)[:, None]  # [B, 1, 187, 96]
        layers = [torch.cat((*self._timbre(span, patches, hop), *self._rhythm(patches)), 1)]  # [B, 561, 187]
        for number in range(5, 8):  # each takes all channels: they lie where the bands were
            wide = functional.pad(layers[-1], (_REACH, _REACH)).transpose(1, 2)[:, None]  # [B, 1, 193, channels]
            here = self._convolve(wide, number)  # [B, 64, 187]
            layers.append(here + layers[-1] if number > 5 else here)
        features = torch.cat(layers, 1)  # [B, 753, 187]
        pooled = torch.stack((features.amax(2), features.mean(2)), 2).flatten(1)
        return self._normalise(self._dense(self._normalise(pooled, 9), "dense").relu(), 10)

    def _timbre(self, span: Tensor, patches: Tensor, hop: int) -> Iterator[Tensor]:
        """Convolutions over 7 frames and many bands, each [B, 204, 187].

        They are most of the work, and patches overlap: so the span is convolved once. Only the ends of a patch, beyond
        which it sees zeros, are its own.
        """
        end = 2 * _REACH
        heads = functional.pad(patches[:, :, :end], (0, 0, _REACH, 0))  # [B, 1, 9, 96]
        tails = functional.pad(patches[:, :, -end:], (0, 0, 0, _REACH))
        for number in range(2):
            whole = self._convolve(span[None, None], number)[0]  # [204, S - 6]
            inner = whole.unfold(1, PATCH - end, hop).transpose(0, 1)  # [B, 204, 181]
            yield torch.cat((self._convolve(heads, number), inner, self._convolve(tails, number)), 2)

    def _rhythm(self, patches: Tensor) -> Iterator[Tensor]:
        """Convolutions over many frames of one band, each [B, 51, 187]."""
        for number in range(2, 5):
            frames = len(self._tensors[f"conv2d_{number}/kernel"])
            yield self._convolve(functional.pad(patches, (0, 0, frames // 2 - 1, frames // 2)), number)

    def _convolve(self, image: Tensor, number: int) -> Tensor:
        """Convolve an image [B, 1, frames, bands], rectify, normalise, take the highest band: [B, channels, frames]."""
        name = _named("conv2d", number)
        kernel = self._tensors[f"{name}/kernel"].permute(3, 2, 0, 1)
        rectified = functional.conv2d(image, kernel, self._tensors[f"{name}/bias"]).relu()
        return self._normalise(rectified, number + 1).amax(3)

    def _normalise(self, x: Tensor, number: int) -> Tensor:
        """Batch normalisation of channels, dimension 1, with the statistics of the training."""
        name = _named("batch_normalization", number)
        mean, variance, beta, gamma = (
            self._tensors[f"{name}/{part}"] for part in ("moving_mean", "moving_variance", "beta", "gamma")
        )
        return functional.batch_norm(x, mean, variance, gamma, beta, eps=_EPSILON)

    def _dense(self, x: Tensor, name: str) -> Tensor:
        return torch.addmm(self._tensors[f"{name}/bias"], x, self._tensors[f"{name}/kernel"])


def _named(kind: str, number: int) -> str:
    """The name of a layer: TensorFlow numbers those of a kind from the second on."""
    return f"{kind}_{number}" if number else kind
