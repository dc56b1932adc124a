"""The noise that new music is made from: as much of it returns with the beat as does in the music."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fastgan.gan.music.guide import Course

MOST = 0.9
"""Share that returns, at most: at 1 every beat would be the first."""


class Noise:
    """Normal noise for the steps of some pieces, correlated with that of a beat before: x(t) = r x(t - beat) + sqrt(1 - r^2) e(t).

    Every value is as normal as without it, so each step is one that the generator was taught to make; but what the noise decides,
    which strokes there are and how strong, is decided alike beat after beat, and slowly changes. r is the root of the regularity of
    the beat in the music that a piece follows: noise decides only a part of what begins, so more of it must return. What has no
    pulse gets none.

    Args:
        course: tempo and regularity of the pieces.
        seeds: of each piece, [B].
        values: D, of a step.
    """

    def __init__(self, course: Course, seeds: Sequence[int], values: int):
        self._randoms = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._lags = (course.period.double() / course.step_s).round().long().clamp_min(1).tolist()
        share = course.regularity.float().cpu().clamp_min(0).sqrt().clamp(max=MOST)[:, None]
        self._share, self._rest = share, (1 - share.square()).sqrt()
        self._past = torch.zeros(len(seeds), 0, values)  # of the longest beat

    def next(self, count: int) -> Tensor:
        """Noise of the next steps, float32 [B, count, D] on the processor."""
        drawn = torch.stack([torch.randn(count, self._past.shape[-1], generator=one) for one in self._randoms])
        have = self._past.shape[1]
        every = torch.cat((self._past, drawn), 1)
        for step in range(have, have + count):
            for piece, lag in enumerate(self._lags):
                if lag <= step:
                    share, rest = self._share[piece], self._rest[piece]
                    every[piece, step] = share * every[piece, step - lag] + rest * every[piece, step]
        self._past = every[:, max(0, have + count - max(self._lags)) :]
        return every[:, have:]
