"""The resumable hashes against hashlib, split at every block."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.virtual.hashing import Sha1, Sha256


@pytest.mark.parametrize("hasher", [Sha1(), Sha256()], ids=["sha1", "sha256"])
@pytest.mark.parametrize("length", [*range(130), 191, 192, 193, 255, 256, 1000])
def test_every_split_gives_the_same_hash(hasher, length):
    message = bytes((7 * i + length) & 0xFF for i in range(length))
    expected = hashlib.new(hasher.name, message).digest()
    for split in range(0, length + 1, 64):
        midstate = hasher.midstate(message[:split]) if split else None
        assert hasher.finish(message[split:], midstate, 8 * split) == expected


@given(st.binary(max_size=500))
def test_any_message(message):
    assert Sha256().finish(message) == hashlib.sha256(message).digest()
    assert Sha1().finish(message) == hashlib.sha1(message).digest()
