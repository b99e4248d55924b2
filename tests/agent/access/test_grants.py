"""The life of a grant, and what one caller can learn or undo of another's."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

from agent.access.callers import CARD_ABILITIES, IMPLICIT_PROGRAM_ABILITIES, Ability, Caller, CallerKind, CardAbility
from agent.access.errors import AbilityRefusedError, GrantNotFoundError, GrantRequiredError, StoreError
from agent.access.grants import GrantEvent, Grants, GrantTerms
from agent.access.schema import MIGRATIONS

PAGE = Caller(CallerKind.PAGE, "https://dmp.example", "/usr/bin/firefox")
OTHER_PAGE = Caller(CallerKind.PAGE, "https://dmp.example:8443")
DEV_PAGE = Caller(CallerKind.PAGE, "http://localhost:8000")
PROGRAM = Caller(CallerKind.PROGRAM, "/usr/bin/cabinet")
OTHER_PROGRAM = Caller(CallerKind.PROGRAM, "/usr/bin/autre")
UNKNOWN_PROGRAM = Caller(CallerKind.PROGRAM, "")

IDENTITY, SIGN, BATCH = Ability.IDENTITY, Ability.SIGN, Ability.BATCH


@pytest.fixture
async def grants(database, clock):
    loaded = Grants(database, clock)
    await loaded.load()
    return loaded


@pytest.fixture
def restart(database, clock):
    async def make():
        again = Grants(database, clock)
        await again.load()
        return again

    return make


async def test_nothing_is_granted_at_first(grants):
    assert grants.find(PAGE) is None
    assert grants.list_for(PROGRAM) == []
    with pytest.raises(GrantRequiredError) as caught:
        grants.require(PAGE, SIGN)
    assert (caught.value.code, caught.value.ability) == ("grant-required", "sign")


async def test_a_grant_holds_for_its_abilities_only(grants):
    grant = await grants.add(PAGE, [IDENTITY])
    grants.require(PAGE, IDENTITY)
    assert grants.find(PAGE) == grant
    with pytest.raises(GrantRequiredError):
        grants.require(PAGE, SIGN)


async def test_a_grant_is_for_one_exact_origin(grants):
    await grants.add(PAGE, [SIGN])
    assert not grants.allows(OTHER_PAGE, SIGN)


async def test_a_page_is_one_caller_in_two_browsers(grants):
    await grants.add(PAGE, [SIGN])
    assert grants.allows(Caller(CallerKind.PAGE, PAGE.name, "/usr/bin/chromium"), SIGN)


async def test_a_program_named_like_a_page_is_not_that_page(grants):
    await grants.add(PAGE, [SIGN])
    assert not grants.allows(Caller(CallerKind.PROGRAM, PAGE.name), SIGN)


async def test_a_grant_ends_after_90_days(grants, clock):
    grant = await grants.add(PAGE, [SIGN])
    assert grant.expires_at - grant.created_at == timedelta(days=90)
    clock.pass_by(days=90, seconds=-1)
    assert grants.allows(PAGE, SIGN)
    clock.pass_by(seconds=1)
    assert not grants.allows(PAGE, SIGN)
    assert grants.find(PAGE) is None
    assert grants.list_for(PROGRAM) == []


async def test_an_expired_grant_is_pruned_for_good(grants, clock, database, restart):
    await grants.add(PAGE, [SIGN])
    clock.pass_by(days=91)
    await grants.prune()
    assert await database.run(lambda c: c.execute("SELECT count(*) FROM grants").fetchone()) == (0,)
    clock.pass_by(days=-91)
    assert not (await restart()).allows(PAGE, SIGN)


async def test_a_grant_that_expired_while_the_agent_was_off_is_pruned_at_start(grants, clock, database, restart):
    await grants.add(PAGE, [SIGN])
    clock.pass_by(days=91)
    assert (await restart()).list_for(PROGRAM) == []
    assert await database.run(lambda c: c.execute("SELECT count(*) FROM grants").fetchone()) == (0,)


async def test_an_expired_grant_gives_nothing_to_the_next_one(grants, clock):
    old = await grants.add(PAGE, [SIGN])
    clock.pass_by(days=91)
    new = await grants.add(PAGE, [IDENTITY])
    assert new.abilities == {IDENTITY}
    assert new.id != old.id
    await grants.prune()
    assert grants.allows(PAGE, IDENTITY)


async def test_a_grant_survives_a_restart_whole(grants, restart):
    page, program = await grants.add(PAGE, [IDENTITY, SIGN]), await grants.add(PROGRAM, [Ability.SIGN_RAW])
    again = await restart()
    assert again.find(PAGE) == page
    assert again.find(PROGRAM) == program


async def test_a_revoked_grant_does_not_come_back(grants, restart):
    grant = await grants.add(PAGE, [SIGN])
    await grants.revoke(grant.id, PAGE)
    assert not grants.allows(PAGE, SIGN)
    assert not (await restart()).allows(PAGE, SIGN)


async def test_ephemeral_grants_vanish_on_restart(grants, restart):
    await grants.add(PAGE, [SIGN], GrantTerms(ephemeral=True))
    assert grants.allows(PAGE, SIGN)
    assert (await restart()).find(PAGE) is None


async def test_grants_of_plain_http_pages_are_ephemeral(grants, restart):
    grant = await grants.add(DEV_PAGE, [SIGN])
    assert grant.ephemeral
    assert (await restart()).find(DEV_PAGE) is None


async def test_an_ephemeral_consent_does_not_become_lasting_by_merging(grants, restart):
    await grants.add(PAGE, [IDENTITY])
    await grants.add(PAGE, [SIGN], GrantTerms(ephemeral=True))
    assert grants.abilities(PAGE) == {IDENTITY, SIGN}
    assert (await restart()).abilities(PAGE) == {IDENTITY}


async def test_two_consents_unite_under_one_id(grants, restart):
    first = await grants.add(PAGE, [IDENTITY])
    second = await grants.add(PAGE, [SIGN])
    assert second.id == first.id
    assert second.abilities == {IDENTITY, SIGN}
    assert (await restart()).list_for(PROGRAM) == [second]


async def test_no_ability_outlives_the_consent_that_gave_it(grants, clock):
    first = await grants.add(PAGE, [IDENTITY])
    clock.pass_by(days=10)
    short = await grants.add(PAGE, [SIGN], GrantTerms(lifetime=timedelta(hours=1)))
    assert short.expires_at == clock() + timedelta(hours=1)
    renewed = await grants.add(PAGE, [IDENTITY, SIGN])
    assert renewed.id == first.id
    assert renewed.expires_at == clock() + timedelta(days=90)


async def test_simultaneous_consents_lose_nothing(grants, restart):
    cards = {CardAbility(ability, number) for ability in CARD_ABILITIES for number in ("99900001", "99900002")}
    await asyncio.gather(
        *(grants.add(PROGRAM, [ability]) for ability in set(Ability) - CARD_ABILITIES),
        *(grants.add_for_card(PROGRAM, each) for each in cards),
    )
    for kept in (grants.find(PROGRAM), (await restart()).find(PROGRAM)):
        assert (kept.abilities, kept.cards) == (set(Ability), cards)


@pytest.mark.parametrize(
    "number",
    ["1 sign-raw", "1 gateway", "1\tbatch", "1\u00a0sign", "9:99900001", "a%20sign", " 1 ", "1\nsign", "\u00e9\ufffd"],
)
async def test_attack_a_token_with_an_ability_in_its_number(grants, restart, number):
    """The serial number of a module's token is any text of 16 characters."""
    given = CardAbility(Ability.USE_AUTHENTICATION_KEY, number)
    await grants.add_for_card(PROGRAM, given)
    again = await restart()
    kept = again.find(PROGRAM)
    assert (kept.abilities, kept.cards) == ({Ability.USE_AUTHENTICATION_KEY}, {given})
    assert again.abilities(PROGRAM) == IMPLICIT_PROGRAM_ABILITIES | {Ability.USE_AUTHENTICATION_KEY}


