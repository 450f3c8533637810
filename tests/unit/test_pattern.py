"""Patterns of definitions mean what they mean today, and nobody hears what they might mean one day."""

import re
import warnings

import pytest

from aliquot.model.pattern import compiled


def test_an_odd_set_is_taken_as_it_is_without_a_word() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert compiled("[[a]").fullmatch("[")
    assert not told


def test_what_is_no_pattern_is_refused() -> None:
    with pytest.raises(re.error, match="unterminated"):
        compiled("[a")
