import io
import time

import pytest
from rich.console import Console

from fastgan.gan.progress import Screen, duration


def screen(terminal: bool) -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    return Screen(Console(file=out, force_terminal=terminal, width=100, soft_wrap=True, highlight=False)), out


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (754, "12:34"), (11_045, "3:04:05")])
def test_durations_read_like_clocks(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_terminal_gets_a_bar_with_speed_and_time_left() -> None:
    ours, out = screen(True)
    with ours.bar("fit 1/5", 100, unit="windows") as bar:
        time.sleep(0.15)
        bar.update(25, per_part=32)
        time.sleep(0.15)
    assert "fit 1/5" in out.getvalue()
    assert "windows/s" in out.getvalue()
    assert "left" in out.getvalue()


def test_others_get_plain_lines_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastgan.gan.progress._PLAIN_EVERY", 0.2)
    ours, out = screen(False)
    with ours.bar("fit 1/5", 100, unit="windows") as bar:
        for done in range(6):
            time.sleep(0.11)
            bar.update(10 * done, per_part=32)
    assert "\x1b" not in out.getvalue()
    lines = out.getvalue().splitlines()
    assert 2 <= len(lines) <= 5  # six updates; the first comes too soon to be printed
    assert all(line.startswith("  fit 1/5: ") and line.endswith(" left") for line in lines)


def test_rows_come_under_a_header_when_the_columns_change() -> None:
    ours, out = screen(False)
    base = {"epoch": 1, "stage_epoch": 1, "seconds": 1.5, "windows_per_s": 1234.5, "sample": "x.wav"}
    ours.row(base | {"stage": "fit", "loss": 1.2e-4, "linear_mse": None, "health": {"problems": ["silent"]}})
    ours.row(base | {"stage": "fit", "loss": 0.0, "linear_mse": None, "health": {"problems": []}})
    ours.row(base | {"stage": "game", "d_loss": 0.69, "health": {"problems": []}})
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["stage", "fit", "fit", "stage", "game"]
    assert "1.200e-04" in lines[1]
    assert lines[1].endswith("silent")
    assert lines[2].endswith("healthy")
    assert len(lines[0].split("linear_mse")[0]) + len("linear_mse") == len(lines[1].split("-  ")[0]) + 1


def test_names_with_brackets_are_printed_as_they_are() -> None:
    ours, out = screen(False)
    ours.say("run: runs/[red]mix[/red]")
    assert out.getvalue() == "run: runs/[red]mix[/red]\n"
