"""Roles from KeyUsage and purposes, and which keys of a structure are one token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.organisations import add_key, certify, phrase

from drivers.base import Deadline, KeyRole, PinKeeper
from drivers.errors import CardRemovedError, NotSupportedError, PinWrongError
from drivers.software.certificates import read_key_certificate
from drivers.software.entries import Protection
from drivers.software.errors import EntryGoneError
from drivers.software.pairs import list_pairs
from drivers.software.roles import (
    OID_CLIENT_AUTH,
    OID_EMAIL_PROTECTION,
    OID_SERVER_AUTH,
    Role,
    find_role,
)
from drivers.software.token import list_keys, open_tokens
from drivers.virtual.organisations import USAGES, Organisation

PURPOSES = [OID_CLIENT_AUTH, OID_EMAIL_PROTECTION, OID_SERVER_AUTH, "1.3.6.1.4.1.311.20.2.2", "2.5.29.37.0"]
usages = st.none() | st.frozensets(st.integers(0, 8))
purposes = st.none() | st.frozensets(st.sampled_from(PURPOSES))


@pytest.mark.parametrize("product", list(USAGES))
def test_each_offer_is_known_by_its_certificate(organisation_keys, product):
    assert read_key_certificate(organisation_keys[product].certificate_der).role == product


@given(usages, purposes)
def test_roles_promise_what_the_certificate_allows(usage, names):
    role = find_role(usage, names)
    if role is None:
        return
    names = names or frozenset()
    assert usage is not None
    if role is Role.SIGN:
        assert 1 in usage
    if role is Role.AUTH_CLI:
        assert 0 in usage
        assert 1 not in usage
        assert OID_CLIENT_AUTH in names
    if role in (Role.CONF, Role.S_MIME):
        assert usage & {2, 3, 4}
    assert (role is Role.SSL_SERV) == (OID_SERVER_AUTH in names)


@given(usages, purposes, st.frozensets(st.text(max_size=5)))
def test_purposes_that_nobody_knows_change_nothing(usage, names, others):
    assert find_role(usage, names) == find_role(usage, None if names is None else names | (others - set(PURPOSES)))


@given(usages, purposes)
def test_no_key_is_lent_both_to_prove_and_to_commit(usage, names):
    role = find_role(usage, names)
    lent = role.lends if role is not None else None
    if lent is KeyRole.AUTHENTICATION:
        assert 1 not in (usage or ())
    if lent is KeyRole.SIGNATURE:
        assert OID_CLIENT_AUTH not in (names or ())


def test_what_does_not_say_is_unknown():
    for usage, names in ((None, None), (None, {OID_CLIENT_AUTH}), (set(), set()), ({5, 6}, None), ({0}, None)):
        assert find_role(usage, names) is None


def test_one_token_for_the_keys_of_a_structure(store, organisation_keys):
    entries = [add_key(store, key) for key in organisation_keys.values()]
    (token,) = open_tokens(store)
    assert [(key.role, key.label) for key in token.keys] == [("authentication", "AUTH_CLI"), ("signature", "SIGN")]
    assert {key.entry for key in token.held} == set(entries)
    assert token.number[0] == "S"
    assert len(token.number) == 16
    assert int(token.number[1:], 16)
    assert token.number == token.number.upper()
    assert (token.access, token.generation, token.label) == ("software", "software", "CABINET VIRTUEL")
    assert not token.passphrase
    assert not isinstance(token, PinKeeper)


def test_keys_that_are_never_lent_make_no_token(store, organisation_keys):
    for product in ("CONF", "SSL_SERV", "S/MIME"):
        add_key(store, organisation_keys[product])
    assert open_tokens(store) == ()
    assert {key.role for key in list_keys(store.list_entries())} == {Role.CONF, Role.SSL_SERV, Role.S_MIME}


def test_the_newest_that_is_valid_is_used_and_others_are_kept(store, made_organisations, auth):
    made = {
        "old": auth.again("AUTH_CLI", days_ago=2000, days=1095),
        "present": auth,
        "older": auth.again("AUTH_CLI", days_ago=900, days=1095),
        "next": auth.again("AUTH_CLI", days_ago=-10),
    }
    ids = {}
    for name, key in made.items():
        certified = key if key.certificate_der else certify(made_organisations, key)
        ids[name] = add_key(store, certified).id
    (token,) = open_tokens(store)
    assert [key.entry.id for key in token.held] == [ids[name] for name in ("present", "older", "next", "old")]
    assert [key.key_id.hex() for key in token.keys] == [ids["present"]]
    now = datetime.now(UTC)
    for moment, name in ((now + timedelta(days=30), "next"), (now + timedelta(days=9000), "next")):
        (token,) = open_tokens(store, moment)
        assert token.keys[0].key_id.hex() == ids[name]


def test_keys_of_both_protections_in_one_token(store, auth, seal):
    add_key(store, auth, "words")
    add_key(store, seal)
    (token,) = open_tokens(store)
    assert token.passphrase
    assert [key.needs_code for key in token.keys] == [True, False]
    assert {key.entry.protection for key in token.held} == set(Protection)
    token.verify_pin(phrase("words"), Deadline(10))
    with pytest.raises(NotSupportedError):
        token.unblock_pin(phrase("x"), phrase("y"), Deadline(10))


def test_each_key_may_have_a_passphrase_of_its_own(store, auth, seal):
    add_key(store, auth, "one")
    add_key(store, seal, "two")
    (token,) = open_tokens(store)
    for words in ("one", "two"):
        token.verify_pin(phrase(words), Deadline(10))
    token.change_pin(phrase("one"), phrase("both"), Deadline(10))
    token.change_pin(phrase("two"), phrase("both"), Deadline(10))
    with pytest.raises(PinWrongError):
        token.change_pin(phrase("one"), phrase("x"), Deadline(20))


def test_a_key_that_was_removed_is_gone(store, auth, seal):
    entry = add_key(store, auth)
    add_key(store, seal)
    (token,) = open_tokens(store)
    store.remove(entry.id)
    with pytest.raises(EntryGoneError) as raised:
        token.sign(token.keys[0], [], None, Deadline(10)) or token.sign(token.keys[0], [_digest()], None, Deadline(10))
    assert isinstance(raised.value, CardRemovedError)


def _digest():
    from drivers.base import Digest  # noqa: PLC0415

    return Digest("sha256", bytes(32))


def test_pairs_share_their_names_or_at_least_their_structure(store, made_organisations, auth, seal):
    for key in (auth, seal):
        add_key(store, key)
    (pair,) = list_pairs(list_keys(store.list_entries()))
    assert pair.same_name
    assert (pair.authentication.role, pair.signature.role) == (Role.AUTH_CLI, Role.SIGN)
    others = [
        auth.again("AUTH_CLI", organisation=Organisation("1990000019", common_name="AUTH")),
        auth.again("SIGN", organisation=Organisation("1990000019", common_name="CACHET")),
        auth.again("SIGN", organisation=Organisation("1990000027", common_name="SEUL")),
    ]
    for key in others:
        add_key(store, certify(made_organisations, key))
    pairs = list_pairs(list_keys(store.list_entries()))
    assert [pair.same_name for pair in pairs] == [True, False]
    assert {key.certificate.units for pair in pairs[1:] for key in (pair.authentication, pair.signature)} == {
        ("1990000019",)
    }


def test_two_candidates_make_no_pair(store, made_organisations, auth):
    keys = [
        auth.again("AUTH_CLI", organisation=Organisation(common_name="AUTH")),
        auth.again("SIGN", organisation=Organisation(common_name="CACHET 1")),
        auth.again("SIGN", organisation=Organisation(common_name="CACHET 2")),
    ]
    for key in keys:
        add_key(store, certify(made_organisations, key))
    assert list_pairs(list_keys(store.list_entries())) == ()
