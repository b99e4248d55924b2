"""Virtual readers in this process: the seam of drivers.base, with cards that come and go."""

import threading

import pytest

from drivers.base import Deadline
from drivers.errors import CardAbsentError, CardBusyError, CardRemovedError, ReaderAbsentError
from drivers.virtual.link import VirtualReaders

NAME = "CPS virtuel 00 00"
STATUS, VERIFY = bytes.fromhex("0020000100"), bytes.fromhex("002000010431323334")


@pytest.fixture
def readers(card):
    return VirtualReaders([card])


def in_thread(function):
    """Run in a daemon thread and give a function that waits for the outcome."""
    outcome = []

    def run():
        try:
            outcome.append(function())
        except Exception as error:  # noqa: BLE001
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result():
        thread.join(10)
        assert outcome, "still running"
        return outcome[0]

    return result


def test_states_and_exchanges(readers, card):
    (state,) = readers.list_states()
    assert (state.name, state.atr, state.events) == (NAME, card.atr, 1)
    slot = readers.open_slot(NAME)
    assert slot.exchanges == 0
    with slot.transaction(Deadline(1)) as connection:
        assert connection.atr == card.atr
        assert connection.transmit(STATUS).hex() == "63c3"
        assert connection.transmit(bytearray(VERIFY)).hex() == "9000"
    assert slot.exchanges == 2
    with pytest.raises(ReaderAbsentError):
        readers.open_slot("nothing")


@pytest.mark.parametrize(("wanted", "answer"), [(True, "63c3"), (False, "9000")])
def test_reset_at_the_end(readers, wanted, answer):
    slot = readers.open_slot(NAME)
    with slot.transaction(Deadline(1)) as connection:
        connection.reset_at_end(wanted)
        connection.transmit(VERIFY)
    with slot.transaction(Deadline(1)) as connection:
        assert connection.transmit(STATUS).hex() == answer


def test_reset_also_when_the_block_fails(readers):
    slot = readers.open_slot(NAME)
    with pytest.raises(KeyError), slot.transaction(Deadline(1)) as connection:  # noqa: PT012
        connection.reset_at_end(True)
        connection.transmit(VERIFY)
        raise KeyError
    with slot.transaction(Deadline(1)) as connection:
        assert connection.transmit(STATUS).hex() == "63c3"


def test_two_slots_exclude_each_other(readers):
    first, second = readers.open_slot(NAME), readers.open_slot(NAME)
    with first.transaction(Deadline(1)):
        with pytest.raises(CardBusyError), second.transaction(Deadline(0.01)):
            pytest.fail("two transactions at once")
        waiting = Deadline(60)

        def enter():
            with second.transaction(waiting):
                return "entered"

        result = in_thread(enter)
        waiting.cancel()
        assert isinstance(result(), CardBusyError)
    with second.transaction(Deadline(0)):
        pass


def test_the_next_one_enters_when_the_first_is_done(readers):
    first, second = readers.open_slot(NAME), readers.open_slot(NAME)

    def enter():
        with second.transaction(Deadline(10)) as connection:
            return connection.transmit(STATUS).hex()

    with first.transaction(Deadline(1)):
        result = in_thread(enter)
    assert result() == "63c3"


def test_a_pulled_card(readers, card):
    slot = readers.open_slot(NAME)
    with slot.transaction(Deadline(1)) as connection:
        connection.reset_at_end(True)
        readers.remove()
        with pytest.raises(CardRemovedError):
            connection.transmit(STATUS)
        readers.insert(card)  # the same card again is another insertion
        with pytest.raises(CardRemovedError):
            connection.transmit(STATUS)
    assert readers.list_states()[0].events == 3
    readers.remove()
    readers.remove()
    assert readers.list_states()[0].events == 4
    assert readers.list_states()[0].atr is None
    with pytest.raises(CardAbsentError), slot.transaction(Deadline(1)):
        pytest.fail("no card is there")


def test_a_pulled_card_forgets(readers, card):
    slot = readers.open_slot(NAME)
    with slot.transaction(Deadline(1)) as connection:
        connection.transmit(VERIFY)
    readers.insert(card)
    with slot.transaction(Deadline(1)) as connection:
        assert connection.transmit(STATUS).hex() == "63c3"


def test_waiting_for_a_change(readers):
    known = readers.list_states()
    result = in_thread(lambda: readers.wait_for_change(known))
    readers.remove(NAME)
    (state,) = result()
    assert state.atr is None
    assert readers.wait_for_change(known) == (state,)
    result = in_thread(lambda: readers.wait_for_change((state,)))
    readers.stop()
    assert result() == (state,)


def test_several_readers(card):
    readers = VirtualReaders([None, card])
    empty, full = readers.list_states()
    assert (empty.name, empty.atr, empty.events) == (NAME, None, 0)
    assert (full.name, full.atr) == ("CPS virtuel 01 00", card.atr)
