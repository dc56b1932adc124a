"""What frames are told about the piece that they are part of: its style, and where in the beat they are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fastgan.nn.styles import Styles

CYCLES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Beats of the waves that tell the place in the beat, and in groups of beats: bars of two and four, pairs of bars."""


def guide_size(styles: Styles) -> int:
    """Values that a frame is told."""
    return styles.size + 2 * len(CYCLES)


def guide_of(styles: Tensor, counts: Tensor) -> Tensor:
    """Put styles [B, T, S] beside the waves of beat counts [B, T], [B, T, G].

    A network keeps time poorly by itself: without them the beat of what it makes is as weak as that of noise.
    """
    angle = counts[..., None] * (2 * torch.pi / torch.tensor(CYCLES, dtype=counts.dtype, device=counts.device))
    return torch.cat((styles, angle.sin().to(styles.dtype), angle.cos().to(styles.dtype)), -1)


@dataclass(frozen=True)
class Course:
    """How some new pieces go on: each follows the styles of a piece of the music at its tempo.

    Attributes:
        known: styles of the music.
        rows: [B], the second of the music that each piece begins as.
        style: [B, S], kept throughout instead, for pieces that go on from a recording; None otherwise.
        period: [B], seconds from beat to beat.
        regularity: [B], of the beat, 0 to 1.
        count: float64 [B], beats before the first step.
        step_s: seconds of a step.
    """

    known: Styles
    rows: Tensor
    style: Tensor | None
    period: Tensor
    regularity: Tensor
    count: Tensor
    step_s: float

    @classmethod
    def of_rows(cls, styles: Styles, rows: Tensor, step_s: float) -> "Course":
        """Pieces that begin as these seconds of the music, on a beat."""
        begin = torch.zeros(len(rows), dtype=torch.float64)
        return cls(styles, rows, None, styles.period[rows], styles.regularity[rows], begin, step_s)

    def steps(self, first: int, count: int, style_strength: float = 1.0) -> Tensor:
        """What the frames of steps from number `first` on are told, [B, count, G], the styles by a factor stronger than they are."""
        seconds = (first + torch.arange(count, dtype=torch.float64, device=self.period.device)) * self.step_s
        kept = self.style
        styles = self.known.along(self.rows, seconds) if kept is None else kept[:, None].expand(-1, count, -1)
        styles = self.known.strengthen(styles, style_strength)
        return guide_of(styles, self.count.to(seconds.device)[:, None] + seconds / self.period[:, None].double())
