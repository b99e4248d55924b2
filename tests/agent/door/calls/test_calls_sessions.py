"""Sessions, logins that give nothing, and calls that wait for one another (PKCS #11 v2.40 §5.6)."""

from __future__ import annotations

import asyncio

import pytest
from support.agent import Person
from support.door_desk import Caller, DoorDesk

from agent.door import cryptoki as ck
from agent.door.sessions import MAX_SESSIONS
from agent.door.values import Mechanism

RW = ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION
SHA256_RSA = Mechanism(ck.CKM_SHA256_RSA_PKCS)
USER = 1


async def state(guest: Caller, session: int) -> int:
    return int((await guest.call("GetSessionInfo", session))[1])


async def ignored_codes(desk: DoorDesk) -> list[tuple[str, str | None]]:
    entries = [record.entry for record in await desk.services.journal.list()]
    return [(entry.caller, entry.through) for entry in entries if entry.action == "ignore-pin"]


async def test_what_a_session_says(guest: Caller) -> None:
    (slot,) = await guest.slots()
    session, writing = await guest.session(slot), await guest.session(slot, RW)
    assert await guest.call("GetSessionInfo", session) == (slot, ck.CKS_RO_PUBLIC_SESSION, ck.CKF_SERIAL_SESSION, 0)
    assert await guest.call("GetSessionInfo", writing) == (slot, ck.CKS_RW_PUBLIC_SESSION, RW, 0)
    told = await guest.call("GetTokenInfo", slot)
    assert (told[6], told[8]) == (2, 1)
    assert await guest.refusal("OpenSession", slot, ck.CKF_RW_SESSION) == ck.CKR_SESSION_PARALLEL_NOT_SUPPORTED


async def test_sessions_end(guest: Caller) -> None:
    (slot,) = await guest.slots()
    first, second, third = [await guest.session(slot) for _ in range(3)]
    await guest.call("CloseSession", first)
    assert await guest.refusal("CloseSession", first) == ck.CKR_SESSION_HANDLE_INVALID
    assert await guest.refusal("GetSessionInfo", first) == ck.CKR_SESSION_HANDLE_INVALID
    await guest.call("CloseAllSessions", slot)
    for session in (second, third):
        assert await guest.refusal("FindObjectsInit", session, ()) == ck.CKR_SESSION_HANDLE_INVALID
    assert await guest.refusal("CloseAllSessions", 99) == ck.CKR_SLOT_ID_INVALID


async def test_there_is_an_end_to_sessions(guest: Caller) -> None:
    (slot,) = await guest.slots()
    sessions = [await guest.session(slot) for _ in range(MAX_SESSIONS)]
    assert await guest.refusal("OpenSession", slot, ck.CKF_SERIAL_SESSION) == ck.CKR_SESSION_COUNT
    await guest.call("CloseSession", sessions[0])
    assert await guest.refusal("OpenSession", slot, ck.CKF_SERIAL_SESSION) == ck.CKR_OK


async def test_any_code_logs_in_and_nothing_is_asked(desk: DoorDesk, guest: Caller, person: Person) -> None:
    session, writing = await guest.session(), await guest.session(flags=RW)
    assert await guest.refusal("Logout", session) == ck.CKR_USER_NOT_LOGGED_IN
    assert await guest.call("Login", session, USER, b"0000") == ()
    assert (await state(guest, session), await state(guest, writing)) == (1, 3)
    for again in (session, writing):
        assert await guest.refusal("Login", again, USER, None) == ck.CKR_USER_ALREADY_LOGGED_IN
    assert await guest.call("Logout", writing) == ()
    assert await state(guest, session) == ck.CKS_RO_PUBLIC_SESSION
    assert await guest.call("LoginUser", session, USER, b"1234", b"somebody") == ()
    assert await guest.refusal("Login", session, 3, b"") == ck.CKR_USER_TYPE_INVALID
    assert person.asked == []
    while not (noted := await ignored_codes(desk)):
        await asyncio.sleep(0.01)
    assert noted == [("/usr/bin/guest", "PKCS#11")]


async def test_a_login_with_no_code_is_not_worth_a_word(desk: DoorDesk, guest: Caller) -> None:
    assert await guest.call("Login", await guest.session(), USER, None) == ()
    assert await ignored_codes(desk) == []


async def test_a_login_for_one_key_wants_a_signature_that_was_begun(guest: Caller) -> None:
    session = await guest.session()
    assert await guest.refusal("Login", session, ck.CKU_CONTEXT_SPECIFIC, b"1") == ck.CKR_OPERATION_NOT_INITIALIZED
    await guest.call("SignInit", session, SHA256_RSA, await guest.private_key(session))
    assert await guest.call("Login", session, ck.CKU_CONTEXT_SPECIFIC, b"1") == ()
    assert await state(guest, session) == ck.CKS_RO_PUBLIC_SESSION


