"""Which clips of a corpus a run uses, and which of them it never trains on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastgan.audio.corpus import Corpus
from fastgan.audio.split import choose_clips, long_enough, same_sound, split_clips
from fastgan.audio.store import Clip
from fastgan.base.errors import BadInput
from fastgan.gan.music.excerpts import sounding_frames
from fastgan.nn.encoder import FRAME
from fastgan.ops.stft import Frames


@dataclass(frozen=True)
class Selection:
    """The clips of a run.

    Attributes:
        train: what it learns from.
        held_out: what it does not.
        left_out: other clips of the corpus that cannot be used, as {"file", "reason"}.
        noted: used ones with something to be said of them, as {"file", "note"}.
    """

    train: list[Clip]
    held_out: list[Clip]
    left_out: list[dict[str, str]]
    noted: list[dict[str, str]]

    @property
    def digest(self) -> str:
        """Of the samples and of who lies where on which side: what all that a run draws rests on."""
        digest = hashlib.blake2b(digest_size=16)
        for clip in self.train + self.held_out:
            digest.update(f"{clip.digest} {clip.start} {clip.length}\n".encode())
        return digest.hexdigest()


def select(corpus: Corpus, settings: Mapping[str, Any]) -> Selection:
    """Choose and split the clips of a run: the same for the same settings and corpus.

    Args:
        corpus: what there is.
        settings: the run's, as its config.json has them.

    Raises:
        BadInput: no clip is long enough, or the settings ask for what is not there.
    """
    window, rate = settings["window"], settings["rate"]
    spectral = settings["encoder"] == "spectral"
    frames, count = Frames.of_rate(rate), (window + 1) * settings["group"]
    need = frames.samples(count) if spectral else (window + 1) * (FRAME if settings["encoder"] == "conv" else 1)
    clips, left_out = long_enough(corpus.index.clips, need)
    if not clips:
        longest = max(clip.length for clip in corpus.index.clips)
        raise BadInput(
            f"no clip holds a window and the value after it, {need:,} samples: the longest has {longest:,}; take a smaller --window"
        )
    if spectral:
        clips, quiet = _sounding(corpus, clips, frames, count)
        left_out = left_out + quiet
    chosen = choose_clips(clips, genres_of(settings), settings["clips"], settings["seed"])
    train, held_out = split_clips(chosen, settings["seed"])
    return Selection(train, held_out, left_out, same_sound(chosen))


def genres_of(settings: Mapping[str, Any]) -> list[str]:
    """The names of the wanted genres; none for all."""
    return [name.strip() for name in settings["genres"].split(",") if name.strip()]


def _sounding(corpus: Corpus, clips: list[Clip], frames: Frames, count: int) -> tuple[list[Clip], list[dict[str, str]]]:
    """Keep clips with so many frames of sound between the silence around it."""
    seconds = frames.samples(count) / corpus.index.rate
    kept, quiet = [], []
    for clip in clips:
        found = sounding_frames(corpus, clip, frames)
        if found >= count:
            kept.append(clip)
        else:
            heard = frames.samples(found) / corpus.index.rate
            reason = f"without the silence around it {heard:.1f} s are left, and {seconds:.1f} are needed"
            quiet.append({"file": clip.name, "reason": reason})
    if not kept:
        raise BadInput(f"no clip has {seconds:.1f} s of sound between silence; take a smaller --window or other music")
    return kept, quiet
