"""Magnitudes of short-time spectra, and the way back: sound from magnitudes, piece by piece."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fastgan.ops.griffin_lim import Overlap
from fastgan.ops.phases import continue_phases

WINDOW_S = 0.093  # resolves notes a semitone apart from 360 Hz up, and still shows a beat
OVERLAP = 4  # two magnitudes for each sample, which settles most phases; squares of Hann windows sum to a constant

ITERATIONS = (
    24  # on music within -28 dB of the magnitudes; 16: -27, 32: -29; 30 s at 22,050 Hz take a second of one core
)
BLOCK, AHEAD = 64, 8  # frames; larger ones gain nothing, smaller ones iterate more frames twice


@dataclass(frozen=True)
class Frames:
    """How a sound is cut into frames: frame t takes the samples from t * hop on, under a periodic Hann window; nothing is padded.

    Args:
        window: samples in a frame.
        hop: samples from the start of one frame to that of the next.

    Raises:
        ValueError: not even, or the window is not two hops or more.
    """

    window: int
    hop: int

    def __post_init__(self) -> None:
        if self.hop < 2 or self.hop % 2 or self.window % self.hop or self.window < 2 * self.hop:
            raise ValueError(
                f"a window of {self.window} and a hop of {self.hop} samples; the hop must be even and the window 2, 3, ... hops: 2048, 512"
            )

    @classmethod
    def of_rate(cls, rate: int) -> "Frames":
        """Frames of about 93 ms that overlap four times: 2,048 and 512 samples at 22,050 Hz.

        Args:
            rate: Hz, at least 80. The window is the power of two that is nearest in ratio.

        Raises:
            ValueError: a lower rate.
        """
        if rate < 80:
            raise ValueError(
                f"a rate of {rate} Hz leaves no window of 8 samples in {WINDOW_S * 1000:.0f} ms; give 80 Hz or more"
            )
        window = 1 << round(math.log2(WINDOW_S * rate))
        return cls(window, window // OVERLAP)

    @property
    def bins(self) -> int:
        """Frequencies in a frame, from 0 Hz to half the rate, both included."""
        return self.window // 2 + 1

    def count(self, samples: int) -> int:
        """Whole frames in a sound of so many samples."""
        return max(0, 1 + (samples - self.window) // self.hop)

    def samples(self, count: int) -> int:
        """The fewest samples that hold so many frames."""
        return (count - 1) * self.hop + self.window if count else 0

    def taper(self, like: Tensor) -> Tensor:
        """The window [window], of the dtype and on the device of `like`."""
        return torch.hann_window(self.window, dtype=like.dtype, device=like.device)

    def magnitudes(self, sound: Tensor) -> Tensor:
        """Give the magnitudes of a sound's frames; a sine of amplitude 1 at the frequency of a bin gives 1 there.

        A constant of 1 gives 2 in the first bin, which has no mirror image to share it with. Differentiable.

        Args:
            sound: float32 or float64 [..., N].

        Returns:
            [..., T, bins], T = count(N).

        Raises:
            ValueError: shorter than one frame, or no floating-point numbers.
        """
        if not sound.is_floating_point():
            raise ValueError(
                f"a sound of {sound.dtype}; spectra need float32 or float64: divide int16 samples by 32,768"
            )
        if sound.shape[-1] < self.window:
            raise ValueError(f"a sound of {sound.shape[-1]} samples; one frame takes {self.window}")
        return torch.fft.rfft(sound.unfold(-1, self.window, self.hop) * self.taper(sound)).abs() * (4 / self.window)


class Resynthesis:
    """Sound from magnitudes that arrive piece by piece, by the fast Griffin-Lim algorithm.

    Frames are taken in blocks of a fixed size, so that sound depends on the frames and the seed and not on the pieces, and memory
    not on the length. A block is iterated as a whole, on top of the sound before it, which stays as it is. The last frames of a block
    have not seen what follows them: they are kept, and iterated again with the next block. Phases start from where those of the
    last frame lead.

    T frames give hop * T samples: frame t gives the hop in its middle. So (window - hop) / 2 samples are missing at both ends of
    the sound that had these frames; too few windows reach them to tell what they were.

    Args:
        frames: how the sound was cut.
        iterations: for each block; more come nearer to the magnitudes, and take longer.
        block: frames that become sound at a time.
        ahead: frames at the end of a block that are iterated again with the next, at least 1.
        seed: of the phases before the first frame.

    Raises:
        ValueError: a number out of its range.
    """

    def __init__(
        self, frames: Frames, *, iterations: int = ITERATIONS, block: int = BLOCK, ahead: int = AHEAD, seed: int = 0
    ):
        if iterations < 0 or block < 1 or ahead < 1:
            raise ValueError(f"iterations={iterations}, block={block}, ahead={ahead}; they must be at least 0, 1 and 1")
        self.frames, self.iterations, self.block, self.ahead, self.seed = frames, iterations, block, ahead, seed
        self._edge = (frames.window - frames.hop) // 2  # samples that are missing at each end
        self._to_drop = self._edge
        self._waiting: Tensor | None = None  # [..., less than a block, bins], magnitudes
        self._finished = False

    @torch.no_grad()
    def push(self, magnitudes: Tensor) -> Tensor:
        """Take the next frames, and give the sound that is finished by them.

        Args:
            magnitudes: float32 or float64 [..., T, bins], scaled as `Frames.magnitudes`; T may differ between calls, and be 0.

        Returns:
            Samples [..., N]; N is 0 until a block is full.

        Raises:
            ValueError: another shape, dtype or device than before, or values that are negative or not finite.
            RuntimeError: after `finish`.
        """
        self._check(magnitudes)
        if self._waiting is None:
            self._begin(magnitudes)
            waiting = magnitudes
        else:
            waiting = torch.cat((self._waiting, magnitudes), dim=-2)
        sound = [waiting.new_zeros(*waiting.shape[:-2], 0)]
        while waiting.shape[-2] >= (need := self.block + (0 if self._spectra.shape[-2] else self.ahead)):
            sound.append(self._dropped(self._step(waiting[..., :need, :], self.ahead)))
            waiting = waiting[..., need:, :]
        self._waiting = waiting.clone()  # not a view: that would keep all that was pushed
        return torch.cat(sound, dim=-1)

    @torch.no_grad()
    def finish(self) -> Tensor:
        """Give the rest of the sound, samples [..., N].

        Raises:
            RuntimeError: called twice, or before any `push`.
        """
        if self._finished or self._waiting is None:
            raise RuntimeError("this resynthesis has no sound to finish; push frames into a new one first")
        self._finished = True
        if not self._waiting.shape[-2] + self._spectra.shape[-2]:
            return self._waiting.new_zeros(*self._waiting.shape[:-2], 0)
        sound = self._step(self._waiting, 0)
        rest = self._overlap.rest()[..., : self._edge] * (self.frames.window / 4)
        return self._dropped(torch.cat((sound, rest), dim=-1))

    def _check(self, magnitudes: Tensor) -> None:
        if self._finished:
            raise RuntimeError("this resynthesis is finished; begin a new one for another sound")
        bins, floats = self.frames.bins, (torch.float32, torch.float64)
        if magnitudes.ndim < 2 or magnitudes.shape[-1] != bins or magnitudes.dtype not in floats:
            raise ValueError(
                f"magnitudes of shape {tuple(magnitudes.shape)}, {magnitudes.dtype}; needs (..., frames, {bins}), float32 or float64"
            )
        if self._waiting is not None:
            before, now = (
                f"{tuple(some.shape[:-2])}, {some.dtype}, {some.device}" for some in (self._waiting, magnitudes)
            )
            if before != now:
                raise ValueError(f"leading sizes, dtype, device: {now}; the frames before had {before}; give all alike")
        if magnitudes.numel() and not (magnitudes.amin() >= 0 and magnitudes.amax() < math.inf):  # waits for the device
            raise ValueError("magnitudes that are negative, infinite or no number; clamp or repair them before")

    def _begin(self, magnitudes: Tensor) -> None:
        window, hop = self.frames.window, self.frames.hop
        none = magnitudes[..., :0, :].clone()
        self._magnitudes = none  # [..., ahead, bins] after the first block: the frames to be iterated again
        self._spectra = torch.complex(none, none)  # theirs, as they are so far
        self._alternate = torch.ones(self.frames.bins, dtype=none.dtype, device=none.device)
        self._alternate[1::2] = -1  # from phases at the middle of the window to phases at its start
        sound = none.new_zeros(*none.shape[:-2], window - hop)
        self._overlap = Overlap(self.frames.taper(none), hop, sound, none.new_zeros(window - hop))

    def _step(self, new: Tensor, keep: int) -> Tensor:
        """Iterate new frames [..., T, bins] with those that were kept, and turn all but the last `keep` into sound [..., N]."""
        magnitudes = torch.cat((self._magnitudes, new), dim=-2)
        spectra = torch.cat((self._spectra, self._started(new)), dim=-2) if new.shape[-2] else self._spectra
        spectra = self._overlap.iterate(magnitudes, spectra, self.iterations)
        count = magnitudes.shape[-2] - keep
        sound, self._overlap = self._overlap.add(spectra[..., :count, :])
        self._magnitudes, self._spectra = magnitudes[..., count:, :].clone(), spectra[..., count:, :].clone()
        return sound * (self.frames.window / 4)

    def _started(self, new: Tensor) -> Tensor:
        """Spectra of new frames whose phases go on from the last frame; before the first stands its copy with random ones."""
        if self._spectra.shape[-2]:
            before, phases = self._magnitudes[..., -1:, :], (self._spectra[..., -1, :] * self._alternate).angle()
        else:
            random = torch.Generator().manual_seed(self.seed)  # on the CPU: the same on every device
            turns = torch.rand(self.frames.bins, generator=random, dtype=torch.float64)
            before, phases = new[..., :1, :], (2 * math.pi * turns).to(new).expand_as(new[..., 0, :])
        phases = continue_phases(torch.cat((before, new), dim=-2), phases, self.frames.hop)
        return torch.polar(new * self._alternate, phases)

    def _dropped(self, sound: Tensor) -> Tensor:
        """Without the samples that are missing at the start."""
        drop = min(self._to_drop, sound.shape[-1])
        self._to_drop -= drop
        return sound[..., drop:]


def resynthesise(magnitudes: Tensor, frames: Frames, *, iterations: int = ITERATIONS, seed: int = 0) -> Tensor:
    """Give sound [..., hop * T] that has the magnitudes [..., T, bins]: `Resynthesis` in one call.

    Args:
        magnitudes: float32 or float64, scaled as `Frames.magnitudes`.
        frames: how the sound was cut.
        iterations: more come nearer to the magnitudes, and take longer.
        seed: of the phases before the first frame.

    Raises:
        ValueError: magnitudes of another shape or dtype, negative or not finite.
    """
    resynthesis = Resynthesis(frames, iterations=iterations, seed=seed)
    return torch.cat((resynthesis.push(magnitudes), resynthesis.finish()), dim=-1)
