"""Chains against closed forms: exact on a few samples, within derived errors on known sources."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from fastgan.base.errors import BadInput
from fastgan.paper.peers import markov
from fastgan.paper.peers.markov import MarkovChain
from fastgan.paper.peers.mulaw import decode, encode
from tests.conftest import tune
from tests.paper.peers.corpora import corpus_of

# Every row holds the same probabilities, so each step has the same entropy whatever came before it.
ROW = np.array([0.5, 0.25, 0.15, 0.1])
MATRIX = np.stack([np.roll(ROW, shift) for shift in range(4)])
ENTROPY = -float(ROW @ np.log2(ROW))


def sound(*codes: int, levels: int) -> np.ndarray:
    return decode(np.array(codes, np.uint8), levels)


def source(length: int, seed: int) -> np.ndarray:
    """Levels 0 .. 3 that follow each other by MATRIX, as samples."""
    random = np.random.default_rng(seed)
    # Row s is ROW rolled by s: the next level is the last one plus an independent draw from ROW.
    return decode((np.cumsum(random.choice(4, length, p=ROW)) % 4).astype(np.uint8), 4)


def fit(*clips: np.ndarray, order: int, levels: int) -> MarkovChain:
    corpus = corpus_of(*clips)
    return MarkovChain.fit(corpus, corpus.index.clips, order=order, levels=levels)


def bits(chain: MarkovChain, *clips: np.ndarray) -> float:
    corpus = corpus_of(*clips)
    return chain.bits(corpus, corpus.index.clips)


def by_the_book(train: list[list[int]], test: list[list[int]], order: int, levels: int) -> float:
    """Bits per sample by the definition: dictionaries and recursion."""
    follow: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for clip in train:
        for n, level in enumerate(clip):
            for size in range(min(order, n) + 1):
                follow[tuple(clip[n - size : n])][level] += 1

    def probability(level: int, context: tuple[int, ...]) -> float:
        shorter = probability(level, context[1:]) if context else 1 / levels
        seen = follow[context]
        if not seen:
            return shorter
        return (seen[level] + len(seen) * shorter) / (seen.total() + len(seen))

    surprise = [
        -math.log2(probability(level, tuple(clip[max(0, n - order) : n])))
        for clip in test
        for n, level in enumerate(clip)
    ]
    return sum(surprise) / len(surprise)


def test_order_0_is_the_counts() -> None:
    chain = fit(sound(0, 0, 1, levels=2), order=0, levels=2)
    # N = 3, T = 2: (2 + 2 / 2) / 5 and (1 + 2 / 2) / 5.
    assert chain.probability(np.array([0, 1]), 0) == pytest.approx([3 / 5, 2 / 5])
    assert bits(chain, sound(0, 1, levels=2)) == pytest.approx(-(math.log2(3 / 5) + math.log2(2 / 5)) / 2)


def test_contexts_do_not_cross_clips() -> None:
    chain = fit(sound(0, 0, 0, levels=3), sound(2, 2, levels=3), order=1, levels=3)
    assert list(chain.pairs[chain.pairs_of[1] :]) == [0 * 3 + 0, 2 * 3 + 2], "2 after 0 is only where a clip begins"
    apart = bits(chain, sound(0, levels=3), sound(2, levels=3))
    # Both stand at starts of clips, where order 0 decides: N = 5, T = 2, so (3 + 2/3) / 7 and (2 + 2/3) / 7.
    assert apart == pytest.approx(-(math.log2(11 / 21) + math.log2(8 / 21)) / 2)


@pytest.mark.parametrize(("order", "levels"), [(0, 5), (1, 2), (2, 3), (4, 2), (7, 3)])
@pytest.mark.parametrize("chunk", [5, 1 << 22])
def test_bits_are_those_of_the_definition(order: int, levels: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markov, "_CHUNK", chunk)  # clips in pieces, and pieces of several clips together
    random = np.random.default_rng(order)
    train, test = ([list(random.integers(0, levels, n)) for n in lengths] for lengths in ((40, 3, 1, 23), (17, 1, 6)))
    chain = fit(*(sound(*clip, levels=levels) for clip in train), order=order, levels=levels)
    found = bits(chain, *(sound(*clip, levels=levels) for clip in test))
    assert found == pytest.approx(by_the_book(train, test, order, levels), rel=1e-12)


def test_clips_shorter_than_the_context_still_count() -> None:
    train = [[0, 1], [1]]
    chain = fit(*(sound(*clip, levels=2) for clip in train), order=5, levels=2)
    test = [[0, 1, 1, 0, 1, 0, 0, 1]]
    assert bits(chain, sound(*test[0], levels=2)) == pytest.approx(by_the_book(train, test, 5, 2))
    assert len(chain.generate(50, 0)) == 50


@pytest.mark.parametrize("order", [0, 1, 3])
def test_probabilities_of_what_may_follow_are_1_together(order: int) -> None:
    chain = fit(source(500, 0), order=order, levels=4)
    contexts = np.arange(4**order)
    everything = (contexts[:, None] * 4 + np.arange(4)).reshape(-1)
    np.testing.assert_allclose(chain.probability(everything, order).reshape(-1, 4).sum(axis=1), 1, rtol=1e-12)


def test_a_known_source_is_recovered() -> None:
    train, held_out = 200_000, 100_000
    chain = fit(source(train, 0), order=1, levels=4)
    found = chain.probability(np.arange(16), 1).reshape(4, 4)
    # Every context occurs train / 4 times (the chain is doubly stochastic), and 4 imagined ones are mixed in.
    visits = train / 4 * 0.98
    np.testing.assert_allclose(found, MATRIX, atol=5 * math.sqrt(0.25 / visits) + 4 / visits)
    # The surprise of a step is that of an independent draw from ROW, so its mean over M has the variance of one over M;
    # 12 estimated numbers cost 12 / (2 N ln 2) bits on the average, and 3 times that is far in the tail.
    spread = math.sqrt(ROW @ np.log2(ROW) ** 2 - ENTROPY**2)
    excess = 12 / (2 * train * math.log(2))
    assert bits(chain, source(held_out, 1)) == pytest.approx(ENTROPY, abs=5 * spread / math.sqrt(held_out) + 3 * excess)
    # An order too many costs 4 times as many numbers and finds nothing.
    longer = fit(source(train, 0), order=2, levels=4)
    assert bits(longer, source(held_out, 1)) > bits(chain, source(held_out, 1))


def test_what_is_drawn_has_the_probabilities_that_bits_uses() -> None:
    chain = fit(source(400, 0), tune(0.02), order=2, levels=4)  # few counts: the shorter contexts have a say
    drawn = encode(chain.generate(60_000, 3), 4).astype(np.int64)
    keys = (drawn[:-2] * 4 + drawn[1:-1]) * 4 + drawn[2:]
    met = np.bincount(keys, minlength=64).reshape(16, 4)
    expected = chain.probability(np.arange(64), 2).reshape(16, 4) * met.sum(axis=1, keepdims=True)
    assert (met.sum(axis=1) > 100).sum() >= 8
    enough = expected > 5
    squares = float((np.square(met - expected) / np.maximum(expected, 1e-9))[enough].sum())
    freedom = enough.sum()
    assert squares < freedom + 5 * math.sqrt(2 * freedom), (
        "chi-square: as many as its freedoms, with twice the variance"
    )


def test_what_is_drawn_is_stationary_as_the_source_is() -> None:
    drawn = encode(fit(source(100_000, 0), order=1, levels=4).generate(100_000, 1), 4)
    shares = np.bincount(drawn, minlength=4) / len(drawn)
    # Uniform by symmetry. Correlation dies by the second eigenvalue, |0.35 + 0.15 i|, so a share's variance is at most
    # (1 + 0.39) / (1 - 0.39) = 2.3 times that of independent draws; the chain learnt from as many, which doubles it.
    assert abs(complex(ROW @ np.exp(2j * np.pi * np.arange(4) / 4))) < 0.39
    np.testing.assert_allclose(shares, 0.25, atol=5 * math.sqrt(2 * 2.3 * 0.25 * 0.75 / len(drawn)))


def test_sound_is_a_function_of_the_seed_and_grows_at_its_end() -> None:
    chain = fit(tune(1), order=3, levels=32)
    made = chain.generate(3_000, 1)
    assert made.dtype == np.int16
    np.testing.assert_array_equal(chain.generate(5_000, 1)[:3_000], made)
    assert not np.array_equal(chain.generate(3_000, 2), made)
    assert len(chain.generate(0, 1)) == 0


def test_longer_contexts_help_until_the_music_runs_out() -> None:
    train, test = [tune(2, seed=seed) for seed in range(4)], [tune(2, seed=9)]
    found = [bits(fit(*train, order=order, levels=32), *test) for order in range(3)]
    assert found[0] > found[1] > found[2]
    assert found[0] < 5, "32 levels, unknown, are 5 bits"


@pytest.mark.parametrize(
    ("order", "levels", "words"),
    [(1, 1, "2 to 256"), (1, 257, "2 to 256"), (-1, 16, "0 to 14"), (7, 256, "0 to 6"), (62, 2, "0 to 61")],
)
def test_sizes_that_do_not_fit_are_refused(order: int, levels: int, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        fit(tune(0.01), order=order, levels=levels)


@pytest.mark.parametrize(("order", "levels"), [(6, 256), (61, 2), (14, 16)])
def test_the_longest_contexts_fit_in_a_number(order: int, levels: int) -> None:
    chain = fit(np.full(100, 32_767, np.int16), order=order, levels=levels)  # the largest digits
    assert chain.pairs[-1] == levels ** (order + 1) - 1
    assert bits(chain, np.full(1_000, 32_767, np.int16)) < 0.2


def test_a_table_without_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markov, "MOST_PAIRS", 1_000)
    with pytest.raises(BadInput, match=r"more than 1,000 different pairs .* take a lower order"):
        fit(tune(1), order=2, levels=256)
    fit(tune(1), order=2, levels=8)


def test_no_sample_is_refused() -> None:
    with pytest.raises(BadInput, match="no sample"):
        fit(np.zeros(0, np.int16), order=1, levels=4)
    with pytest.raises(BadInput, match="no sample"):
        bits(fit(tune(0.1), order=1, levels=4), np.zeros(0, np.int16))
