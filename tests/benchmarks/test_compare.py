import json

import pytest

from benchmarks import compare, rows
from tests.benchmarks.test_report import THERE, gpu_row, row
from tests.benchmarks.test_report_suite import epoch_row, quality_row


def compared(capsys, tmp_path, before, after, *options):
    """What the command prints about two files."""
    for name, found in (("a", before), ("b", after)):
        (tmp_path / name).touch()
        for one in found:
            rows.append(tmp_path / name, one)
    compare.main([str(tmp_path / "a"), str(tmp_path / "b"), *options])
    return capsys.readouterr().out


def test_the_newest_rows_are_paired_and_the_rest_is_listed(capsys, tmp_path):
    before = [row(1.5), row(4.0), row(2.0, threads=2), row(2.0, machine=THERE)]
    said = compared(capsys, tmp_path, before, [row(2.0), row(2.0, case="T7"), gpu_row()])
    assert "before: 3 rows. Measured 2025-01-31 with fastgan 1.2.3" in said
    assert said.count("times faster:") == 1
    assert "  0.50 x  worse " in said
    assert "4 (3.75 to 4.25) -> 2 (1.75 to 2.25)" in said
    alone = said.split("Only before: ")[1].splitlines()
    assert alone[0] == "2"
    assert alone[1].endswith("training, 2 threads, Abacus 9, 2 cores, avx2")
    assert alone[2].endswith("training, 1 thread, Abacus 9, 2 cores, avx512")
    assert "Only after: 2\n  lstm, T7, " in said
    assert "gpu, T6-B4096-I1-H128-L2, training, bfloat16, Abacus H9" in said


def test_worst_come_first_and_ratios_before_seconds(capsys, tmp_path):
    cases = {"T1": (4.0, 8.0), "T2": (4.0, 2.0), "T3": (4.0, 3.0)}
    before, after = ([row(pair[side], case=case) for case, pair in cases.items()] for side in (0, 1))
    said = compared(capsys, tmp_path, before, after)
    ratios, seconds = said.split("\nSeconds, memory and losses, ")
    assert (
        "Ratios and shares, worst first, those without bounds after the others: 2 worse, 1 better, 0 within noise, 3 no bounds"
        in ratios
    )
    lines = [one.split("  ") for one in ratios.splitlines() if " x  " in one]
    assert [one[-1].split(", ")[1] for one in lines[:3]] == ["T2", "T3", "T1"]
    assert ["times faster" in " ".join(one) for one in lines] == [True] * 3 + [False] * 3
    assert (
        "worst first, those without bounds after the others: 0 worse, 0 better, 0 within noise, 9 no bounds" in seconds
    )
    assert "s, torch: 0.004 -> 0.002" in seconds


@pytest.mark.parametrize(("after", "verdict"), [(4.5, "within noise"), (4.75, "better"), (3.25, "worse")])
def test_bounds_that_meet_are_noise(after, verdict):
    (key,) = {compare.key(row())}
    found = [one for one in compare.changes({key: row(4.0)}, {key: row(after)})[0] if one.name == "times faster"]
    assert [one.verdict for one in found] == [verdict]
    assert found[0].better == after / 4


def test_noise_is_counted_and_shown_when_asked(capsys, tmp_path):
    quiet = compared(capsys, tmp_path, [row(4.0)], [row(4.125)])
    assert "1 within noise" in quiet
    assert "times faster" not in quiet
    assert "  1.03 x  within noise " in compared(capsys, tmp_path, [], [], "--all")


def test_seconds_have_bounds_where_both_rows_have_them(capsys, tmp_path):
    spread = {"fastgan": [0.9e-3, 1.1e-3]}
    faster = {"seconds": {"fastgan": 0.5e-3}, "spread": {"fastgan": [0.5e-3, 0.6e-3]}}
    said = compared(capsys, tmp_path, [row(spread=spread)], [row(**faster)])
    assert "  2.00 x  better " in said
    assert "s, fastgan: 0.001 (0.0009 to 0.0011) -> 0.0005 (0.0005 to 0.0006)" in said


def test_rows_of_every_table_are_compared():
    names = {name for one in (row(), gpu_row(), epoch_row()) for name in compare.relative(one)}
    assert names == {
        "times faster",
        "share: fastgan",
        "times faster: cuda, eager",
        "times faster: cuda, graph",
        "times faster: triton, eager",
        "share: cuda, graph",
        "times faster than plain",
        "times faster than keras",
        "share of sgemm",
    }
    assert compare.absolute(row(memory=5e6))["bytes of memory"] == (5e6,)


def test_long_lists_are_cut(capsys, tmp_path):
    many = [row(case=f"T{number}") for number in range(compare.LINES + 2)]
    assert "and 2 more; --all shows them" in compared(capsys, tmp_path, many, [])
    assert "more; --all" not in compared(capsys, tmp_path, [], [], "--all")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not there, or not a file"),
        (b'{"table"', r"broken, line 1 is not JSON"),
        (
            json.dumps(row()).encode() + b'\n{"table": "lstm", "case": "T6"}\n',
            "line 2 is not a row of a benchmark: it lacks machine",
        ),
        (b"[1, 2]\n", "line 1 is not a row of a benchmark: it lacks everything"),
        (b"\xff\xfe\x00", "is not text"),
    ],
)
def test_a_missing_or_broken_file_is_named(tmp_path, capsys, content, message):
    path = tmp_path / "broken"
    if content is not None:
        path.write_bytes(content)
    rows.append(tmp_path / "good", row())
    with pytest.raises(SystemExit) as ended:
        compare.main([str(tmp_path / "good"), str(path)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert str(path) in said


def test_losses_are_compared_seed_by_seed(capsys, tmp_path):
    before = [quality_row("plain, batch 32", seed, 0.02, 0.01) for seed in range(2)]
    said = compared(capsys, tmp_path, before, [quality_row("plain, batch 32", 1, 0.02, 0.02)])
    assert "0.50 x  no bounds     loss after epoch 2: 0.01 -> 0.02" in said
    assert "Only before: 1\n  quality, songs, 7 clips, plain, batch 32, 1 thread, seed 0" in said
