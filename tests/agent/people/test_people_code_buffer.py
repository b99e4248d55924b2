"""The digits while they are typed: as a list of digits would hold them, and zeroes where there are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.people.dialog.code_buffer import CodeBuffer

EDITS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(48, 57)), max_size=30)


@given(EDITS)
def test_editing_is_that_of_a_list_and_leaves_nothing_behind(edits):
    buffer, model = CodeBuffer(8), []
    for one, other, digit in edits:
        start, end = sorted((min(one, len(model)), min(other, len(model))))
        buffer.remove(start, end)
        del model[start:end]
        if len(model) < 8:
            buffer.insert(start, digit)
            model.insert(start, digit)
        assert list(buffer._characters) == model + [0] * (8 - len(model))
        assert len(buffer) == len(model)
    assert list(buffer.take()) == model
    assert not any(buffer._characters)


def test_no_more_than_its_capacity():
    buffer = CodeBuffer(4)
    for digit in b"1234":
        buffer.insert(len(buffer), digit)
    with pytest.raises(IndexError):
        buffer.insert(0, 0x35)


def test_comparison():
    first, second = CodeBuffer(8), CodeBuffer(4)
    assert first.equals(second)
    first.insert(0, 0x31)
    assert not first.equals(second)
    second.insert(0, 0x31)
    assert first.equals(second)
    second.wipe()
    assert not first.equals(second)
