from collections import Counter

import pytest

from fastgan.audio.split import choose_clips, long_enough, recordings, same_sound, split_clips
from fastgan.audio.store import Clip
from fastgan.base.errors import BadInput


def clips(per_genre: dict[str, int], length: int = 700) -> list[Clip]:
    names = [(genre, f"{genre}/{number}.wav") for genre, count in per_genre.items() for number in range(count)]
    return [Clip(name, genre, length * place, length, name) for place, (genre, name) in enumerate(names)]


@pytest.mark.parametrize("seed", range(5))
def test_six_to_one_in_every_genre(seed: int) -> None:
    corpus = clips(dict.fromkeys("abcdefghij", 100))
    train, held = split_clips(corpus, seed)
    assert sorted(train + held, key=lambda clip: clip.start) == corpus
    assert len(held) == 143  # 1,000 / 7
    assert set(Counter(clip.genre for clip in held).values()) == {14, 15}


def test_small_genres_share_what_is_held_out() -> None:
    train, held = split_clips(clips(dict.fromkeys("abcdefghij", 3)), 0)
    assert len(held) == 4
    assert len({clip.genre for clip in held}) == 4
    assert {clip.genre for clip in train} == set("abcdefghij")


def test_a_genre_of_one_is_trained_on() -> None:
    for seed in range(20):
        train, _ = split_clips(clips({"only": 1, "many": 13}), seed)
        assert any(clip.genre == "only" for clip in train)


def test_the_seed_decides() -> None:
    corpus = clips({"a": 30})
    assert split_clips(corpus, 1) == split_clips(corpus, 1)
    assert split_clips(corpus, 1) != split_clips(corpus, 2)


@pytest.mark.parametrize("count", [2, 3, 6, 7, 8])
def test_both_sides_have_something(count: int) -> None:
    train, held = split_clips(clips({"a": count}), 0)
    assert train
    assert len(held) == 1


def test_a_single_clip_is_cut_in_time() -> None:
    (train,), (held,) = split_clips(clips({"a": 1}), 0)
    assert (train.start, train.length, held.start, held.length) == (0, 600, 600, 100)


def test_copies_of_one_recording_stay_on_one_side() -> None:
    corpus = [Clip(f"{n}.wav", "a", 10 * n, 10, digest=str(n // 5)) for n in range(35)]
    for seed in range(10):
        train, held = split_clips(corpus, seed)
        assert len(held) == 5
        assert {clip.digest for clip in train}.isdisjoint(clip.digest for clip in held)


def test_a_corpus_of_copies_is_split_all_the_same() -> None:
    train, held = split_clips([Clip(f"{n}.wav", "a", 10 * n, 10, "same") for n in range(7)], 0)
    assert (len(train), len(held)) == (6, 1)


def named(*names: str, genre: str = "a") -> list[Clip]:
    return [Clip(name, genre, 10 * place, 10, name) for place, name in enumerate(names)]


def groups(clips: list[Clip], group: str) -> list[list[str]]:
    """The names of each recording."""
    found: dict[int, list[str]] = {}
    for clip, number in zip(clips, recordings(clips, group), strict=True):
        found.setdefault(number, []).append(clip.name)
    return list(found.values())


def test_recordings_are_told_apart_as_asked() -> None:
    corpus = named("x/one-1.wav", "x/one-02.flac", "x/two-1.mp3", "x/two-1b.mp3", "x/alone.wav", "y/one-3.wav", "9.wav")
    assert groups(corpus, "file") == [[clip.name] for clip in corpus]
    assert groups(corpus, "folder") == [[clip.name for clip in corpus[:5]], ["y/one-3.wav"], ["9.wav"]]
    assert groups(corpus, "name") == [
        ["x/one-1.wav", "x/one-02.flac"],
        ["x/two-1.mp3"],
        ["x/two-1b.mp3"],
        ["x/alone.wav"],
        ["y/one-3.wav"],
        ["9.wav"],
    ]
    with pytest.raises(ValueError, match="group is 'artist'; it takes file, name, folder"):
        recordings(corpus, "artist")


def test_only_the_last_number_may_differ() -> None:
    corpus = named("2/song 1 take 1.wav", "2/song 1 take 2.wav", "2/song 2 take 1.wav", "2/song  take 1.wav")
    assert groups(corpus, "name") == [
        ["2/song 1 take 1.wav", "2/song 1 take 2.wav"],
        [corpus[2].name],
        [corpus[3].name],
    ]


def test_a_copy_joins_two_recordings() -> None:
    one, two, three = named("one-1.wav", "one-2.wav", "two-1.wav")
    copy = Clip("two-2.wav", "a", 30, 10, one.digest)
    assert groups([one, two, three, copy], "name") == [["one-1.wav", "one-2.wav", "two-1.wav", "two-2.wav"]]
    assert groups([one, three, copy, two], "file") == [["one-1.wav", "two-2.wav"], ["two-1.wav"], ["one-2.wav"]]


@pytest.mark.parametrize("seed", range(10))
def test_recordings_stay_whole(seed: int) -> None:
    corpus = named(*(f"song {song} part-{part}.wav" for part in range(5) for song in "abcdefghijklmn"))
    train, held = split_clips(corpus, seed, "name")
    assert sorted(train + held, key=lambda clip: clip.start) == corpus
    assert len(held) == 10  # two of 14 recordings
    assert {clip.name[:6] for clip in train}.isdisjoint(clip.name[:6] for clip in held)


def test_clips_are_spread_over_genres() -> None:
    corpus = clips({"a": 50, "b": 50, "c": 2})
    picked = choose_clips(corpus, [], 20, 0)
    assert Counter(clip.genre for clip in picked) == {"a": 9, "b": 9, "c": 2}
    assert picked == sorted(picked, key=lambda clip: clip.start)
    assert picked == choose_clips(corpus, [], 20, 0)
    assert picked != choose_clips(corpus, [], 20, 1)


def test_genres_are_found_as_people_write_them() -> None:
    corpus = clips({"hiphop": 2, "Jazz": 3})
    assert len(choose_clips(corpus, ["Hip Hop"], 0, 0)) == 2
    assert len(choose_clips(corpus, ["JAZZ", "jazz"], 0, 0)) == 3
    assert choose_clips(corpus, [], 0, 0) == corpus
    with pytest.raises(BadInput, match="no genre 'polka' here; there are Jazz, hiphop"):
        choose_clips(corpus, ["polka"], 0, 0)
    with pytest.raises(BadInput, match="6 clips wanted, 5 usable"):
        choose_clips(corpus, [], 6, 0)


def test_short_clips_and_copies_are_named() -> None:
    corpus = [Clip("a.wav", "x", 0, 6, "1"), Clip("b.wav", "x", 6, 7, "2"), Clip("c.wav", "x", 13, 7, "2")]
    kept, short = long_enough(corpus, 7)
    assert [clip.name for clip in kept] == ["b.wav", "c.wav"]
    assert short[0]["file"] == "a.wav"
    assert "6 samples are less than the 7" in short[0]["reason"]
    assert same_sound(kept) == [{"file": "c.wav", "note": "the same sound as b.wav"}]
