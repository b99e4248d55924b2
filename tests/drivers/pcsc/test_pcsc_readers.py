"""Readers of a real pcscd: what happens in them is noticed without asking again and again."""

import sys
import time

import pytest
from support.waiting import wait_until

from drivers.errors import ServiceStoppedError
from drivers.registry import open_pcsc_readers


def state_of(states, name):
    return next(state for state in states if state.name == name)


FLAGS = {
    # As SCardGetStatusChange tells them; the upper half counts events
    0x0003_0022: (True, False, False),  # present
    0x0003_0122: (True, False, False),  # present and used by others
    0x0003_00A2: (True, True, False),  # present, another program has it alone
    0x0003_0222: (True, False, True),  # present and mute: upside down, dirty, broken, or not powered up
    0x0003_0622: (True, False, True),  # mute, and its power taken off again
    0x0003_0422: (True, False, False),  # powered off while nobody uses it
    0x0003_0012: (False, False, False),  # empty
    0x0003_0006: (False, False, False),  # unknown: just unplugged
}


@pytest.mark.parametrize(("flags", "expected"), FLAGS.items(), ids=lambda value: f"{value:X}" if isinstance(value, int) else "")  # fmt: skip
def test_what_the_flags_of_a_reader_mean(flags, expected, monkeypatch):
    from drivers.pcsc import readers  # noqa: PLC0415 - needs a system library

    atr = [0x3B, 0x00]
    monkeypatch.setattr(readers.scard, "SCardEstablishContext", lambda _scope: (0, 7))
    monkeypatch.setattr(readers.scard, "SCardReleaseContext", lambda _context: 0)
    monkeypatch.setattr(readers.scard, "SCardListReaders", lambda _context, _groups: (0, ["Reader"]))
    monkeypatch.setattr(readers.scard, "SCardGetStatusChange", lambda *_: (0, [("Reader", flags, atr)]))
    (state,) = readers.PcscReaders().list_states()
    assert (state.atr is not None, state.exclusive, state.mute) == expected
    assert state.events == 3


def test_insertion_and_removal_are_noticed(reader, card, in_thread):
    readers = open_pcsc_readers()
    empty = readers.list_states()
    assert next(state.name for state in empty) == reader.name
    assert state_of(empty, reader.name).atr is None
    waiting = in_thread(lambda: readers.wait_for_change(empty))
    reader.insert(card, wait=False)
    full = waiting.get()
    there = state_of(full, reader.name)
    assert (there.atr, there.exclusive, there.mute) == (card.atr, False, False)
    assert there.events > state_of(empty, reader.name).events
    waiting = in_thread(lambda: readers.wait_for_change(full))
    reader.pull(wait=False)
    gone = state_of(waiting.get(), reader.name)
    assert gone.atr is None
    assert gone.events > there.events


def test_waiting_is_one_call_and_stop_ends_it_at_once(reader, monkeypatch, in_thread):
    from drivers.pcsc.readers import scard  # noqa: PLC0415

    calls, ask = [], scard.SCardGetStatusChange
    monkeypatch.setattr(scard, "SCardGetStatusChange", lambda *given: (calls.append(given), ask(*given))[1])
    readers = open_pcsc_readers()
    known = readers.list_states()
    calls.clear()
    waiting = in_thread(lambda: readers.wait_for_change(known))
    wait_until(lambda: len(calls) == 2, "the waiting to begin")
    time.sleep(1.0)  # nothing happens: nothing is asked
    assert len(calls) == 2
    began = time.monotonic()
    readers.stop()
    assert waiting.get() == known
    assert time.monotonic() - began < 1.0
    assert readers.wait_for_change(known) == known


def test_stop_wins_against_a_wait_that_begins(reader, in_thread):
    for _ in range(20):
        readers = open_pcsc_readers()
        known = readers.list_states()
        waiting = in_thread(lambda readers=readers, known=known: readers.wait_for_change(known))
        readers.stop()
        assert waiting.get() == known


def test_other_programs_connections_are_no_change(inserted, other, in_thread):
    readers = open_pcsc_readers()
    known = readers.list_states()
    waiting = in_thread(lambda: readers.wait_for_change(known))
    for _ in range(3):
        assert other.connect() == 0
        with other.transaction():
            assert other.send("0020000100") == "63c3"
        other.disconnect()
    assert not waiting.done
    inserted.pull(wait=False)
    assert state_of(waiting.get(), inserted.name).atr is None


def test_an_exclusive_holder_is_seen(inserted, other):
    """When somebody looks: pcscd 1.9.9 wakes nobody for it."""
    readers = open_pcsc_readers()
    assert not state_of(readers.list_states(), inserted.name).exclusive
    assert other.connect(exclusive=True) == 0
    assert state_of(readers.list_states(), inserted.name).exclusive
    other.disconnect()


def test_a_reset_is_no_change(inserted, other, in_thread):
    readers = open_pcsc_readers()
    known = readers.list_states()
    waiting = in_thread(lambda: readers.wait_for_change(known))
    other.connect()
    other.begin()
    assert other.end(reset=True) == 0
    other.disconnect()
    assert readers_agree(known)
    assert not waiting.done
    readers.stop()
    waiting.get()


def readers_agree(known):
    return open_pcsc_readers().list_states() == known


def test_a_stopped_service_is_told_and_survived(inserted, in_thread):
    readers = open_pcsc_readers()
    known = readers.list_states()
    waiting = in_thread(lambda: readers.wait_for_change(known))
    inserted.pcscd.stop()
    assert isinstance(waiting.get(), ServiceStoppedError)
    for ask in (readers.list_states, lambda: readers.wait_for_change(known)):
        with pytest.raises(ServiceStoppedError):
            ask()
    inserted.pcscd.start()
    wait_until(lambda: state_of(readers.list_states(), inserted.name).atr is not None, "the card after the restart")
    full = readers.list_states()
    waiting = in_thread(lambda: readers.wait_for_change(full))
    inserted.pull(wait=False)
    assert state_of(waiting.get(), inserted.name).atr is None


def test_a_reader_unplugged_while_we_look_does_not_hide_the_others(inserted, monkeypatch):
    """Between the list and the states; only the system's answer is changed here."""
    from drivers.pcsc.readers import scard  # noqa: PLC0415

    ghosts, ask = [["Unplugged 00 00"], ["Unplugged 00 00"], []], scard.SCardListReaders

    def list_with_ghost(context, groups):
        hresult, names = ask(context, groups)
        return hresult, [*names, *(ghosts.pop(0) if ghosts else [])]

    readers = open_pcsc_readers()
    known = readers.list_states()
    monkeypatch.setattr(scard, "SCardListReaders", list_with_ghost)
    assert readers.list_states() == known
    assert ghosts == []


@pytest.mark.parametrize("code", [0x80100001, 0x80100006, 0x8010006A, -2146435042])
def test_any_failure_of_the_service_is_told_as_such(reader, monkeypatch, code):
    from drivers.pcsc.readers import scard  # noqa: PLC0415

    monkeypatch.setattr(scard, "SCardListReaders", lambda context, groups: (code, []))
    with pytest.raises(ServiceStoppedError) as raised:
        open_pcsc_readers().list_states()
    assert raised.value.native == code & 0xFFFFFFFF


def test_a_workstation_without_the_library_is_told_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "drivers.pcsc.readers", None)
    readers = open_pcsc_readers()
    for ask in (readers.list_states, lambda: readers.wait_for_change(()), lambda: readers.open_slot("")):
        with pytest.raises(ServiceStoppedError, match="not available"):
            ask()
    readers.stop()
