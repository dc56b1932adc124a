import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgan.audio.shuffle import shuffled, shuffled_numpy


@given(total=st.integers(1, 3000), key=st.integers(0, 2**64 - 1))
@settings(max_examples=60, deadline=None)
def test_every_item_comes_exactly_once(total: int, key: int) -> None:
    order = shuffled(np.arange(total), total, key)
    np.testing.assert_array_equal(np.sort(order), np.arange(total))


@given(total=st.integers(1, 2**62), key=st.integers(0, 2**64 - 1), data=st.data())
@settings(max_examples=60, deadline=None)
def test_equals_its_definition_for_any_size(total: int, key: int, data: st.DataObject) -> None:
    places = np.array(data.draw(st.lists(st.integers(0, total - 1), min_size=1, max_size=8)), np.int64)
    np.testing.assert_array_equal(shuffled(places, total, key), shuffled_numpy(places, total, key))


def test_a_place_does_not_depend_on_what_else_is_asked() -> None:
    whole = shuffled(np.arange(10_000), 10_000, 7)
    np.testing.assert_array_equal(shuffled(np.array([9_999, 3, 500]), 10_000, 7), whole[[9_999, 3, 500]])


def test_orders_of_different_keys_have_nothing_in_common() -> None:
    one, other = (shuffled(np.arange(10_000), 10_000, key) for key in (1, 2))
    assert (one == other).mean() < 0.002  # by chance 1 in 10,000
    # Neighbours in the order are no neighbours in the corpus: their mean distance is a third of the whole.
    assert 0.31 < np.abs(np.diff(one)).mean() / 10_000 < 0.36
    assert abs(np.corrcoef(one, np.arange(10_000))[0, 1]) < 0.05


@pytest.mark.parametrize(("places", "total"), [([5], 5), ([-1], 5), ([0], 0)])
def test_places_outside_are_refused(places: list[int], total: int) -> None:
    with pytest.raises(ValueError, match="order"):
        shuffled(np.array(places), total, 0)
