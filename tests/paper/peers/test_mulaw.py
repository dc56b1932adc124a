import numpy as np
import pytest

from fastgan.paper.peers.mulaw import decode, encode

EVERY = np.arange(-32_768, 32_768).astype(np.int16)


@pytest.mark.parametrize("levels", [2, 3, 16, 255, 256])
def test_levels_come_back_and_samples_nearly(levels: int) -> None:
    codes = encode(EVERY, levels)
    assert codes.dtype == np.uint8
    assert np.all(np.diff(codes.astype(int)) >= 0)
    np.testing.assert_array_equal(np.unique(codes), np.arange(levels))
    back = decode(codes, levels)
    np.testing.assert_array_equal(encode(back, levels), codes)

    # Half a cell of F is 1 / K. x changes by ln(256) (1 + 255 |x|) / 255 as F does by 1, most at the outer end of the cell,
    # where 1 + 255 |x| is 256^(1 / K) times what it is in the middle. Rounding to int16 adds half a step.
    steepest = np.log(256) * (1 + 255 * np.abs(back / 32_768)) * 256 ** (1 / levels) / 255
    assert np.all(np.abs(EVERY - back.astype(int)) / 32_768 <= steepest / levels + 0.5 / 32_768)


def test_the_curve_is_that_of_the_recommendation() -> None:
    # F(1/255) = ln 2 / ln 256 = 1/8, so 16 levels have a border there: 128.5 of 32,768.
    assert list(encode(np.array([0, 128, 129, 32_767], np.int16), 16)) == [8, 8, 9, 15]
    assert list(encode(np.array([-1, -128, -129, -32_768], np.int16), 16)) == [7, 7, 6, 0]
    # The middle of the upper of two cells is F = 1/2: (256^(1/2) - 1) / 255 = 1/17.
    assert list(decode(np.array([0, 1], np.uint8), 2)) == [-round(32_768 / 17), round(32_768 / 17)]


def test_an_odd_number_of_levels_keeps_silence() -> None:
    assert decode(encode(np.zeros(1, np.int16), 255), 255)[0] == 0


@pytest.mark.parametrize("levels", [1, 257])
def test_levels_out_of_range_are_refused(levels: int) -> None:
    with pytest.raises(ValueError, match="2 to 256"):
        encode(EVERY, levels)
    with pytest.raises(ValueError, match="2 to 256"):
        decode(np.zeros(1, np.uint8), levels)
