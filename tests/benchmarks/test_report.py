import pytest

from benchmarks import report, rows
from benchmarks.cases import AIMS, GRID, PAPER, TRAINING
from benchmarks.report import words

HERE = {"processor": "Abacus 9", "cores": 2, "instructions": "avx2"}
THERE = {"processor": "Abacus 9", "cores": 2, "instructions": "avx512"}


def row(ratio: float = 3.5, **changes: object) -> rows.Row:
    return {
        "date": "2025-01-31T10:00:00+00:00",
        "table": "lstm",
        "case": str(PAPER),
        "workload": "training",
        "threads": 1,
        "turns": 15,
        "seconds": {"torch": ratio * 1e-3, "fastgan": 1e-3, "matmul": 0.02},
        "ratio": [ratio, ratio - 0.25, ratio + 0.25],
        "operations": 1e9,
        "share": {"torch": 0.22, "fastgan": 0.77},
        "machine": HERE,
        "versions": {"fastgan": "1.2.3", "torch": "9.9.9"},
        "commit": "0123456789abcdef",
        "clean": True,
    } | changes


def gpu_row(eager: float = 6.5, **changes: object) -> rows.Row:
    return {
        "date": "2025-01-31T10:00:00+00:00",
        "table": "gpu",
        "case": "T6-B4096-I1-H128-L2",
        "workload": "training",
        "numbers": "bfloat16",
        "auto": "cuda",
        "left out": {},
        "failed": {},
        "seconds": {"torch, eager": eager * 1e-3, "cuda, eager": 1e-3, "torch, graph": 3e-3, "cuda, graph": 2e-3},
        "ratio": {
            "cuda, eager": [eager, 6.0, 7.0],
            "cuda, graph": [1.5, 1.25, 1.75],
            "triton, eager": [0.5, 0.25, 0.75],
        },
        "share": {"cuda, graph": 0.36},
        "machine": {"gpu": "Abacus H9"},
        "versions": {"torch": "9.9.9", "cudnn": "99"},
        "commit": "0123456789abcdef",
        "clean": True,
    } | changes


def line(page: str, *parts: str) -> str:
    """The one table line that has all these parts."""
    found = [text for text in page.splitlines() if text.startswith("|") and all(part in text for part in parts)]
    assert len(found) == 1, found
    return found[0]


def test_the_page_in_the_repository_is_what_its_rows_give():
    assert report.PAGE.read_text(encoding="utf-8") == report.page(rows.read(report.SOURCES)), f"run `{report.COMMAND}`"


def test_the_page_says_how_it_is_made():
    assert report.COMMAND in report.page([]).splitlines()[0]


