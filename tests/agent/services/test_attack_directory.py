"""A directory that was broken into: what it may cost the agent, and what is kept of it."""

from __future__ import annotations

import msgspec
from support.fhir_directory import bundle, mailbox, organization, practitioner, role
from support.pauses import watched_loop

RPPS = "99700002712"
LONGEST_PAUSE_S = 0.8
MOST_KEPT = 512 * 1024


def swollen(kind: str) -> list[dict[str, object]]:
    """As much as a page holds, each part naming the same place with as many mailboxes as are read."""
    if kind == "Practitioner":
        return [practitioner(RPPS)]
    boxes = [mailbox(f"{number}@{'x' * 200}.fr", "ORG") for number in range(64)]
    place = organization("001-1", "x" * 300, telecom=boxes)
    return [place, *(role(f"005-{number}", "003-1-1", "001-1", telecom=boxes[:3]) for number in range(499))]


async def test_an_answer_that_swells_neither_stops_the_agent_nor_fills_its_memory(directory, ask):
    pages = {kind: bundle(swollen(kind), []) for kind in ("Practitioner", "PractitionerRole")}
    directory.always = lambda _, handler: pages[handler.path.partition("?")[0].rpartition("/")[2]]
    async with watched_loop() as pauses:
        found = await ask().find(RPPS)
    assert pauses.longest < LONGEST_PAUSE_S
    assert found is not None
    assert found.mailboxes
    assert len(msgspec.json.encode(found)) < MOST_KEPT


async def test_situations_without_number_are_cut(directory, ask):
    directory.resources = [practitioner(RPPS)]
    directory.resources += [organization(f"001-{number}", f"{number}{'x' * 290}") for number in range(200)]
    directory.resources += [role(f"005-{number}", "003-1-1", f"001-{number}") for number in range(200)]
    directory.page_size = 100
    found = await ask().find(RPPS)
    assert found is not None
    assert 16 <= len(found.situations) <= 100
    assert len(msgspec.json.encode(found)) < MOST_KEPT
