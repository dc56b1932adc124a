"""What the table of the preset `music` says of sets that are known."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import music
from benchmarks.music import FIT, GAME, REJECTED, main, pairs, sets_of, table


def one(kad: float, name: str = GAME, voiced: float | None = 0.5) -> dict[str, Any]:
    """A set of pieces, measured."""
    panel = {"voiced_share": voiced, "flux_db": 1.5}
    rest = {"position": None, "diversity": 0.7, "memorisation": 1.0, "inside": 5, "vetoed": False}
    return {"name": name, "kad": kad, "panel": panel, **rest}


def test_pairs_give_the_mean_difference_and_its_standard_error() -> None:
    game = [[one(10.0), one(12.0)], [one(8.0, voiced=None), one(9.0)]]
    fit = [[one(11.0, FIT), one(14.0, FIT)], [one(10.0, FIT), one(13.0, FIT)]]
    rows = {line.split(" | ")[0].strip("| "): line for line in pairs(game, fit, "the game").splitlines()[2:]}
    # Differences are -1, -2, -2 and -4: a mean of -2.25, a standard error of sqrt(1.583 / 4).
    assert rows["KAD"] == "| KAD | 12 | 9.75 | -2.2 (0.63) | -1.5, -3 |"
    assert rows["diversity"] == "| diversity | 0.7 | 0.7 | +0 (0) | +0, +0 |"
    assert "in bands" in rows
    assert not any("oiced" in title for title in rows)  # one of the sets has no value


def test_one_pair_has_no_error() -> None:
    assert "-1 (nan)" in pairs([[one(10.0)]], [[one(11.0, FIT)]], "the game")


def test_the_table_gives_the_mean_with_the_least_and_the_most() -> None:
    lines = table({FIT: [one(10.0, FIT), one(13.0, FIT)], GAME: [one(9.0)]}).splitlines()
    assert lines[2].startswith(f"| {GAME} | 9 | - | 0.7 |")
    assert lines[3].startswith(f"| {FIT} | 11.5 (10 to 13) |")
    assert lines[3].endswith("| 0 of 2 |")


@pytest.mark.parametrize("name", [GAME, FIT])
def test_sets_without_a_value_are_left_out_of_the_mean(name: str) -> None:
    row = table({name: [one(10.0, name, None), one(10.0, name, 0.4)]}).splitlines()[2]
    assert " 0.4 |" in row


@pytest.mark.parametrize("kept", [True, False])
def test_a_rejected_game_is_measured_too(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(run: Path, told: dict[str, list[str]], number: int = 1) -> list[dict[str, Any]]:
        return [one(9.0, "real, held out"), *(one(10.0 + number, name) for name in told)]

    monkeypatch.setattr(music, "measured", measured)
    monkeypatch.setattr(music, "kept", lambda run: kept)
    names = [one["name"] for one in sets_of(Path("run"), 2)]
    each = [FIT, GAME] if kept else [FIT, REJECTED, GAME]
    assert names == ["real, held out", *each, *each]


def test_no_sets_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--sets", "0"])
    assert "give 1 or more" in capsys.readouterr().err
