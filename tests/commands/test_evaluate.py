"""The comparison as a command, with ears of its own where packages are absent: what stays in its place is what is tested."""

import json

import numpy as np
import pytest

from fastgan import evaluate
from fastgan.measure import compare
from fastgan.measure.compare import Ears
from fastgan.measure.distances import Reference
from fastgan.measure.sets import evenly, read_real
from tests.conftest import RATE


class Model:
    """Embeds a second by its level in three bands of frequency: enough to tell noise from tunes."""

    version = "of the tests"

    def embed(self, samples, rate, *, hop_s):
        seconds = samples[: len(samples) // rate * rate].reshape(-1, rate) / 32_768
        power = np.abs(np.fft.rfft(seconds, axis=1)) ** 2
        bands = [power[:, low:high].sum(axis=1) for low, high in ((0, 300), (300, 1500), (1500, rate // 2))]
        return np.log10(np.stack(bands, axis=1) + 1e-3).astype(np.float32)


@pytest.fixture
def folders(music, tmp_path):
    return music(per_genre=7, seconds=6.2), music(per_genre=2, genres=("made",), seconds=6.5, name="generated")


def test_without_the_packages_the_rest_is_measured(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "_ears", lambda: Ears(None, None, ("KAD: the package musicnn is not installed",)))
    real, made = folders
    assert evaluate.main([str(real), str(made), "--seconds", "3", "--clips", "3", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "left out: KAD: the package musicnn is not installed" in said
    assert "silence: degenerate clips" in said
    assert "the music: 12 recordings to learn from and 2 held out: each file counts as a recording of its own" in said
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    by_name = {one["name"]: one for one in found["sets"]}
    assert by_name["generated"]["kad"] is None
    assert by_name["real, learnt from"]["panel"]["flux_db"] > 0
    assert by_name["real, learnt from"]["fad_infinity"] is None
    assert found["fewest_patches"] is None
    assert by_name["white noise"]["vetoed"]
    assert set(found["bands"]) == set(compare.PANEL)
    assert "KAD: the package musicnn is not installed" in (tmp_path / "out" / "evaluation.html").read_text()


def test_distances_have_their_order(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "_ears", lambda: Ears(Model(), None))
    real, made = folders
    assert evaluate.main([str(real), str(made), "--seconds", "3", "--clips", "4"]) == 0
    found = json.loads((made / "evaluation" / "evaluation.json").read_text())
    by_name = {one["name"]: one for one in found["sets"]}
    assert by_name["real, held out"]["position"] == 0
    assert by_name["shaped noise"]["position"] == pytest.approx(1)
    assert by_name["generated"]["kad"] < by_name["white noise"]["kad"]
    assert by_name["one clip copied"]["diversity"] == 0
    assert by_name["generated"]["memorisation"] > 0
    assert found["train_clips"] == 24


def test_real_music_is_measured_against_the_rest_of_it(folders, tmp_path, monkeypatch):
    """Its clips are taken out of the reference: no patch of theirs is at distance 0."""
    monkeypatch.setattr(evaluate, "_ears", lambda: Ears(Model(), None))
    real, made = folders
    assert evaluate.main([str(real), str(made), "--seconds", "3", "--clips", "4"]) == 0
    found = json.loads((made / "evaluation" / "evaluation.json").read_text())
    assert [one["name"] for one in found["sets"][:3]] == ["real, learnt from", "real, held out", "generated"]
    learnt = found["sets"][0]
    music = read_real(real, RATE, 3.0, seed=0)
    heard = [Model().embed(clip, RATE, hop_s=3.0) for clip in music.train]
    taken = evenly(24, 4)
    rest = Reference(np.concatenate([patches for place, patches in enumerate(heard) if place not in taken]))
    assert learnt["kad"] == rest.kad(np.concatenate([heard[place] for place in taken]))
    assert learnt["memorisation"] > 0


def test_fad_is_extrapolated_where_there_are_enough_patches(folders, monkeypatch):
    monkeypatch.setattr(evaluate, "_ears", lambda: Ears(Model(), None))
    real, made = folders
    assert evaluate.main([str(real), str(made), "--seconds", "3", "--clips", "4"]) == 0
    found = json.loads((made / "evaluation" / "evaluation.json").read_text())
    assert found["fewest_patches"] in {8, 12}, "of two or three directions; a set has 12 patches"
    for one in found["sets"]:
        assert set(one["fad_infinity"]) == {"value", "error", "slope", "r_squared"}
    page = (made / "evaluation" / "evaluation.html").read_text()
    value, error = (found["sets"][2]["fad_infinity"][name] for name in ("value", "error"))
    assert f"{value:.2f} ({error:.2f})" in page
    assert f"takes {found['fewest_patches']} patches" in page
    assert evaluate.main([str(real), str(made), "--seconds", "3", "--clips", "2"]) == 0
    found = json.loads((made / "evaluation" / "evaluation.json").read_text())
    assert found["fewest_patches"] > 6
    assert found["sets"][2]["fad"] is not None
    assert found["sets"][2]["fad_infinity"] is None, "6 patches are too few"


def test_several_sets_stand_side_by_side_as_each_would_alone(folders, music, monkeypatch):
    monkeypatch.setattr(evaluate, "_ears", lambda: Ears(Model(), None))
    real, made = folders
    other = music(per_genre=3, genres=("others",), seconds=6.5, name="other")
    told = [str(real), "--seconds", "3", "--clips", "4"]
    assert evaluate.main([told[0], str(other), str(made), *told[1:]]) == 0
    found = json.loads((other / "evaluation" / "evaluation.json").read_text())["sets"]
    together = {one["name"]: one for one in found}
    assert [*together][2:4] == ["generated: other", "generated: generated"]
    assert "generated: other: healthy" in (other / "evaluation" / "evaluation.html").read_text()
    for place in (other, made):
        assert evaluate.main([told[0], str(place), *told[1:]]) == 0
        alone = json.loads((place / "evaluation" / "evaluation.json").read_text())["sets"][2]
        assert alone | {"name": ""} == together[f"generated: {place.name}"] | {"name": ""}


def test_sets_are_compared_at_the_size_of_the_least(folders, music, monkeypatch):
    monkeypatch.setattr(evaluate, "_ears", lambda: Ears(None, None, ()))
    real, made = folders
    (made.parent / "more").mkdir()
    more = music(per_genre=5, genres=("more",), seconds=6.5, name="more/generated")
    assert evaluate.main([str(real), str(made), str(more), "--seconds", "3"]) == 0
    found = json.loads((made / "evaluation" / "evaluation.json").read_text())["sets"]
    assert {one["name"]: one["clips"] for one in found[2:4]} == {f"generated: {made}": 4, f"generated: {more}": 4}


def test_bad_input_is_named(music, tmp_path, capsys):
    assert evaluate.main([str(tmp_path / "no"), str(tmp_path / "no")]) == 2
    assert evaluate.main([str(tmp_path), str(tmp_path), "--seconds", "1"]) == 2
    assert "--seconds is 1.0; it takes 3 to 600" in capsys.readouterr().err
