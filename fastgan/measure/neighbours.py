"""How a set of sounds lies among real ones, patch by patch: copies, variety, what is covered and what is not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.stats import mannwhitneyu

from fastgan.measure.distances import Embeddings, Floats, checked, pieces


def diversity(clips: Sequence[Embeddings]) -> float:
    """Give the mean distance between two clips, each the mean of its patches; 0 for one clip that is copied.

    Args:
        clips: each [P, D], at least two.

    Raises:
        ValueError: fewer than two clips, wrong shapes, NaN or infinity.
    """
    if len(clips) < 2:
        raise ValueError(f"{len(clips)} clips; how they differ takes at least two")
    means = [patches.mean(axis=0) for patches in _checked_clips(clips, "clips")]
    return float(pdist(np.array(means)).mean())


@dataclass(frozen=True)
class Memorisation:
    """How near a set is to the train patches, beside how near real music is that was not trained on.

    Attributes:
        ratio: median over patches of the distance to the nearest train patch, over that of held-out patches. 1 says as new as
            other music of the style; 0 says copied.
        p_value: chance that clips as new as the held-out ones are so near to the train patches (Mann-Whitney, one-sided, of
            each clip's median: patches of one clip are no independent witnesses).
    """

    ratio: float
    p_value: float


def memorisation(generated: Sequence[Embeddings], train: Embeddings, held_out: Sequence[Embeddings]) -> Memorisation:
    """Tell copies of the train clips from new sounds.

    Noise is far from all music, so a high ratio alone is no praise. Silence is near to any silence in the train clips.

    Args:
        generated: clips, each [P, D].
        train: [N, D].
        held_out: clips, each [P, D]; real, of the same style, not in `train`.

    Raises:
        ValueError: no clips, wrong shapes, NaN or infinity, or held-out patches that are themselves in `train`.
    """
    known = checked(train, "train", least=1)
    ours, theirs = (
        [nearest(patches, known) for patches in _checked_clips(clips, name, known.shape[1])]
        for clips, name in ((generated, "generated"), (held_out, "held_out"))
    )
    usual = float(np.median(np.concatenate(theirs)))
    if usual == 0:
        raise ValueError(
            "most held-out patches are copies of train patches; hold out clips that are in no other folder"
        )
    test = mannwhitneyu([np.median(d) for d in ours], [np.median(d) for d in theirs], alternative="less")
    return Memorisation(float(np.median(np.concatenate(ours))) / usual, float(test.pvalue))


@dataclass(frozen=True)
class Support:
    """Where two sets overlap, judged by balls around patches that reach to the k-th nearest of their own set.

    Attributes:
        precision: share of other patches within a ball of a real one: is it real?
        recall: share of real patches within a ball of another one: is all of it there? (Kynkaanniemi et al., "Improved
            Precision and Recall Metric for Assessing Generative Models", 2019, arXiv 1904.06991)
        density: mean number of real balls around another patch, over k; 1 for equal distributions, and may exceed it.
        coverage: share of real balls with another patch in them; 1 - 2^-k for equal distributions. (Naeem et al., "Reliable
            Fidelity and Diversity Metrics for Generative Models", 2020, arXiv 2002.09797)
    """

    precision: float
    recall: float
    density: float
    coverage: float

    @classmethod
    def of(cls, real: Embeddings, other: Embeddings, *, k: int = 5) -> "Support":
        """Measure patches [M, D] against real ones [N, D]; a patch at the edge of a ball is inside.

        Args:
            real: [N, D], more than k patches.
            other: [M, D], more than k; the same M for sets that are to be compared.
            k: neighbours that a ball reaches to; the papers take 3 and 5.

        Raises:
            ValueError: k below 1, too few patches, wrong shapes, NaN or infinity.
        """
        if k < 1:
            raise ValueError(f"k is {k}; a ball reaches at least to the first neighbour")
        a = checked(real, "real", least=k + 1)
        b = checked(other, "other", least=k + 1, width=a.shape[1])
        reach_a, reach_b = _reach(a, k), _reach(b, k)
        around = np.zeros(len(b), np.int64)
        covered = recalled = 0
        for rows in pieces(a, len(b)):
            distance = cdist(a[rows], b)
            inside = distance <= reach_a[rows, None]
            around += inside.sum(axis=0)
            covered += int(inside.any(axis=1).sum())
            recalled += int((distance <= reach_b).any(axis=1).sum())
        return cls(
            precision=float(np.mean(around > 0)),
            recall=recalled / len(a),
            density=float(around.mean()) / k,
            coverage=covered / len(a),
        )


def nearest(patches: Floats, known: Floats) -> Floats:
    """Give the distance from each patch [M, D] to the nearest of [N, D], float64 [M]; exactly 0 for a copy."""
    return np.concatenate([cdist(patches[rows], known).min(axis=1) for rows in pieces(patches, len(known))])


def _reach(patches: Floats, k: int) -> Floats:
    """Distance [N] from each patch [N, D] to the k-th nearest other one."""
    return np.concatenate(  # at place 0 is the patch itself
        [np.partition(cdist(patches[rows], patches), k, axis=1)[:, k] for rows in pieces(patches, len(patches))]
    )


def _checked_clips(clips: Sequence[Embeddings], name: str, width: int | None = None) -> list[Floats]:
    if not len(clips):
        raise ValueError(f"{name} is empty; it takes at least one clip")
    width = width or clips[0].shape[-1]
    return [checked(patches, f"{name}[{number}]", least=1, width=width) for number, patches in enumerate(clips)]
