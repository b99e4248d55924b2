"""CPS4 and contactless cards that lie, and readers with keys that do: a DriverError, or a working token; no digits."""

from __future__ import annotations

import contextlib
import random
import shutil
from dataclasses import replace

import pytest
from card_fakes import digest_of, pin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.base import Deadline, Padding
from drivers.card.cps3 import open_cps3, open_cps3_contactless
from drivers.card.cps4 import open_cps4
from drivers.card.files import MAX_EXCHANGES
from drivers.card.token import CodedToken
from drivers.errors import CardUpdateUnfinishedError, DriverError
from drivers.pin import ON_PAD
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import VirtualReader, VirtualReaders
from drivers.virtual.pad import VirtualPad
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card

BOUND = MAX_EXCHANGES + 100
OPENERS = {"cps3": open_cps3, "cps4": open_cps4, "cps3-contactless": open_cps3_contactless}
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


@pytest.fixture(scope="module")
def chips(made_folder, tmp_path_factory):
    """One card of each kind; its codes are renewed for each example."""
    folder = shutil.copytree(made_folder, tmp_path_factory.mktemp("kinds") / "data")
    with contextlib.ExitStack() as stack:
        chips = {kind: stack.enter_context(open_card_of_kind(folder, kind)) for kind in OPENERS}
        yield {kind: (chip, chip._memory.codes) for kind, chip in chips.items()}


class NoisyReaders(VirtualReaders):
    """Answers are replaced at random, with or without the card having had the command."""

    def __init__(self, chip, noise, rate, *, t1, pad=None):
        super().__init__([])
        reader = VirtualReader("noisy", self._changed, chip, pad, t1=t1)
        honest = reader.exchange
        self.sent = []

        def exchange(events, apdu):
            self.sent.append(apdu)
            answer = honest(events, apdu) if noise.random() < 0.5 or noise.random() > rate else b""
            if answer and noise.random() > rate:
                return answer
            words = b"\x90\x00", b"\x61\x10", b"\x6c\x20", b"\x62\x82", b"\x6b\x00", b"\x69\x85", noise.randbytes(2)
            return noise.randbytes(noise.choice((0, 0, 1, 40, 256))) + noise.choice(words)

        reader.exchange = exchange
        self._readers = [reader]


def use(token, code_of):
    """Every call once; a code is made for each."""
    calls = [
        lambda key=key, scheme=scheme: token.sign(
            key, [replace(digest_of(b"x"), padding=scheme)] * 2, code_of() if key.needs_code else None, Deadline(30)
        )
        for key in token.keys
        for scheme in Padding
    ]
    if isinstance(token, CodedToken):
        calls += [
            lambda: token.read_pin_status(Deadline(30)),
            lambda: token.verify_pin(code_of(), Deadline(30)),
            lambda: token.change_pin(code_of(), code_of(), Deadline(30)),
            lambda: token.unblock_pin(code_of("12345678"), code_of(), Deadline(30)),
        ]
    for call in calls:
        with contextlib.suppress(DriverError):
            call()


@pytest.mark.parametrize("kind", OPENERS)
@RELAXED
@given(seed=st.integers(0, 2**32), rate=st.floats(0.0, 0.4), t1=st.booleans())
def test_noise_on_the_line(kind, chips, store, seed, rate, t1):
    store.texts.clear()
    chip, codes = chips[kind]
    chip._memory.save_codes(codes)
    readers = NoisyReaders(chip, random.Random(seed), rate, t1=t1)
    slot = readers.open_slot("noisy")
    with contextlib.suppress(DriverError):
        use(OPENERS[kind](slot, store, Deadline(30)), lambda digits="1234": pin(digits))
    assert slot.exchanges < 2 * BOUND
    if kind == "cps3-contactless":
        assert not [apdu for apdu in readers.sent if apdu[1] in (0x20, 0x24, 0x2C)]


@pytest.mark.parametrize("kind", ["cps3", "cps4"])
@RELAXED
@given(seed=st.integers(0, 2**32), rate=st.floats(0.0, 0.3))
def test_noise_behind_a_reader_with_keys(kind, chips, store, seed, rate):
    """Whatever happens, only the reader sends codes, each of them typed once."""
    store.texts.clear()
    chip, codes = chips[kind]
    chip._memory.save_codes(codes)
    pad = VirtualPad()
    readers = NoisyReaders(chip, random.Random(seed), rate, t1=True, pad=pad)
    pad.type(*["1234"] * 40)
    with contextlib.suppress(DriverError):
        use(OPENERS[kind](readers.open_slot("noisy"), store, Deadline(30)), lambda _digits="": ON_PAD)
    typed = 40 - pad._keys.qsize()
    with_code = [apdu for apdu in readers.sent if apdu[1] in (0x20, 0x24, 0x2C) and len(apdu) > 5]
    assert len(with_code) <= typed


UPDATES = {
    "empty": "",
    "no template": "FFFFFFFF",
    "an empty template": "EC00",
    "a start alone": "EC09 8107 20240101120000",
    "an end without a date": "EC0B 8107 20240101120000 8200",
}
FINISHED = "EC12 8107 20240101120000 8207 20240101120500"


@pytest.fixture
def opened(data_dir, store):
    """A function that opens the virtual CPS3 with that EF_ACTUA, or none."""

    def make(record):
        update = None if record is None else bytes.fromhex(record)
        with open_card(data_dir, replace(DEFAULT, update_record=update)) as card:
            readers = VirtualReaders([card])
            return open_cps3(readers.open_slot(readers.list_states()[0].name), store, Deadline(10))

    return make


@pytest.mark.parametrize("record", UPDATES.values(), ids=UPDATES.keys())
def test_a_virtual_card_in_an_unfinished_update(opened, store, record):
    with pytest.raises(CardUpdateUnfinishedError):
        opened(record)
    assert not store.texts, "it is read again at the next insertion"


@pytest.mark.parametrize("record", [None, FINISHED], ids=["none", "finished"])
def test_a_virtual_card_without_an_update_under_way(opened, record):
    assert opened(record).number == DEFAULT.serial
