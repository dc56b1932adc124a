"""The report's sections about the whole trainer, from rows as the benchmarks make them."""

import pytest

from benchmarks import bench_data, bench_generate, bench_scaling, report, rows
from benchmarks.contest import MATMUL
from benchmarks.paper import EPOCH_AIMS

FACTS = {
    "date": "2025-01-31T10:00:00+00:00",
    "machine": {"processor": "Abacus 9", "cores": 2, "instructions": "avx2"},
    "versions": {"fastgan": "1.2.3", "torch": "9.9.9"},
    "commit": "0123456789abcdef",
    "clean": True,
}


def epoch_row(
    case: str = "B32",
    workload: str = "fit",
    *,
    ours: float = 500.0,
    plain: float = 3.0,
    keras: float | None = 13.0,
    share: float = 0.5,
    **changes: object,
) -> rows.Row:
    times = {"fastgan": [1.0], "plain": [plain], "sgemm": [1.0]} | ({} if keras is None else {"keras": [keras]})
    others = [name for name in times if name not in ("fastgan", "sgemm")]
    part = rows.measured(times, "fastgan", others, work=share, floor="sgemm", unit="operations", floor_work=1.0)
    seconds = {name: ours * value[0] for name, value in times.items() if name != "sgemm"}
    row = {"table": "epoch", "case": case, "workload": workload, "threads": 2, **part, "epoch_seconds": seconds}
    return row | {"scaled": True, "left out": {"compiled": "no compiler | here"}} | FACTS | changes


def section(page: str, title: str) -> str:
    """The text below a heading of second order."""
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def line(text: str, *parts: str) -> str:
    """The one table line that has all these parts."""
    found = [one for one in text.splitlines() if one.startswith("|") and all(part in one for part in parts)]
    assert len(found) == 1, found
    return found[0]


TITLES = {
    "epoch": "A paper epoch",
    "data": "From files to windows",
    "generate": "Making sound",
    "scaling": "How a fit step grows",
}


@pytest.mark.parametrize("kind", TITLES)
def test_what_is_not_recorded_names_its_command(kind):
    command = f"python -m pytest benchmarks/bench_{kind}.py --benchmark-only --record"
    assert f"Nothing is recorded yet: `{command}`" in section(
        report.page([epoch_row()] * (kind != "epoch")), TITLES[kind]
    )


def test_an_epoch_stands_beside_the_others_and_the_paper():
    found = section(report.page([epoch_row(ours=999.0), epoch_row()]), "A paper epoch")
    assert "### Abacus 9, 2 cores, avx2\n\nMeasured 2025-01-31 with fastgan 1.2.3" in found
    shown = line(found, "| B32 | fit | 2 | 500 s |")
    assert "| 500 s | 1500 s | 3.00 (3.00 to 3.00) |  |  | 6500 s | 13.00 (13.00 to 13.00) | 2.8 | 50% |" in shown
    assert "compiled left out: no compiler / here |" in shown
    assert "999" not in found
    assert "Nothing is recorded yet" not in found


def test_a_game_is_not_what_the_paper_timed():
    assert "| 13.00 (13.00 to 13.00) |  | 50% |" in line(report.page([epoch_row(workload="game")]), "| game |")


def test_evaluation_stands_beside_an_epoch():
    row = epoch_row()
    row["epoch_seconds"] |= {"fastgan, evaluation": 12.3}
    assert "fastgan, evaluation: 12.3 s; compiled left out" in line(report.page([row]), "| B32 |")


def test_aims_of_an_epoch_are_judged():
    aims = len(EPOCH_AIMS)
    page = report.page([epoch_row(), epoch_row("B512", ours=200.0, share=0.75), epoch_row(workload="game", plain=2.25)])
    assert f"5 of {aims} aims reached." in page
    assert "12 x keras, reached; 2.5 x plain, reached |" in line(page, "| B32 | fit |")
    best = "best batch: an epoch in 550 s, reached; best batch: 70% of SGEMM, reached"
    assert best in line(page, "| B512 | fit |")
    game = "2.5 x plain, not reached; best batch: an epoch in 2,000 s, reached; best batch: 70% of SGEMM, not reached"
    assert game in line(page, "| B32 | game |")


def test_aims_are_for_two_threads_and_none_is_forgotten():
    page = report.page([epoch_row(threads=1), epoch_row(workload="game", keras=None)])
    assert "Without a row: fit, B32, 12 x keras; fit, B32, 2.5 x plain; fit, best batch, an epoch in 550 s; " in page
    assert "x keras" not in line(page, "| B32 | fit | 1 |")
    assert "12 x keras, no answer" in line(report.page([epoch_row(keras=None)]), "| B32 | fit |")


def test_data_rows_name_whom_they_beat():
    times = {"fastgan": [0.25, 0.5, 0.125], "SciPy": [1.0, 1.0, 1.0], "copy": [0.5, 0.5, 0.5]}
    copied = 8 * bench_data.COPIED
    decoded = bench_data.finished(
        "decode", "wav", times, "fastgan", ["SciPy"], moved=copied // 8, threads=1, sound=30.0
    )
    gathered = bench_data.finished(
        "gather", "all", times | {"x": times["fastgan"]}, "x", ["SciPy"], moved=copied, threads=2
    )
    found = section(report.page([decoded | FACTS, gathered | FACTS]), "From files to windows")
    assert (
        line(found, "decode")
        == "| decode | wav | 1 | 250 ms (125 ms to 500 ms) | 25% | 120 | SciPy: 4.00 (2.00 to 8.00) |"
    )
    assert "| gather | all | 2 | 250 ms (125 ms to 500 ms) | 200% |  | SciPy: 4.00 (2.00 to 8.00) |" in found


