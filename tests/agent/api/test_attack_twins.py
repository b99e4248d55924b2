"""Attacks by a card that says it is the doctor's own: the number of a card, and its certificates, are no secret."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person, running_agent

from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card

ALL = {"abilities": ["identity", "authenticate", "sign"]}
SIGN = {"format": "cms", "documents": [{"name": "d", "content": "AAAA"}]}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("named", [{}, {"cardNumber": DEFAULT.serial}])
@pytest.mark.parametrize("same_certificates", [True, False])
async def test_attack_card_of_the_same_number_in_another_reader_gets_no_code(
    folder: Path, tmp_path: Path, person: Person, first: bool, named: dict[str, str], same_certificates: bool
) -> None:
    """Neither is chosen in silence: the person would type the code of one into the other."""
    if same_certificates:
        shutil.copytree(folder / "virtual", tmp_path / "other" / "virtual")
    mine, twin = open_card(folder), open_card(tmp_path / "other")
    async with running_agent(folder, person, VirtualReaders([twin, mine] if first else [mine, twin])) as agent:
        await agent.page("POST", "/v1/grants", ALL)
        assert len((await agent.page("GET", "/v1/cards")).body["cards"]) == 2
        person.asked.clear()
        body: dict[str, Any] = {**SIGN, **named}
        assert (await agent.page("POST", "/v1/signatures", body)).code == "bad-request"
        assert (await agent.page("POST", "/v1/pin/verify", named)).code == "bad-request"
    assert not person.asked
    mine.close()
    twin.close()