async def test_what_is_given_for_one_card_is_for_no_other(grants, restart):
    """Nor for its other key, nor for another program."""
    given = CardAbility(Ability.USE_AUTHENTICATION_KEY, "99900001")
    grant = await grants.add_for_card(PROGRAM, given)
    grants.require_for_card(PROGRAM, given)
    for caller, wanted in (
        (PROGRAM, replace(given, card_number="99900002")),
        (PROGRAM, replace(given, ability=Ability.USE_SIGNATURE_KEY)),
        (Caller(CallerKind.PROGRAM, "/usr/bin/other"), given),
        (Caller(CallerKind.PAGE, PROGRAM.name), given),
    ):
        with pytest.raises(GrantRequiredError):
            grants.require_for_card(caller, wanted)
    for _ in range(2):
        await grants.revoke(grant.id, PROGRAM)
        with pytest.raises(GrantRequiredError):
            grants.require_for_card(PROGRAM, given)
        grants = await restart()
        grant = await grants.add_for_card(PROGRAM, given)


async def test_attack_a_page_gets_a_key(grants):
    page = Caller(CallerKind.PAGE, "https://dmp.example")
    for ability in CARD_ABILITIES:
        with pytest.raises(AbilityRefusedError):
            await grants.add_for_card(page, CardAbility(ability, "99900001"))
        with pytest.raises(AbilityRefusedError):
            await grants.add(page, [ability])