def test_seconds_of_sound_are_scaled_up_and_floors_are_not():
    timed = bench_generate.LENGTH // 30
    times = {"fastgan": [0.5], "torch": [1.5], "weights read": [0.001]}
    floor = {"work": 600.0, "floor": "weights read", "unit": "bytes", "floor_work": 0.01}
    row = bench_generate.finished("by feedback", times, timed, 2, floor)
    assert row["seconds"] == {"fastgan": 15.0, "torch": 45.0, "weights read": 0.001}
    assert row["floor"]["share"] == pytest.approx(600 / 15 / (0.01 / 0.001))
    found = section(report.page([row | FACTS]), "Making sound")
    shown = line(found, "by feedback | 2")
    assert "| 15.0 s (15.0 s to 15.0 s) | 45.0 s (45.0 s to 45.0 s) | 3.00 (3.00 to 3.00) | 2.00 |" in shown
    assert shown.endswith("| weights read | 22,050 |")


def test_a_window_has_its_part_of_a_step():
    case = bench_scaling.Case(batch=512)
    work = 3 * 512 * 6 * 8 * 128 * (1 + 128 + 128 + 128)
    times = {"fastgan": [0.512], "matmul": [2 * MATMUL**3 / work * 0.256]}
    row = bench_scaling.finished(case, 1, times, 33_000_000)
    found = section(report.page([row | FACTS]), "How a fit step grows")
    assert line(found, str(case)) == f"| {case} | 1 | 512 ms (512 ms to 512 ms) | 1.00 ms | 50% | 33 MB |"


def quality_row(workload: str, seed: int, *losses: float, **changes: object) -> rows.Row:
    row = {
        "table": "quality",
        "case": "songs, 7 clips",
        "workload": workload,
        "threads": 1,
        "seed": seed,
        "windows": 640,
    }
    return row | {"losses": losses, "train_seconds": [1.5 * (n + 1) for n in range(len(losses))]} | FACTS | changes


def test_what_is_learnt_is_shown_over_the_seeds_and_beside_plain():
    runs = [quality_row("plain, batch 32", seed, 0.02 + 0.001 * seed, 0.01 + 0.001 * seed) for seed in range(3)]
    runs += [quality_row("fastgan, batch 32", seed, 0.02, 0.011 + 0.0005 * seed) for seed in range(3)]
    runs += [quality_row("fastgan, batch 4096", seed, 0.5, 0.3 + 0.0005 * seed) for seed in range(3)]
    runs += [quality_row("fastgan, bfloat16", seed, 0.021) for seed in range(2)]
    runs.append(quality_row("plain, batch 32", 2, 0.9, 0.9, date="2024-01-01T00:00:00+00:00"))
    found = section(report.page([runs[-1], *runs[:-1]]), "What is learnt")
    assert "songs, 7 clips; epochs of 640 windows:" in found
    plain = line(found, "| plain, batch 32 | 3 |")
    assert "2.100e-02 (2.000e-02 to 2.200e-02), 1.50 s | 1.100e-02 (1.000e-02 to 1.200e-02), 3.00 s |  |" in plain
    assert "+5.0e-04 after epoch 2, within the noise of 2.1e-03" in line(found, "| fastgan, batch 32 |")
    assert "+2.9e-01 after epoch 2, beyond the noise of" in line(found, "| fastgan, batch 4096 |")
    assert "1.50 s |  | +0.0e+00 after epoch 1, within" in line(found, "| fastgan, bfloat16 | 2 |")


def test_the_command_for_what_is_learnt_is_named():
    assert "Nothing is recorded yet: `python -m benchmarks.quality --record`" in report.page([epoch_row()])


def test_epochs_on_a_gpu_have_a_section():
    assert "Nothing is recorded yet: no epoch has been run on a GPU" in report.page([epoch_row()])
    times = {"fastgan, float32": 4e-5, "fastgan, bfloat16": 2e-5, "torch, eager": 8e-5, "torch, graph": 6e-5}
    row = {"table": "epoch-gpu", "case": "B32", "workload": "fit", "seconds": times} | FACTS
    row |= {
        "epoch_seconds": {name: value * 295_312.5 for name, value in times.items()},
        "machine": {"gpu": "Abacus H9"},
    }
    row |= {"faster": {"torch, eager": [4.0, 3.5, 4.5]}, "share": dict.fromkeys(times, 0.125), "scaled": True}
    found = section(report.page([row]), "A paper epoch on a GPU")
    assert "### Abacus H9, a paper epoch" in found
    assert "| 20.0 µs | 5.91 s | 12.5% |  |" in line(found, "fastgan, bfloat16")
    assert "4.00 (3.50 to 4.50)" in line(found, "torch, eager")
