import pytest

from benchmarks import rows


def test_what_turns_come_to():
    times = {"we": [1.0, 2.0, 4.0, 2.0, 1.0], "they": [3.0, 3.0, 3.0, 3.0, 3.0], "copy": [0.5, 0.5, 1.0, 0.5, 0.5]}
    row = rows.measured(times, "we", ["they"], work=10.0, floor="copy", unit="bytes", floor_work=20.0)
    assert (row["turns"], row["ours"]) == (5, "we")
    assert row["seconds"] == {"we": 2.0, "they": 3.0, "copy": 0.5}
    assert row["spread"] == {"we": [1.0, 2.0], "they": [3.0, 3.0], "copy": [0.5, 0.5]}
    assert row["faster"] == {"they": [1.5, 1.5, 3.0]}
    floor = row["floor"]
    assert (floor["of"], floor["unit"], floor["rate"]) == ("copy", "bytes", 40.0)
    assert [floor["share"], *floor["bounds"]] == pytest.approx([0.125, 0.125, 0.25])
