"""Codes of the card through the API: each outcome has its own word, and the card never sees what is not a code."""

from __future__ import annotations

from support.agent import NONCE, Person, RunningAgent

from agent.people.prompt import PinRequest, PromptRefusedError, PromptUnavailableError
from drivers.errors import PinFormatError
from drivers.virtual.link import VirtualReaders

LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}


async def test_three_wrong_codes_block_the_card_and_the_puk_unblocks_it(granted: RunningAgent, person: Person) -> None:
    person.pin = "0000"
    answers = [await granted.page("POST", "/v1/pin/verify", {}) for _ in range(4)]
    assert [answer.code for answer in answers] == ["pin-wrong", "pin-wrong", "pin-blocked", "pin-blocked"]
    assert [answer.body["triesLeft"] for answer in answers] == [2, 1, 0, 0]
    assert len(person.asked) == 3  # a blocked code is not asked for
    card = (await granted.page("GET", "/v1/cards")).body["cards"][0]
    assert card["pin"] == {"state": "blocked", "triesLeft": 0}
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).code == "pin-blocked"

    person.pin, person.new_pin = "12345678", "4321"
    answer = await granted.page("POST", "/v1/pin/unblock", {})
    assert answer.body == {"cardNumber": card["number"], "pin": {"state": "ready", "triesLeft": 3}}
    person.pin = "4321"
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).status == 200


async def test_a_code_is_changed(granted: RunningAgent, person: Person) -> None:
    person.new_pin = "87654321"
    assert (await granted.page("POST", "/v1/pin/change", {})).status == 200
    assert (await granted.page("POST", "/v1/pin/verify", {})).code == "pin-wrong"
    person.pin = "87654321"
    assert (await granted.page("POST", "/v1/pin/verify", {})).status == 200


async def test_a_wrong_puk_counts_its_own_tries(granted: RunningAgent, person: Person) -> None:
    person.pin = "00000000"
    answer = await granted.page("POST", "/v1/pin/unblock", {})
    assert answer.code == "pin-wrong"
    card = (await granted.page("GET", "/v1/cards")).body["cards"][0]
    assert card["pin"]["triesLeft"] == 3


async def test_the_tries_left_are_shown_before_typing(granted: RunningAgent, person: Person) -> None:
    person.pin = "0000"
    await granted.page("POST", "/v1/pin/verify", {})
    await granted.page("POST", "/v1/pin/verify", {})
    assert [asked.tries_left for asked in person.asked if isinstance(asked, PinRequest)] == [3, 2]


async def test_who_refuses_the_code_refuses_the_use_for_a_while(granted: RunningAgent, person: Person) -> None:
    person.refuses = PromptRefusedError()
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).code == "pin-refused"
    person.refuses = None
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).code == "pin-refused"
    assert len(person.asked) == 1
    other = {"format": "cms", "documents": [{"name": "d", "content": "AAAA"}]}
    assert (await granted.page("POST", "/v1/signatures", other)).status == 200


async def test_nobody_to_ask_is_a_refusal(granted: RunningAgent, person: Person) -> None:
    person.refuses = PromptUnavailableError()
    assert (await granted.page("POST", "/v1/pin/verify", {})).code == "pin-refused"


async def test_a_code_of_a_wrong_form_never_reaches_the_card(granted: RunningAgent, person: Person) -> None:
    for typed in ("", "abcd", "123", "123456789", "12 4"):
        person.pin = typed
        try:
            answer = await granted.page("POST", "/v1/pin/verify", {})
        except PinFormatError:
            continue
        assert answer.code == "pin-refused"
    card = (await granted.page("GET", "/v1/cards")).body["cards"][0]
    assert card["pin"]["triesLeft"] == 3


async def test_a_card_pulled_while_the_code_is_typed_is_gone(
    granted: RunningAgent, person: Person, readers: VirtualReaders
) -> None:
    card = readers._readers[0]._card
    person.on_ask = readers.remove
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).code in ("card-removed", "card-absent")
    person.on_ask = None
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).code == "card-absent"
    assert card is not None
    readers.insert(card)
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).status == 200


async def test_a_card_exchanged_while_the_code_is_typed_is_not_used(
    granted: RunningAgent, person: Person, readers: VirtualReaders
) -> None:
    card = readers._readers[0]._card
    assert card is not None
    person.on_ask = lambda: readers.insert(card)  # pulled, and put back
    answer = await granted.page("POST", "/v1/authentications", LOGIN)
    assert answer.code == "card-removed"
    person.on_ask = None
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).status == 200