def test_rows_come_back_as_they_were_appended(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    written = [row(1.5), row(2.5, machine=THERE | {"processor": "µ-Abacus"})]
    for one in written:
        rows.append(path, one)
    assert rows.read([path, tmp_path / "absent.jsonl"]) == written


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows.append(path, row())
    with open(path, "a") as stream:
        stream.write('{"case": "T6')
    with pytest.raises(ValueError, match=r"rows\.jsonl, line 2 is not JSON"):
        rows.read([path])


def test_the_newest_row_of_a_case_counts():
    page = report.page([row(5.5), row(6.5, threads=2), row(2.25, date="2025-02-01T00:00:00+00:00", clean=False)])
    assert "Rows: 2 shown, 3 recorded." in page
    assert "2.25 (2.00 to 2.50)" in line(page, str(PAPER), "| 1 |")
    assert "6.50 (6.25 to 6.75)" in line(page, str(PAPER), "| 2 |")
    assert "5.50" not in page
    assert "2025-01-31 to 2025-02-01" in page
    assert "commit 0123456789, commit 0123456789 with changes" in page


def test_machines_stay_apart():
    page = report.page([row(5.5), row(4.25, machine=THERE), row(1.75, machine=THERE)])
    here, there = page.split("## Abacus 9, 2 cores, avx512\n")
    assert "## Abacus 9, 2 cores, avx2\n" in here
    assert "5.50 (" in here
    assert "1.75 (" in there
    assert "1.75 (" not in here
    assert "4.25 (" not in page


def test_aims_stand_beside_what_was_reached():
    aim = AIMS[PAPER, TRAINING]
    assert aim is not None
    reached, missed = (line(report.page([row(ratio)]), str(PAPER)) for ratio in (aim, aim - 0.01))
    assert f"| {aim:g}, reached |" in reached
    assert f"| {aim:g}, not reached |" in missed
    assert "| 22% | 77% | 75%, reached |" in reached
    assert "2 of 2 aims reached." in report.page([row(aim)])
    assert "1 of 2 aims reached." in report.page([row(aim - 0.01)])
    assert "1 of 2 aims reached." in report.page([row(aim, share={"torch": 0.5, "fastgan": 0.749})])


def test_times_have_their_spread_where_the_row_has_it():
    spread = {"torch": [3e-3, 4e-3], "fastgan": [1e-3, 2e-3], "matmul": [0.01, 0.03]}
    assert "| 1 | 3.50 ms | 1.00 ms | 3.50 (" in line(report.page([row()]), str(PAPER))
    found = line(report.page([row(spread=spread)]), str(PAPER))
    assert "| 1 | 3.50 ms (3.00 ms to 4.00 ms) | 1.00 ms (1.00 ms to 2.00 ms) | 3.50 (" in found


def test_slower_rows_of_the_grid_are_listed_worst_first():
    case = str(GRID.rows[0][0])
    grid = {"table": "grid", "case": case}
    page = report.page([row(0.875, **grid), row(0.5, **grid, threads=2), row(4, **grid, workload="inference")])
    assert "0.50 at worst, 0.88 in the middle, 4.00 at best. Slower than torch: 2." in page
    assert page.index(f"| {case} | training | 2 |") < page.index(f"| {case} | training | 1 |")
    assert f"| {case} | inference | 1 |" not in page
    assert "| case | inference, 1 thread | training, 1 thread | training, 2 threads |" in page
    assert f"| {case} | 4.00 (77%) | 0.88 (77%) | 0.50 (77%) |" in page


def test_what_the_grid_leaves_out_is_counted():
    everything = 4 * 5 * 5 * 3 * 2
    assert len(GRID.rows) + GRID.too_slow + GRID.too_large == everything
    assert f"{GRID.too_slow} more were left out" in report.page([])


def test_times_have_three_digits():
    found = [words.duration(seconds) for seconds in (12.345, 0.12345, 0.012345, 1.2345e-5, 1.2345e-6)]
    assert found == ["12.3 s", "123 ms", "12.3 ms", "12.3 µs", "1.23 µs"]


def test_without_a_gpu_the_page_says_so():
    assert "No row has been recorded yet" in report.page([row()])
    assert "No row has been recorded yet" not in report.page([row(), gpu_row()])


def test_rows_of_a_gpu_stand_beside_their_aims():
    page = report.page([row(), gpu_row(9.75), gpu_row()])
    assert "Rows: 1 shown, 1 recorded." in page
    assert "### Abacus H9\n\nMeasured 2025-01-31 with torch 9.9.9, cudnn 99; commit 0123456789." in page
    found = line(page, "T6-B4096-I1-H128-L2")
    assert "| bfloat16 | cuda | 6.50 ms | 1.00 ms | 6.50 (6.00 to 7.00) | 3, reached |" in found
    assert "| 3.00 ms | 2.00 ms | 1.50 (1.25 to 1.75) | 2, not reached |" in found
    assert "| 36% | 35%, reached | triton, eager 0.50 |" in found
    assert "2 of 3 aims reached." in page


def test_what_failed_on_a_gpu_is_shown():
    nothing = {"auto": None, "seconds": {}, "ratio": {}, "share": {}}
    page = report.page([gpu_row(), gpu_row(**nothing, failed={"all": "no answer | 60 s"})])
    found = line(page, "T6-B4096-I1-H128-L2")
    assert "3, no answer" in found
    assert "all: no answer / 60 s |" in found
    assert "0 of 3 aims reached." in page
    unplanned = report.page([gpu_row(case="T7", failed={"torch, graph": "no"}, **{"left out": {"triton": "absent"}})])
    assert "torch, graph: no; triton: absent |" in line(unplanned, "T7")
