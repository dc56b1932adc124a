"""Which notes a sound holds, by the published model of basic-pitch: how much is voiced, how many at once, which, how often.

The model: Bittner, Bosch, Rubinstein, Meseguer-Brocal and Ewert, "A lightweight instrument-agnostic model for polyphonic
note transcription and multipitch estimation", ICASSP 2022. Its weights (nmp.onnx, Apache-2.0) lie in the package
basic-pitch, which is not imported: it would bring a deep-learning framework of its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from fastgan.audio.scale import normalise
from fastgan.measure.weights import Missing, WeightFile

RATE = 22_050  # Hz, of the model
WINDOW = 43_844  # samples that the model takes: two seconds less one hop
HOP = 256  # samples from one frame of its output to the next
FRAMES = 172  # of its output for one window
EDGE = 15  # frames left out at each end of a window, where the model sees half a surrounding: 30 overlap
KEPT = FRAMES - 2 * EDGE
PITCHES = 88  # the keys of a piano, from A0
LOWEST_CLASS = 9  # A, where C is 0

NOTE = 0.3  # activation from which a note sounds: the package's default
ONSET = 0.5  # activation of a peak from which a note begins: the package's default

WEIGHTS = WeightFile(
    "basic-pitch",
    "0.4.0",
    "basic_pitch/saved_models/icassp_2022/nmp.onnx",
    "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
)

_INPUT = "serving_default_input_2:0"
_OUTPUTS = ("StatefulPartitionedCall:1", "StatefulPartitionedCall:2")  # notes, onsets

Samples = NDArray[np.int16]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Notes:
    """What the notes of a sound are like; None where there are none to speak of.

    Attributes:
        seconds: length of the sound.
        voiced_share: of the frames, 0 to 1, in which at least one note sounds.
        polyphony: mean number of notes at once in voiced frames, from 1 (as in Dong et al., "MusPy", ISMIR 2020).
        pitch_class_entropy: of the twelve pitch classes, weighted by activation, bits: 0 for one class, 3.58 for all alike
            (Wu and Yang, "The Jazz Transformer on the front line", ISMIR 2020).
        onsets_per_s: beginnings of notes a second, over all pitches: a chord of three counts three times.
    """

    seconds: float
    voiced_share: float
    polyphony: float | None
    pitch_class_entropy: float | None
    onsets_per_s: float

    @property
    def notes_per_frame(self) -> float:
        """Mean number of notes at once in all frames, the silent ones too."""
        return self.voiced_share * (self.polyphony or 0.0)


class Transcriber:
    """The model, loaded: use `Transcriber.load()`."""

    def __init__(self, session: Any) -> None:
        self._session = session

    @classmethod
    def load(cls, threads: int = 1) -> "Transcriber":
        """Find the weights and load them.

        Args:
            threads: processor threads of the model; 30 s of sound take one of them about a second.

        Raises:
            Missing: basic-pitch or onnxruntime is not installed.
        """
        weights = WEIGHTS.read()
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            if error.name != "onnxruntime":
                raise
            words = "the package onnxruntime is not installed"
            raise Missing(words, distribution="onnxruntime", install="pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        return cls(onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"]))

    def notes(self, samples: Samples, rate: int) -> Notes:
        """Transcribe a sound and describe its notes.

        Args:
            samples: int16 [N], N may be 0.
            rate: Hz; other rates than the model's are resampled.

        Returns:
            Plain values.

        Raises:
            ValueError: the samples are not one row of int16.
        """
        return summarise(*self.activations(samples, rate), seconds=len(samples) / rate)

    def activations(self, samples: Samples, rate: int) -> tuple[Floats, Floats]:
        """How sure the model is of each note, and of its beginning, 0 to 1: two float32 [F, 88], F = ceil(N / 256) at its rate.

        Raises:
            ValueError: the samples are not one row of int16.
        """
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise ValueError(f"samples are {samples.dtype} of shape {samples.shape}, need one row of int16 [N]")
        sound = normalise(samples)
        if rate != RATE and len(sound):
            sound = soxr.resample(sound, rate, RATE)
        parts = [self._session.run(_OUTPUTS, {_INPUT: window[None, :, None]}) for window in windows(sound)]
        empty = np.empty((0, FRAMES, PITCHES), np.float32)
        notes, onsets = (np.concatenate([empty, *(part[which] for part in parts)]) for which in (0, 1))
        frames = -(-len(sound) // HOP)
        return join(notes, frames), join(onsets, frames)


def windows(sound: Floats) -> Floats:
    """Cut a sound [N] into what the model takes, [W, 43844], zeros before and after it.

    Windows begin 142 frames apart, as many as are kept of each, so all kept frames lie on one grid: frame f is centred on
    sample 256 f. (The package steps by 36,164 samples where 142 frames are 36,352, and mends the drift later.)
    """
    count = -(-len(sound) // (KEPT * HOP))
    padded = np.zeros(EDGE * HOP + max(0, count - 1) * KEPT * HOP + WINDOW, np.float32)
    padded[EDGE * HOP : EDGE * HOP + len(sound)] = sound
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: count * KEPT * HOP : KEPT * HOP]


def join(outputs: Floats, frames: int) -> Floats:
    """Put outputs of windows [W, 172, D] behind one another without what overlaps: the first `frames` of them, [F, D]."""
    return outputs[:, EDGE:-EDGE].reshape(-1, outputs.shape[2])[:frames]


def summarise(notes: Floats, onsets: Floats, seconds: float) -> Notes:
    """Describe notes by their activations.

    A note sounds where its activation is at least 0.3, and begins at each local peak over time of its onset's activation of
    at least 0.5: the package's defaults, without its later search for notes, which invents onsets and drops short notes.

    Args:
        notes: [F, 88] of notes, 0 to 1.
        onsets: [F, 88] of their beginnings, 0 to 1.
        seconds: length of the sound.
    """
    sounding = notes >= NOTE
    voiced = np.asarray(sounding.any(axis=1))
    around = np.pad(onsets, ((1, 1), (0, 0)))
    begins = (onsets >= ONSET) & (onsets > around[:-2]) & (onsets >= around[2:])
    weights = np.where(sounding, notes, 0).sum(axis=0, dtype=np.float64)
    classes = np.bincount((np.arange(PITCHES) + LOWEST_CLASS) % 12, weights, minlength=12).astype(np.float64)
    return Notes(
        seconds=seconds,
        voiced_share=float(voiced.mean()) if len(voiced) else 0.0,
        polyphony=float(sounding[voiced].sum(axis=1).mean()) if voiced.any() else None,
        pitch_class_entropy=_entropy(classes) if voiced.any() else None,
        onsets_per_s=float(begins.sum() / seconds) if seconds > 0 else 0.0,
    )


def _entropy(weights: NDArray[np.float64]) -> float:
    """Of a distribution that the weights are in proportion to, bits."""
    shares = weights[weights > 0] / weights.sum()
    return float(shares @ np.log2(1 / shares))
