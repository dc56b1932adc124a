"""The paper's numbers, and the exponents that its Table 3 lost."""

import pytest

from fastgan.config import TrainConfig
from fastgan.paper import reported


def test_table_3_with_its_exponents():
    lines = {epochs: reported.restored(line) for epochs, line in reported.TABLE_3.items()}
    assert lines[5] == pytest.approx((1.177e-4, 9.007e-4, 9.406e-5, 7.493e-4), rel=1e-12)
    assert lines[8].val_loss == pytest.approx(1.002e-4, rel=1e-12)
    for line in lines.values():  # all of them are near the 100 clips of Table 5
        for value, like in zip(line, reported.TABLE_5[100], strict=True):
            assert value == pytest.approx(like, rel=0.08)


def test_table_4_adds_up():
    assert sum(size for _, _, size in reported.LAYERS) == reported.PARAMETERS["total"]


def test_the_trainer_plays_for_as_many_epochs_as_table_1_says():
    assert TrainConfig().epochs == reported.STRUCTURE["epochs"]


def test_the_windows_of_an_epoch():
    assert pytest.approx(100 * 30 * 22_050 / 6 * 6 / 7, rel=1e-3) == reported.WINDOWS
