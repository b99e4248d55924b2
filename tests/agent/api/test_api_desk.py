"""Routes of the person's own tools: refusals that stand, and what lifts them; lock now."""

from __future__ import annotations

from support.agent import NONCE, Person, RunningAgent

from agent.people.prompt import PromptRefusedError

LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}


async def test_refusals_are_counted_and_lifted_by_a_program(granted: RunningAgent, person: Person) -> None:
    person.refuses = PromptRefusedError()
    for _ in range(2):
        assert (await granted.page("POST", "/v1/authentications", LOGIN)).code == "pin-refused"
    assert len(person.asked) == 1
    assert (await granted.program("GET", "/v1/denials")).body == {"count": 1}
    assert (await granted.program("DELETE", "/v1/denials")).status == 204
    assert (await granted.program("GET", "/v1/denials")).body == {"count": 0}
    person.refuses = None
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).status == 200
    (entry,) = [
        entry
        for entry in (await granted.program("GET", "/v1/journal")).body["entries"]
        if entry["action"] == "lift-denials"
    ]
    assert entry["outcome"] == "ok"


async def test_attack_a_page_neither_counts_nor_lifts_refusals(granted: RunningAgent, person: Person) -> None:
    person.refuses = PromptRefusedError()
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).code == "pin-refused"
    assert (await granted.page("GET", "/v1/denials")).code == "token-refused"
    assert (await granted.page("DELETE", "/v1/denials")).code == "token-refused"
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).code == "pin-refused"
    assert len(person.asked) == 1


async def test_locking_where_nothing_is_kept_says_so_and_is_no_use(agent: RunningAgent) -> None:
    before = (await agent.program("GET", "/v1/journal")).body["entries"]
    assert (await agent.page("POST", "/v1/pin/lock", {}, "https://stranger.example")).body == {"ended": 0}
    assert (await agent.program("POST", "/v1/pin/lock", {})).body == {"ended": 0}
    assert (await agent.program("POST", "/v1/pin/lock", {"pin": "1234"})).code == "bad-request"
    after = (await agent.program("GET", "/v1/journal")).body["entries"]
    uses = [entry for entry in after if entry["action"] == "lock-pin" and entry["outcome"] == "ok"]
    assert uses == []
    assert len(after) >= len(before)