async def test_ids_cannot_be_guessed(grants):
    ids = {(await grants.add(Caller(CallerKind.PAGE, f"https://{n}.example"), [SIGN])).id for n in range(50)}
    assert len(ids) == 50
    assert {len(bytes.fromhex(grant_id)) for grant_id in ids} == {16}  # and none looks like an option to a command line


@pytest.mark.parametrize("ability", [Ability.SIGN_RAW, Ability.GATEWAY])
async def test_attack_page_asks_for_what_no_page_can_have(grants, ability):
    with pytest.raises(AbilityRefusedError) as caught:
        await grants.add(PAGE, [IDENTITY, ability])
    assert caught.value.code == "not-supported"
    assert grants.find(PAGE) is None


async def test_attack_edited_database_does_not_give_a_page_more_than_a_page_can_have(grants, database, restart):
    await grants.add(PAGE, [SIGN])
    await database.run(lambda c: c.execute("UPDATE grants SET abilities = 'sign sign-raw gateway fly'"))
    assert (await restart()).abilities(PAGE) == {SIGN}


async def test_attack_page_lists_the_grants_of_others(grants):
    mine, _ = await grants.add(PAGE, [SIGN]), await grants.add(OTHER_PAGE, [SIGN])
    await grants.add(PROGRAM, [SIGN])
    assert grants.list_for(PAGE) == [mine]


async def test_attack_page_revokes_anothers_grant_and_learns_nothing(grants):
    theirs = await grants.add(OTHER_PAGE, [SIGN])
    with pytest.raises(GrantNotFoundError) as foreign:
        await grants.revoke(theirs.id, PAGE)
    with pytest.raises(GrantNotFoundError) as absent:
        await grants.revoke("absent", PAGE)
    assert str(foreign.value) == str(absent.value)
    assert grants.allows(OTHER_PAGE, SIGN)


async def test_a_program_of_this_user_sees_and_revokes_all(grants, clock):
    first = await grants.add(PAGE, [SIGN])
    clock.pass_by(seconds=1)
    second = await grants.add(PROGRAM, [BATCH])
    assert grants.list_for(OTHER_PROGRAM) == [first, second]
    await grants.revoke(first.id, OTHER_PROGRAM)
    assert grants.list_for(OTHER_PROGRAM) == [second]


async def test_a_program_without_grant_has_the_implicit_abilities_only(grants):
    assert grants.abilities(PROGRAM) == IMPLICIT_PROGRAM_ABILITIES == {IDENTITY, Ability.EVENTS}
    assert grants.abilities(UNKNOWN_PROGRAM) == IMPLICIT_PROGRAM_ABILITIES
    assert grants.abilities(PAGE) == set()


async def test_attack_program_that_hides_its_executable_shares_no_grant(grants):
    with pytest.raises(AbilityRefusedError):
        await grants.add(UNKNOWN_PROGRAM, [SIGN])


async def test_listeners_hear_of_every_change_until_they_leave(grants, clock):
    heard = []
    leave = grants.subscribe(lambda change: heard.append((change.event, change.grant.caller)))
    grant = await grants.add(PAGE, [SIGN])
    await grants.revoke(grant.id, PAGE)
    await grants.add(DEV_PAGE, [SIGN])
    clock.pass_by(days=91)
    await grants.prune()
    leave()
    await grants.add(PROGRAM, [SIGN])
    expected = [GrantEvent.GIVEN, GrantEvent.REVOKED, GrantEvent.GIVEN, GrantEvent.EXPIRED]
    assert heard == list(zip(expected, [PAGE, PAGE, DEV_PAGE, DEV_PAGE], strict=True))


async def test_a_grant_that_cannot_be_written_is_not_given(grants, database):
    await database.close()
    with pytest.raises(StoreError):
        await grants.add(PAGE, [SIGN])
    assert not grants.allows(PAGE, SIGN)


async def test_a_revocation_that_cannot_be_written_counts_at_once_and_is_reported(grants, database):
    heard = []
    grant = await grants.add(PAGE, [SIGN])
    grants.subscribe(heard.append)
    await database.close()
    with pytest.raises(StoreError):
        await grants.revoke(grant.id, PAGE)
    assert not grants.allows(PAGE, SIGN)
    assert [change.event for change in heard] == [GrantEvent.REVOKED]


async def test_a_name_with_quotes_is_only_a_name(grants, restart):
    odd = Caller(CallerKind.PROGRAM, "/opt/'; DROP TABLE grants; --")
    await grants.add(odd, [SIGN])
    assert (await restart()).allows(odd, SIGN)


def test_every_row_of_the_table_is_one_caller():
    connection = sqlite3.connect(":memory:")
    connection.executescript("".join(MIGRATIONS))
    row = "INSERT INTO grants VALUES (?, 'page', 'https://a', NULL, 'sign', 0, 0)"
    connection.execute(row, ("1",))
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(row, ("2",))
    connection.close()
