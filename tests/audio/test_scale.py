import numpy as np
import pytest

from fastgan.audio.scale import denormalise, normalise

EVERY_VALUE = np.arange(-32_768, 32_768).astype(np.int16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_65536_values_come_back(dtype: type) -> None:
    values = normalise(EVERY_VALUE)
    assert values.min() == -1
    assert values.max() == np.float32(32_767 / 32_768)
    np.testing.assert_array_equal(denormalise(values.astype(dtype)), EVERY_VALUE)


def test_what_is_too_loud_saturates_and_never_wraps() -> None:
    loud = np.array([1.0, 1.5, 1e30, -1.0, -1.5, -1e30])
    np.testing.assert_array_equal(denormalise(loud), [32_767] * 3 + [-32_768] * 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="1 of 3 values"):
        denormalise(np.array([0.0, bad, 0.5]))
