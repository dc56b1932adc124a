"""One set of sounds against real music: every measure there is, for generated sound and for anchors alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgan.measure.cache import embed_cached
from fastgan.measure.distances import Extrapolation, Reference
from fastgan.measure.faults import veto
from fastgan.measure.musicnn import Musicnn
from fastgan.measure.neighbours import diversity, memorisation
from fastgan.measure.notes import Transcriber
from fastgan.measure.panel import Band, Panel, mean
from fastgan.measure.sets import evenly

Samples = NDArray[np.int16]
Patches = NDArray[np.float32]
Tick = Callable[[float], None]
"""Told the share done, 0 to 1."""

HOP_S = 3.0
"""From one patch of 3 s to the next: side by side."""
BAND_CLIPS = 40
"""Clips of what was learnt from whose panels make the bands, beside all that were held out."""
NOTES = ("voiced_share", "polyphony", "pitch_class_entropy", "onsets_per_s")
PANEL = ("flux_db", "centroid_hz", "silent_share", "tempo_strength")
"""Those eight are the panel that a band of real music is drawn for."""


@dataclass(frozen=True)
class Ears:
    """Networks that listen; None where their weights are not installed.

    Attributes:
        musicnn: embeds 3 s of sound.
        notes: finds notes.
        absent: why one is None, in words that say what to do.
    """

    musicnn: Musicnn | None
    notes: Transcriber | None
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """A set of sounds; None where a measure has no value or its network is absent.

    Attributes:
        name: of the set.
        clips: how many.
        verdict: "healthy", or why the set is vetoed.
        vetoed: whether its distances say nothing.
        kad, fad, fad_infinity: distances from the train patches, see `fastgan.measure.distances`; the last takes some patches.
        position: of `kad` between held-out real music (0) and shaped noise (1).
        diversity: mean distance between two clips, over that of held-out ones.
        memorisation: see `fastgan.measure.neighbours.Memorisation.ratio`.
        panel: means over the clips, by name.
        inside: how many of them lie in the bands of real music.
    """

    name: str
    clips: int
    verdict: str
    vetoed: bool
    kad: float | None = None
    fad: float | None = None
    fad_infinity: Extrapolation | None = None
    position: float | None = None
    diversity: float | None = None
    memorisation: float | None = None
    panel: dict[str, float | None] = field(default_factory=dict)
    inside: int | None = None


class Comparison:
    """Real music, with all that depends on it alone.

    Args:
        train: real clips that may have been learnt from.
        held_out: real clips that were not, the floor of every distance. Bands are of all of them and of some of `train`.
        rate: Hz.
        ears: who listens.
        count: clips in a set: bands are of means over as many.
        seed: of the bands, and of the subsets that FAD is extrapolated from.
        tick: told how far listening to the train clips is.
    """

    def __init__(
        self,
        train: Sequence[Samples],
        held_out: Sequence[Samples],
        rate: int,
        ears: Ears,
        *,
        count: int,
        seed: int,
        tick: Tick,
    ):
        self.rate, self.ears, self.seed = rate, ears, seed
        self.train, self.heard, self.held_out = train, list[Patches](), list[Patches]()
        self.reference: Reference | None = None
        if ears.musicnn is not None:
            for number, clip in enumerate(train, start=1):
                self.heard.append(self._patches(clip))
                tick(number / len(train))
            self.reference = Reference(np.concatenate(self.heard))
            self.held_out = [self._patches(clip) for clip in held_out]
        self.usual = diversity(self.held_out) if len(self.held_out) > 1 else None
        # A band of held-out clips alone would be that of the two or three recordings that they are cut from.
        real = [*held_out, *(train[place] for place in evenly(len(train), BAND_CLIPS))]
        by_clip = [self._panel(clip) for clip in real]
        self.bands = {name: _band([one.get(name) for one in by_clip], count, seed) for name in by_clip[0]}

    def measure(self, name: str, clips: Sequence[Samples]) -> Measured:
        """Everything about a set of sounds."""
        if self.reference is None:
            return self._alone(name, clips)
        return self._beside(self._alone(name, clips), [self._patches(clip) for clip in clips], self.reference)

    def measure_train(self, name: str, places: Sequence[int]) -> Measured:
        """The same for some of the train clips, against the others.

        Args:
            name: of the set.
            places: of the clips among the train clips; at least two patches are left.
        """
        found = self._alone(name, [self.train[place] for place in places])
        if self.reference is None:
            return found
        others = np.concatenate([heard for place, heard in enumerate(self.heard) if place not in set(places)])
        return self._beside(found, [self.heard[place] for place in places], Reference(others))

    def _alone(self, name: str, clips: Sequence[Samples]) -> Measured:
        """What takes no other set: faults, and the panel."""
        faults = veto(clips, self.rate)
        panel: dict[str, float | None] = {}
        by_clip = [self._panel(clip) for clip in clips]
        for key in by_clip[0]:
            panel[key] = mean([one.get(key) for one in by_clip])
        judged = [band.inside(panel[key]) for key, band in self.bands.items() if band is not None]
        return Measured(
            name, len(clips), faults.verdict, not faults.ok, panel=panel, inside=sum(judged) if judged else None
        )

    def _beside(self, found: Measured, patches: Sequence[Patches], reference: Reference) -> Measured:
        """What was found, and how the patches of each clip lie beside real ones."""
        every = np.concatenate(patches)
        near = memorisation(patches, reference.patches, self.held_out) if self.held_out else None
        apart = diversity(patches) if len(patches) > 1 else None
        enough = len(every) >= reference.fewest
        return replace(
            found,
            kad=reference.kad(every),
            fad=reference.fad(every),
            fad_infinity=reference.fad_infinity(every, seed=self.seed) if enough else None,
            diversity=apart / self.usual if apart is not None and self.usual else None,
            memorisation=None if near is None else near.ratio,
        )

    def _patches(self, clip: Samples) -> Patches:
        assert self.ears.musicnn is not None, "nothing is embedded without it"
        return embed_cached(self.ears.musicnn, clip, self.rate, hop_s=HOP_S)

    def _panel(self, clip: Samples) -> dict[str, float | None]:
        values = {name: getattr(Panel.of(clip, self.rate), name) for name in PANEL}
        if self.ears.notes is not None:
            heard = asdict(self.ears.notes.notes(clip, self.rate))
            values = {name: heard[name] for name in NOTES} | values
        return values


def with_positions(sets: Sequence[Measured], floor: str, ceiling: str) -> list[Measured]:
    """The same sets with their positions between two of them."""
    by_name: Mapping[str, Measured] = {one.name: one for one in sets}
    low, high = by_name[floor].kad, by_name[ceiling].kad
    if low is None or high is None or high <= low:
        return list(sets)
    return [one if one.kad is None else replace(one, position=(one.kad - low) / (high - low)) for one in sets]


def _band(values: Sequence[Any], count: int, seed: int) -> Band | None:
    return Band.of(values, clips=count, seed=seed) if any(value is not None for value in values) else None