async def test_who_is_logged_in_is_so_until_the_last_session_ends(desk: DoorDesk, guest: Caller) -> None:
    session = await guest.session()
    await guest.call("Login", session, USER, b"1")
    other = await desk.guest("/usr/bin/other")
    assert await state(other, await other.session()) == ck.CKS_RO_PUBLIC_SESSION
    await guest.call("CloseSession", session)
    assert await state(guest, await guest.session()) == ck.CKS_RO_PUBLIC_SESSION


class Hesitant:
    """Somebody who thinks about a question until the test says that it is enough."""

    def __init__(self, person: Person) -> None:
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.gave_up = False
        person.on_ask = self._think

    async def _think(self) -> None:
        self.is_asked.set()
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.gave_up = True
            raise


@pytest.fixture
def hesitant(person: Person) -> Hesitant:
    return Hesitant(person)


async def begin(guest: Caller, hesitant: Hesitant) -> tuple[int, asyncio.Task[int]]:
    """A session in which a signature is asked about."""
    session = await guest.session()
    await guest.call("SignInit", session, SHA256_RSA, await guest.private_key(session))
    signing = asyncio.create_task(guest.refusal("Sign", session, b"text", 256))
    await hesitant.is_asked.wait()
    return session, signing


async def test_calls_of_one_session_wait_and_those_of_others_do_not(guest: Caller, hesitant: Hesitant) -> None:
    session, signing = await begin(guest, hesitant)
    searching = asyncio.create_task(guest.find(session))
    other = await guest.session()
    assert len(await guest.find(other, CLASS=ck.CKO_PRIVATE_KEY)) == 2
    assert await guest.refusal("GetSessionInfo", session) == ck.CKR_OK
    assert not searching.done()
    hesitant.may_answer.set()
    assert await signing == ck.CKR_OK
    assert len(await searching) > 6


@pytest.mark.parametrize(
    ("name", "arguments", "rv"),
    [
        ("CloseSession", (), ck.CKR_SESSION_CLOSED),
        ("SessionCancel", (ck.CKF_SIGN,), ck.CKR_FUNCTION_CANCELED),
    ],
)
async def test_a_question_ends_with_what_it_was_about(
    guest: Caller, hesitant: Hesitant, name: str, arguments: tuple[int, ...], rv: int
) -> None:
    session, signing = await begin(guest, hesitant)
    waiting = asyncio.create_task(guest.refusal("FindObjectsInit", session, ()))
    await asyncio.sleep(0)
    assert await guest.call(name, session, *arguments) == ()
    assert await signing == rv
    assert await waiting == (ck.CKR_OK if rv == ck.CKR_FUNCTION_CANCELED else ck.CKR_SESSION_HANDLE_INVALID)
    assert await guest.refusal("Sign", session, b"text", 256) in (
        ck.CKR_OPERATION_NOT_INITIALIZED,
        ck.CKR_SESSION_HANDLE_INVALID,
    )
    await asyncio.wait_for(gone(hesitant), 10)


async def gone(hesitant: Hesitant) -> None:
    while not hesitant.gave_up:
        await asyncio.sleep(0.01)


async def test_finalize_ends_a_question(guest: Caller, hesitant: Hesitant) -> None:
    _, signing = await begin(guest, hesitant)
    await guest.call("Finalize")
    assert await signing == ck.CKR_SESSION_CLOSED
    await asyncio.wait_for(gone(hesitant), 10)


async def test_a_program_that_goes_away_takes_its_question_along(guest: Caller, hesitant: Hesitant) -> None:
    _, signing = await begin(guest, hesitant)
    signing.cancel()
    guest.application.close()
    with pytest.raises(asyncio.CancelledError):
        await signing
    await asyncio.wait_for(gone(hesitant), 10)


async def test_cancelling_what_was_begun(guest: Caller) -> None:
    session = await guest.session()
    await guest.call("SignInit", session, SHA256_RSA, await guest.private_key(session))
    await guest.call("FindObjectsInit", session, ())
    await guest.call("SessionCancel", session, ck.CKF_FIND_OBJECTS)
    assert await guest.refusal("FindObjects", session, 1) == ck.CKR_OPERATION_NOT_INITIALIZED
    await guest.call("SessionCancel", session, ck.CKF_SIGN)
    assert await guest.refusal("Sign", session, b"", None) == ck.CKR_OPERATION_NOT_INITIALIZED


async def test_closing_a_session_ends_a_search_that_waits_for_the_card(
    desk: DoorDesk, guest: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def list_data(*_: object) -> tuple[()]:
        begun.set()
        await asyncio.Event().wait()
        return ()

    monkeypatch.setattr(type(desk.served.keys), "list_data", list_data)
    session = await guest.session()
    searching = asyncio.create_task(guest.refusal("FindObjectsInit", session, ()))
    await begun.wait()
    await guest.call("CloseSession", session)
    assert await searching == ck.CKR_SESSION_CLOSED
