import os
from pathlib import Path

import pytest

from fastgan.audio.folder import list_sounds
from fastgan.base.errors import BadInput


def make(top: Path, *names: str) -> Path:
    for name in names:
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"RIFF")
    return top


def genres(top: Path) -> dict[str, str]:
    return {file.name: file.genre for file in list_sounds(top).files}


def test_gtzan_as_kaggle_packs_it(tmp_path: Path) -> None:
    make(
        tmp_path,
        "Data/genres_original/blues/blues.00000.wav",
        "Data/genres_original/blues/._blues.00000.wav",
        "Data/genres_original/jazz/jazz.00054.wav",
        "__MACOSX/Data/genres_original/blues/._blues.00000.wav",
        "Data/genres_original/.DS_Store",
    )
    for name in ("Data/images_original/blues/blues00000.png", "Data/features_30_sec.csv", "Data/features_3_sec.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    listing = list_sounds(tmp_path)
    assert {file.name: file.genre for file in listing.files} == {
        "Data/genres_original/blues/blues.00000.wav": "blues",
        "Data/genres_original/jazz/jazz.00054.wav": "jazz",
    }
    assert listing.ignored == {".csv": 2, ".png": 1}
    assert set(genres(tmp_path / "Data" / "genres_original").values()) == {"blues", "jazz"}


def test_gtzan_as_marsyas_packs_it(tmp_path: Path) -> None:
    make(tmp_path, "genres/blues/blues.00000.au", "genres/rock/rock.00001.au")
    (tmp_path / "genres/bextract_single.mf").write_text("genres/blues/blues.00000.au\tblues\n")
    assert genres(tmp_path) == {"genres/blues/blues.00000.au": "blues", "genres/rock/rock.00001.au": "rock"}


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["blues.00000.wav", "rock.00001.wav"], ["blues", "rock"]),  # flat, by GTZAN's names
        (["one.mp3", "two.flac"], ["TOP", "TOP"]),  # flat, by the folder
        (["Rock/Band/Album/1.mp3", "Jazz/x.ogg"], ["Jazz", "Rock"]),  # by artist and album below the genre
        (["music/rock/a.wav", "music/rock/b.wav"], ["rock", "rock"]),  # a single genre
        (["rock/a.wav", "b.wav"], ["TOP", "rock"]),
        (["rock/a.wav", "rockabilly/b.wav"], ["rock", "rockabilly"]),  # not the common letters
    ],
)
def test_where_the_genre_stands(tmp_path: Path, names: list[str], wanted: list[str]) -> None:
    top = make(tmp_path / "TOP", *names)
    assert sorted(genres(top).values()) == sorted(wanted)


def test_sound_is_found_by_content_under_strange_names(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "track01", "b.dat")
    (tmp_path / "notes.txt").write_text("no sound")
    listing = list_sounds(tmp_path)
    assert [file.name for file in listing.files] == ["a.wav", "b.dat", "track01"]
    assert listing.ignored == {".txt": 1}


def test_what_runs_made_is_no_music_to_learn_from(tmp_path: Path) -> None:
    for name in (
        "a.wav",
        "run/music.wav",
        "run/samples/epoch_0001.wav",
        "deep/run/generated/b.wav",
        "other/samples/c.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"RIFF")
    for run in ("run", "deep/run"):
        for name in ("config.json", "quarantine.json"):
            (tmp_path / run / name).write_text("{}")
    (tmp_path / "other" / "config.json").write_text("{}")
    listing = list_sounds(tmp_path)
    assert [file.name for file in listing.files] == ["a.wav", "other/samples/c.wav"]
    assert listing.ignored == {".json": 1, "folder of a run": 2}
    assert len(list_sounds(tmp_path / "run").files) == 2, "unless it is what was asked for"


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    top = make(tmp_path / "top", "rock/a.wav")
    make(tmp_path / "elsewhere", "b.wav")
    os.symlink(top, top / "rock" / "loop")
    os.symlink(tmp_path / "elsewhere", top / "jazz")
    os.symlink(top / "nowhere.wav", top / "rock" / "broken.wav")
    os.mkfifo(top / "rock" / "pipe.wav")
    listing = list_sounds(top)
    assert [file.name for file in listing.files] == ["jazz/b.wav", "rock/a.wav"]
    assert listing.ignored == {"broken link": 1, "not a file": 1}


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
    with open(os.fsencode(tmp_path) + b"/caf\xe9/\xff.wav", "wb") as stream:
        stream.write(b"RIFF")
    (file,) = list_sounds(tmp_path).files
    assert os.fsencode(file.name) == b"caf\xe9/\xff.wav"


def test_what_holds_no_music_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no folder .*nowhere; give a folder of"):
        list_sounds(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="holds nothing"):
        list_sounds(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(BadInput, match=r"holds 1 x \.txt"):
        list_sounds(tmp_path)
    with pytest.raises(BadInput, match="is a file"):
        list_sounds(tmp_path / "a.txt")


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "rock/a.wav")
    scan = os.scandir

    def deny(path: str) -> object:
        if str(path).endswith("rock"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", deny)  # a test that runs as root could not be denied otherwise
    with pytest.raises(BadInput, match=r"cannot read .*rock: Permission denied; give yourself the right"):
        list_sounds(tmp_path)
