"""Cards to drive: virtual ones in a folder of their own, fakes made of files, and a store for their profiles."""

from __future__ import annotations

import pytest
from card_fakes import FakeSlot, FileCard, Layout, MemoryStore, make_certificate
from cryptography.hazmat.primitives.asymmetric import rsa

from drivers.base import Deadline
from drivers.card.cps3 import open_cps3
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card
from drivers.virtual.trace import TracedCard


@pytest.fixture(scope="session")
def keys():
    return {name: rsa.generate_private_key(65537, 2048) for name in ("sign", "authenticate")}


@pytest.fixture(scope="session")
def certificates(keys):
    return {name: make_certificate(key, signs=name == "sign") for name, key in keys.items()}


@pytest.fixture
def layout(certificates):
    """A function that gives a layout with some things changed."""

    def make(**changes):
        return Layout(**{"certificates": certificates, **changes})

    return make


@pytest.fixture
def open_file_card(keys, store):
    """A function that gives the token of a card made of files, with the card and its slot."""

    def make(layout, quirks=None):
        card = FileCard(layout, keys, quirks)
        slot = FakeSlot(card.process, card.reset)
        return open_cps3(slot, store, Deadline(10)), card, slot

    return make


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def data_dir(folder):
    return folder


@pytest.fixture
def trace():
    return []


@pytest.fixture
def card(data_dir, trace):
    with open_card(data_dir) as card:
        yield TracedCard(card, trace.append)


@pytest.fixture
def readers(card):
    return VirtualReaders([card])


@pytest.fixture
def slot(readers):
    return readers.open_slot(readers.list_states()[0].name)


@pytest.fixture
def other_slot(readers):
    """Another program's way to the same card."""
    return readers.open_slot(readers.list_states()[0].name)


@pytest.fixture
def token(slot, store):
    return open_cps3(slot, store, Deadline(10))
