"""A Markov chain on quantised samples: the oldest way to compose by computer that the paper cites (its reference 1).

Hiller and Isaacson drew notes by tables of what may follow what ("Experimental Music", 1959, the fourth experiment).
Here the notes are samples, companded to K levels (`fastgan.paper.peers.mulaw`), and the table is counted over the clips.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fastgan.audio.corpus import Corpus
from fastgan.audio.store import Clip
from fastgan.base.errors import BadInput
from fastgan.paper.peers.mulaw import LEVELS, decode, encode

MOST_PAIRS = 1 << 23
"""Different (context, next level) pairs that an order may have. Each takes at most 32 bytes, so an order takes 256 MB."""

_CHUNK = 1 << 22  # samples counted at a time: 32 MB of keys
_KEY_BITS = 62  # of a context and what follows it, as one number

Longs = NDArray[np.int64]


@dataclass(frozen=True)
class MarkovChain:
    """What follows each context of the `order` levels before it, counted, with shorter contexts to fall back on.

    The probability of level x after context c of j levels is Witten and Bell's ("The zero-frequency problem", 1991, method
    C) in the interpolated form of Chen and Goodman ("An empirical study of smoothing techniques for language modeling",
    1998): with N occurrences of c, followed by T different levels,

        P_j(x | c) = (count(c, x) + T P_{j-1}(x | c without its oldest level)) / (N + T),

    and P_{-1} = 1 / K. A context that was never seen has N = T = 0 and leaves all to the shorter one. At the start of a clip
    the context is what there is. So nothing has probability 0, and there is no number to tune.

    The table holds what occurred, as sorted arrays; it grows with the number of different pairs and not with K ** order.
    The pairs of order 0 come first, then those of order 1, and so on; likewise the contexts.

    Attributes:
        order: k, the longest context, in samples.
        levels: K.
        pairs: int64 [P], a context and what follows it as the digits of a number to the base K, oldest first; ascending
            within an order.
        totals: int64 [P + 1], how often the pairs before each one occurred.
        contexts: int64 [C], a context as such a number; ascending within an order.
        first: int64 [C + 1], where the pairs of each context begin.
        pairs_of: int64 [k + 2], where the pairs of each order begin.
        contexts_of: int64 [k + 2], where the contexts of each order begin.
    """

    order: int
    levels: int
    pairs: Longs
    totals: Longs
    contexts: Longs
    first: Longs
    pairs_of: Longs
    contexts_of: Longs

    @classmethod
    def fit(cls, corpus: Corpus, clips: list[Clip], *, order: int, levels: int) -> "MarkovChain":
        """Count a chain over all samples of clips; no context crosses the border of a clip.

        Args:
            corpus: where the samples are.
            clips: what to count.
            order: samples of context, 0 or more.
            levels: K, 2 to 256.

        Raises:
            BadInput: a size is out of its range, an order's pairs would be more than `MOST_PAIRS`, or there is no sample.
        """
        _check(order, levels)
        counted = _count_orders(corpus, clips, order, levels)
        contexts = [np.unique(pairs // levels) for pairs, _ in counted]
        pairs_of = np.cumsum([0] + [len(pairs) for pairs, _ in counted])
        first = [
            offset + np.searchsorted(pairs // levels, known)
            for (pairs, _), known, offset in zip(counted, contexts, pairs_of[:-1], strict=True)
        ]
        return cls(
            order=order,
            levels=levels,
            pairs=np.concatenate([pairs for pairs, _ in counted]),
            totals=np.concatenate(([0], np.cumsum(np.concatenate([counts for _, counts in counted])))),
            contexts=np.concatenate(contexts),
            first=np.concatenate((*first, pairs_of[-1:])),
            pairs_of=pairs_of,
            contexts_of=np.cumsum([0] + [len(known) for known in contexts]),
        )

    def bits(self, corpus: Corpus, clips: list[Clip]) -> float:
        """Cross-entropy of clips under the chain: bits per sample, of its level given those before it in its clip.

        Only chains with the same K can be compared by it.

        Raises:
            BadInput: the clips have no sample, or too many different pairs, see `MOST_PAIRS`.
        """
        top, starts = _count(corpus, clips, self.order, self.levels)
        everything = [*starts, top]
        surprise = [
            -float(counts @ np.log2(self.probability(pairs, order)))
            for order, (pairs, counts) in enumerate(everything)
            if len(pairs)
        ]
        return sum(surprise) / sum(int(counts.sum()) for _, counts in everything)

    def probability(self, pairs: Longs, order: int) -> NDArray[np.float64]:
        """Of the last level of each pair after the levels before it, P_order: int64 [n] to [n].

        Args:
            pairs: contexts and next levels as `MarkovChain.pairs` has them, of `order` + 1 levels each.
            order: 0 to the chain's.
        """
        value = np.full(len(pairs), 1 / self.levels)
        for shorter in range(order + 1):
            pair = pairs % self.levels ** (shorter + 1)
            begin, end = self.contexts_of[shorter : shorter + 2]
            if begin == end:  # every clip was shorter than this
                break
            place, seen = _find(self.contexts[begin:end], pair // self.levels)
            here, after = self.first[begin + place], self.first[begin + place + 1]
            occurred = np.where(seen, self.totals[after] - self.totals[here], 0)
            different = np.where(seen, after - here, 0)
            begin, end = self.pairs_of[shorter : shorter + 2]
            place, met = _find(self.pairs[begin:end], pair)
            count = np.where(met, self.totals[begin + place + 1] - self.totals[begin + place], 0)
            mixed = (count + different * value) / np.maximum(occurred + different, 1)
            value = np.where(seen, mixed, value)
        return value

    def generate(self, length: int, seed: int) -> NDArray[np.int16]:
        """Draw a sound from the distribution that `bits` measures with, as if it were the start of a clip.

        Args:
            length: samples wanted.
            seed: chooses the sound.

        Returns:
            int16 [length]. The first samples do not depend on how many follow.
        """
        codes = np.empty(length, np.uint8)
        _draw(
            np.random.default_rng(seed),
            self.levels,
            self.pairs,
            self.totals,
            self.contexts,
            self.first,
            self.contexts_of,
            codes,
        )
        return decode(codes, self.levels)


Counted = tuple[Longs, Longs]
"""Pairs, ascending, and how often each occurred."""


def _check(order: int, levels: int) -> None:
    if not LEVELS[0] <= levels <= LEVELS[1]:
        raise BadInput(f"levels is {levels}; a chain has {LEVELS[0]} to {LEVELS[1]} of them")
    longest = math.floor(_KEY_BITS / math.log2(levels)) - 1
    if not 0 <= order <= longest:
        raise BadInput(f"order is {order}; with {levels} levels a chain has an order of 0 to {longest}")


def _count_orders(corpus: Corpus, clips: list[Clip], order: int, levels: int) -> list[Counted]:
    """The pairs of orders 0 to `order`: a shorter context occurs wherever a longer one ends in it, and at starts of clips."""
    top, starts = _count(corpus, clips, order, levels)
    counted = [top]
    for shorter in reversed(range(order)):
        pairs, counts = counted[0]
        counted.insert(0, _merge([(pairs % levels ** (shorter + 1), counts), starts[shorter]], order, levels))
    return counted


def _count(corpus: Corpus, clips: list[Clip], order: int, levels: int) -> tuple[Counted, list[Counted]]:
    """Pairs of this order, and those of orders 0 .. order - 1 that stand at starts of clips, where there is no longer one."""
    if not any(clip.length for clip in clips):
        raise BadInput(f"the {len(clips)} clips hold no sample to count; give some that do")
    top = _nothing()
    for keys in _full(_keys(corpus, clips, order, levels)):
        top = _merge([top, np.unique(keys, return_counts=True)], order, levels)
    starts = []
    for shorter in range(order):
        heads = [encode(corpus.samples[clip.start :][: shorter + 1], levels) for clip in clips if clip.length > shorter]
        found = [_digits(head, shorter, levels) for head in heads]
        starts.append(np.unique(np.concatenate(found), return_counts=True) if found else _nothing())
    return top, starts


def _keys(corpus: Corpus, clips: list[Clip], order: int, levels: int) -> Iterator[Longs]:
    """All pairs of an order, clip by clip and in bounded pieces; neighbouring pieces share `order` samples."""
    for clip in clips:
        for begin in range(0, max(0, clip.length - order), _CHUNK):
            end = min(clip.length, begin + _CHUNK + order)
            codes = encode(corpus.samples[clip.start + begin : clip.start + end], levels)
            yield _digits(codes, order, levels)


def _full(pieces: Iterable[Longs]) -> Iterator[Longs]:
    """The same numbers in fewer pieces: to sort them costs less than to merge what was sorted."""
    waiting: list[Longs] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(map(len, waiting)) >= _CHUNK:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _digits(codes: NDArray[np.uint8], order: int, levels: int) -> Longs:
    """Every `order` + 1 neighbouring levels [n] as one number, oldest first: [n - order]."""
    keys = np.zeros(len(codes) - order, np.int64)
    for place in range(order + 1):
        keys *= levels
        keys += codes[place : place + len(keys)]
    return keys


def _nothing() -> Counted:
    return np.empty(0, np.int64), np.empty(0, np.int64)


def _merge(parts: list[Counted], order: int, levels: int) -> Counted:
    """Add up counts of the same pairs."""
    pairs, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    by_pair = np.argsort(pairs, kind="stable")
    pairs, counts = pairs[by_pair], counts[by_pair]
    begins = np.flatnonzero(np.diff(pairs, prepend=-1))
    if len(begins) > MOST_PAIRS:
        raise BadInput(
            f"a chain of order {order} on {levels} levels meets more than {MOST_PAIRS:,} different pairs of a context and "
            "what follows it; take a lower order, fewer levels or less music"
        )
    return pairs[begins], np.add.reduceat(counts, begins) if len(begins) else counts


def _find(known: Longs, wanted: Longs) -> tuple[Longs, NDArray[np.bool_]]:
    """Where in an ascending array [n > 0] each number stands, and whether it does; a place is valid also where not."""
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return place, known[place] == wanted


@njit(cache=True)
def _draw(random, levels, pairs, totals, contexts, first, contexts_of, codes):
    """Draw level after level: P_j is a choice between what followed the context (N of N + T) and P_{j-1}."""
    order = contexts_of.size - 2
    modulus = levels**order
    history = 0
    for n in range(codes.size):
        code = -1
        context, size = history, levels ** min(order, n)
        for shorter in range(min(order, n), -1, -1):
            context %= size
            size //= levels
            begin, end = contexts_of[shorter], contexts_of[shorter + 1]
            place = begin + np.searchsorted(contexts[begin:end], context)
            if place == end or contexts[place] != context:
                continue
            here, after = first[place], first[place + 1]
            occurred = totals[after] - totals[here]
            drawn = int(random.random() * (occurred + after - here))
            if drawn < occurred:
                pair = here + np.searchsorted(totals[here + 1 : after + 1], totals[here] + drawn, side="right")
                code = pairs[pair] % levels
                break
        if code < 0:
            code = int(random.random() * levels)
        codes[n] = code
        history = (history * levels + code) % modulus
