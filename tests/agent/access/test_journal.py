"""What the journal keeps, collapses, forgets and never keeps."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from agent.access.errors import StoreError
from agent.access.journal import OK, REFUSALS, Journal, JournalEntry, JournalLimits
from agent.access.text import clean_text

USE = JournalEntry(
    action="sign",
    caller="https://dmp.example",
    outcome=OK,
    through="/usr/bin/firefox",
    card_number="99213845",
    subject="ordonnance.pdf",
    exchanges=21,
    duration_ms=830,
)
NOTE = JournalEntry("state", "cps-agent", "card-ready", card_number="99213845", subject="Lecteur 0", by_agent=True)
REFUSAL = JournalEntry(action="sign", caller="https://evil.example", outcome="grant-required")


@pytest.fixture
def journal(database, clock):
    return Journal(database, clock)


def small_journal(database, clock, **limits):
    return Journal(database, clock, JournalLimits(prune_every=1, **limits))


async def outcomes(journal):
    return [record.entry.outcome for record in await journal.list(1000)]


async def test_a_use_is_read_back_as_it_was_recorded(journal, clock):
    await journal.record(USE)
    (record,) = await journal.list()
    assert record.entry == USE
    assert (record.at, record.last_at, record.count) == (clock(), clock(), 1)


async def test_each_use_is_one_entry_however_alike(journal):
    for _ in range(3):
        await journal.record(USE)
    assert [record.count for record in await journal.list()] == [1, 1, 1]


async def test_a_failure_at_the_card_is_a_use_and_never_collapsed(journal):
    for _ in range(2):
        await journal.record(replace(USE, outcome="pin-wrong"))
    assert await outcomes(journal) == ["pin-wrong", "pin-wrong"]


async def test_the_agents_own_notes_are_counted_while_they_are_alike_in_all_they_say(journal):
    for _ in range(50):
        await journal.record(NOTE)
        await journal.record(replace(NOTE, outcome="no-card", card_number=None))
        await journal.record(replace(NOTE, subject="Lecteur 1"))
        await journal.record(replace(NOTE, action="read-card", outcome=OK, subject=None, exchanges=4))
        await journal.record(replace(NOTE, action="read-card", outcome=OK, subject=None, exchanges=42))
    assert [record.count for record in await journal.list(1000)] == [50] * 5


async def test_attack_notes_in_a_loop_push_no_use_out(database, clock):
    journal = small_journal(database, clock, refusals=3, uses=2)
    await journal.record(USE)
    for number in range(20):
        await journal.record(replace(NOTE, subject=f"Lecteur {number}"))
    assert await outcomes(journal) == ["card-ready"] * 3 + [OK]


async def test_attack_subject_of_a_caller_makes_no_new_entry(journal):
    for number in range(20):
        await journal.record(replace(REFUSAL, subject=str(number)))
    assert [record.count for record in await journal.list()] == [20]


async def test_entries_come_newest_first_and_page_by_page(journal):
    for number in range(5):
        await journal.record(replace(USE, subject=str(number)))
    first = await journal.list(2)
    second = await journal.list(2, before_id=first[-1].id)
    assert [record.entry.subject for record in first + second] == ["4", "3", "2", "1"]
    assert await journal.list(0) == []
    assert await journal.list(-1) == []


async def test_entries_of_one_caller(journal):
    await journal.record(USE)
    await journal.record(REFUSAL)
    (record,) = await journal.list(caller=REFUSAL.caller)
    assert record.entry == REFUSAL
    assert await journal.list(caller="https://dmp.example' OR 1=1 --") == []


@pytest.mark.parametrize("outcome", sorted(REFUSALS))
async def test_attack_page_in_a_loop_makes_one_entry_with_a_count(journal, clock, outcome):
    for _ in range(50):
        await journal.record(replace(REFUSAL, outcome=outcome))
        clock.pass_by(seconds=30)
    (record,) = await journal.list()
    assert record.count == 50
    assert record.last_at - record.at == timedelta(seconds=30 * 49)


async def test_attack_two_pages_taking_turns_make_two_entries(journal):
    for _ in range(20):
        await journal.record(REFUSAL)
        await journal.record(replace(REFUSAL, caller="https://accomplice.example"))
    assert [record.count for record in await journal.list()] == [20, 20]


async def test_attack_simultaneous_refusals_are_all_counted(journal):
    await asyncio.gather(*(journal.record(REFUSAL) for _ in range(50)))
    assert [record.count for record in await journal.list()] == [50]


async def test_a_refusal_after_a_quiet_minute_is_a_new_entry(journal, clock):
    await journal.record(REFUSAL)
    clock.pass_by(seconds=61)
    await journal.record(REFUSAL)
    assert [record.count for record in await journal.list()] == [1, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"action": "identity"},
        {"outcome": "origin-refused"},
        {"through": "/usr/bin/firefox"},
        {"card_number": "99213845"},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_a_different_refusal_is_a_new_entry(journal, other):
    await journal.record(REFUSAL)
    await journal.record(replace(REFUSAL, **other))
    assert [record.count for record in await journal.list()] == [1, 1]


async def test_attack_flood_of_refusals_hides_no_use(database, clock):
    journal = small_journal(database, clock, refusals=10, uses=100)
    await journal.record(USE)
    for number in range(50):
        await journal.record(replace(REFUSAL, caller=f"https://{number}.example"))
    kept = await outcomes(journal)
    assert kept == ["grant-required"] * 10 + [OK]


async def test_uses_are_kept_up_to_their_own_cap(database, clock):
    journal = small_journal(database, clock, refusals=10, uses=3)
    await journal.record(REFUSAL)
    for number in range(5):
        await journal.record(replace(USE, subject=str(number)))
    assert [record.entry.subject for record in await journal.list()] == ["4", "3", "2", None]


async def test_entries_are_kept_for_three_years(database, clock):
    journal = small_journal(database, clock)
    await journal.record(USE)
    await journal.record(REFUSAL)
    clock.pass_by(days=3 * 365)
    await journal.record(replace(USE, subject="later"))
    assert len(await journal.list()) == 3
    clock.pass_by(days=4)
    await journal.record(replace(USE, subject="latest"))
    assert [record.entry.subject for record in await journal.list()] == ["latest", "later"]


async def test_pruning_happens_at_the_first_entry_and_then_now_and_then(database, clock):
    journal = Journal(database, clock, JournalLimits(uses=2, prune_every=4))
    sizes = []
    for number in range(9):
        await journal.record(replace(USE, subject=str(number)))
        sizes.append(len(await journal.list()))
    assert sizes == [1, 2, 3, 4, 2, 3, 4, 5, 2]


async def test_ids_are_never_used_again(database, clock):
    journal = small_journal(database, clock, refusals=0)
    await journal.record(REFUSAL)
    await journal.record(USE)
    (record,) = await journal.list()
    assert record.id == 2


async def test_attack_control_characters_and_endless_text(journal):
    hostile = "a\x00b\x1b[31mc\nd\u202ee\u2028f\ud800g\u200b"
    await journal.record(replace(USE, caller=hostile, subject="x" * 1_000_000, action="y" * 1_000_000))
    (record,) = await journal.list()
    assert record.entry.caller == "ab[31mcdefg"
    assert record.entry.subject == "x" * 254 + "…"
    assert len(record.entry.action) == 64


def test_text_of_people_is_left_as_it_is():
    assert clean_text("Ordonnance n° 12 — Éloïse Dûpré.pdf", 255) == "Ordonnance n° 12 — Éloïse Dûpré.pdf"


async def test_the_journal_cannot_be_erased(journal):
    assert [name for name in dir(journal) if not name.startswith("_")] == ["list", "record"]


async def test_an_entry_that_cannot_be_kept_is_an_error(journal, database):
    await database.close()
    with pytest.raises(StoreError):
        await journal.record(USE)
