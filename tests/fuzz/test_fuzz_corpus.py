"""What fuzzing found is replayed, and what it looks for is looked for a little, without its engine."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.card.tlv import encode_tlv, read_tlvs
from fuzz.corpus import FOLDER, MAX_BYTES, MAX_FILES, arcs_of, minimise, read_corpus
from fuzz.mutation import Node, mutate, parse
from fuzz.targets import MAX_SECONDS, TARGETS, Target, TooSlowError

SEED = 20261125


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_is_taken(name: str) -> None:
    kept = read_corpus(name)
    assert 0 < len(kept) <= MAX_FILES
    for data in kept:
        TARGETS[name].check(data)


def test_the_corpus_is_small_and_of_the_targets_alone() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(TARGETS)
    assert sum(len(data) for name in TARGETS for data in read_corpus(name)) <= MAX_BYTES


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_fuzzer_begins_with_is_taken_whole_and_changed(name: str) -> None:
    target, random_ = TARGETS[name], random.Random(SEED)
    for data in target.seeds():
        target.check(data)
        changed = data
        for _ in range(10):
            changed = mutate(changed, random_, lambda content: random_.randbytes(len(content)))
            target.check(changed[:4096])


OBJECTS = st.recursive(
    st.binary(max_size=24),
    lambda inner: st.lists(
        st.tuples(st.sampled_from([0x02, 0x04, 0x06, 0x0C, 0x30, 0x31, 0xA0, 0xA1, 0xEE]), inner), max_size=4
    ).map(lambda parts: b"".join(encode_tlv(tag, content) for tag, content in parts)),
    max_leaves=12,
)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=120) | OBJECTS)
def test_any_bytes_and_any_objects(name: str, data: bytes) -> None:
    TARGETS[name].check(data)


@given(OBJECTS, st.integers())
def test_changed_objects_are_objects(data: bytes, seed: int) -> None:
    """Else the fuzzer would hardly get beyond the outermost length."""
    roots = parse(data)
    if roots is not None:
        assert parse(b"".join(node.dump() for node in roots)) == roots
    if roots:
        made = mutate(data, random.Random(seed), lambda content: content + b"\0")
        assert parse(made) is not None


def test_long_objects_are_written_as_the_card_reads_them() -> None:
    for size in (0, 127, 128, 255, 256, 70_000):
        (item,) = read_tlvs(Node(0x04, bytes([1]) * size).dump())
        assert len(item.value) == size


def test_the_shortest_inputs_are_kept_that_reach_the_most() -> None:
    target = TARGETS["tlv"]
    short, long = b"\x30\x00", b"\x30\x02\x04\x00"
    assert arcs_of(target.run, short) != arcs_of(target.run, long)
    assert minimise(target.run, [long, short, short, b"\x31\x00"]) == [short, long]
    assert minimise(target.run, [long, short], at_most=1) == [short]


def test_an_input_that_computes_too_long_is_told() -> None:
    def spin(_: bytes) -> None:
        end = time.process_time() + MAX_SECONDS + 0.01
        while time.process_time() < end:
            pass

    with pytest.raises(TooSlowError):
        Target(spin, tuple).check(b"")


def test_an_exception_of_another_kind_is_a_fault() -> None:
    def fail(_: bytes) -> None:
        raise IndexError

    with pytest.raises(IndexError):
        Target(fail, tuple).check(b"")
