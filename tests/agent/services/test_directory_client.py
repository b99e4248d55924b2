"""The client against a directory that answers as the documented API does, and against everything else."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from datetime import UTC, datetime
from itertools import islice

import pytest
from support.fhir_directory import (
    KEY,
    bundle,
    identifier,
    mailbox,
    organization,
    outcome,
    practitioner,
    role,
    rpps_numbers,
    say,
)

from agent.certificates.holder import Coded
from agent.services.directory import client as client_module
from agent.services.directory.ceiling import CALLS, Ceiling
from agent.services.directory.client import DirectoryClient, read_retry_after
from agent.services.directory.errors import (
    ApiKeyAbsentError,
    ApiKeyRefusedError,
    ApiKeyUnreadableError,
    DirectoryAnswerError,
    DirectoryBusyError,
    DirectoryUnavailableError,
)
from agent.services.directory.opening import way_out
from agent.services.directory.values import Mailbox, MailboxKind, Name, Structure

RPPS = "99700002712"


def fill(directory):
    directory.resources = [
        practitioner(RPPS),
        role("005-1-1", "003-1-1", "001-1", telecom=[mailbox("c.virtuel@cabinet.mssante.fr", "CAB")]),
        role("005-1-2", "003-1-1", "001-2", mode="S"),
        role("005-1-3", "003-1-1", "001-3", active=False),
        role("005-2-1", "003-2-2", "001-2"),
        organization("001-1", "CABINET DU DR VIRTUEL", identifier("IDNST", "urn:oid:1.2.250.1.71.4.2.2", "499700002712005")),
        organization(
            "001-2", "CENTRE DE SANTE D'ESSAI",
            identifier("IDNST", "urn:oid:1.2.250.1.71.4.2.2", "1990000010"),
            identifier("FINEG", "https://finess.esante.gouv.fr", "990000010"),
            identifier("SIRET", "https://sirene.fr", "99000001000017"), identifier("SIREN", "https://sirene.fr", "990000010"),
            sector="SA05",
            telecom=[
                {"system": "phone", "value": "0102030405"}, {"system": "email", "value": "contact@essai.example"},
                mailbox("accueil@essai.mssante.fr", "ORG", service="Accueil", description="Le secrétariat"),
                mailbox("logiciel@essai.mssante.fr", "APP"), mailbox("autre@essai.mssante.fr", None),
            ],
        ),
    ]  # fmt: skip


async def test_a_professional_with_situations_and_mailboxes(directory, ask):
    fill(directory)
    found = await ask().find(RPPS)
    assert found is not None
    assert (found.rpps, found.active) == (RPPS, True)
    assert found.names == (Name("VIRTUEL", "CAMILLE", "DR"),)
    assert found.professions == (Coded("10", "Médecin"),)
    assert [term.code for term in found.specialities] == ["SM26"]
    assert found.specialities[0].label
    places = [situation.structure for situation in found.situations]
    assert places[0] == Structure(
        "CABINET DU DR VIRTUEL", "499700002712005", sector=Coded("SA07", "Cabinet individuel")
    )
    assert places[1].finess == "990000010"
    assert (places[1].siret, places[1].siren) == ("99000001000017", "990000010")
    assert [situation.mode for situation in found.situations] == [Coded("L", "Libéral"), Coded("S", "Salarié")]
    centre = "CENTRE DE SANTE D'ESSAI"
    assert found.mailboxes == (
        Mailbox("camille.virtuel@medecin.mssante.fr", MailboxKind.PERSONAL),
        Mailbox("c.virtuel@cabinet.mssante.fr", MailboxKind.PRACTICE, "CABINET DU DR VIRTUEL"),
        Mailbox("accueil@essai.mssante.fr", MailboxKind.ORGANISATION, centre, "Accueil", "Le secrétariat"),
        Mailbox("logiciel@essai.mssante.fr", MailboxKind.APPLICATION, centre),
        Mailbox("autre@essai.mssante.fr", None, centre),
    )
    assert [one.headers["esante-api-key"] for one in directory.seen] == [KEY, KEY]
    assert [one.path.rpartition("/")[2] for one in directory.seen] == ["Practitioner", "PractitionerRole"]


async def test_nobody_has_this_number(directory, ask):
    assert await ask().find(RPPS) is None
    assert len(directory.seen) == 1


async def test_an_entry_that_is_closed(directory, ask):
    closed = practitioner(RPPS)
    directory.resources = [{name: closed[name] for name in ("resourceType", "id", "identifier")} | {"active": False}]
    found = await ask().find(RPPS)
    assert found is not None
    assert (found.active, found.names, found.mailboxes) == (False, (), ())


async def test_pages_are_followed(directory, ask):
    fill(directory)
    directory.page_size = 2
    found = await ask().find(RPPS)
    assert [len(found.situations), len(found.mailboxes)] == [2, 5]
    assert [one.path.rpartition("/")[2] for one in directory.seen] == [
        "Practitioner",
        "PractitionerRole",
        "_page",
        "_page",
    ]


async def test_pages_without_an_end_are_left(directory, ask):
    fill(directory)
    directory.always = lambda served, _: bundle(
        [practitioner(RPPS)], [{"relation": "next", "url": f"{served.url}/_page?id={len(served.seen)}"}]
    )
    with pytest.raises(DirectoryAnswerError, match="without an end"):
        await ask().find(RPPS)
    assert len(directory.seen) == client_module.MAX_PAGES


async def test_a_page_that_is_its_own_next(directory, ask):
    directory.always = lambda served, _: bundle([], [{"relation": "next", "url": f"{served.url}/_page?id=1"}])
    with pytest.raises(DirectoryAnswerError, match="without an end"):
        await ask().find(RPPS)
    assert len(directory.seen) == 2


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/fhir/v2/_page?id=1", "http://127.0.0.1:{port}/fhir/v2/_page", "https://127.0.0.1:1/fhir/v2/_page",
        "https://127.0.0.1:{port}/elsewhere", "https://127.0.0.1:{port}/fhir/v2/../../elsewhere",
        "https://127.0.0.1:{port}/fhir/v2/%2e%2e/%2e%2e/x", "https://127.0.0.1:{port}/fhir/v22/_page", "//evil.example/fhir/v2/",
        "https://127.0.0.1:{port}@evil.example/fhir/v2/x", "https://key@127.0.0.1:{port}/fhir/v2/x", "file:///etc/passwd",
        "https://127.0.0.1:{port}/fhir/v2/x\r\nHost: evil.example", "https://127.0.0.1:{port}\\@evil.example/fhir/v2/",
        "https://127.0.0.1:{port}/fhir/v2/é", "https://[::1/fhir/v2/", "/fhir/v2/_page?id=1", "", "x" * 9000,
    ],
)  # fmt: skip
async def test_attack_next_page_elsewhere(directory, ask, link):
    target = link.replace("{port}", str(directory.port))
    directory.always = lambda served, _: bundle([], [{"relation": "next", "url": target}])
    with pytest.raises(DirectoryAnswerError, match="next page"):
        await ask().find(RPPS)
    assert len(directory.seen) == 1


async def test_attack_redirect_does_not_get_the_key(directory, ask):
    directory.always = say(302, Location=f"{directory.url}/elsewhere")
    with pytest.raises(DirectoryAnswerError):
        await ask().find(RPPS)
    assert len(directory.seen) == 1


async def test_without_a_key_nothing_is_sent(directory, ask):
    with pytest.raises(ApiKeyAbsentError):
        await ask(None).find(RPPS)
    assert directory.seen == []


async def test_a_key_store_that_waits_for_a_person(directory, monkeypatch):
    monkeypatch.setattr(client_module, "KEY_TIMEOUT_S", 0.2)
    unlocked = threading.Event()
    client = DirectoryClient(directory.url, lambda: unlocked.wait(10) and None, way_out(directory.url), Ceiling())
    with pytest.raises(ApiKeyUnreadableError):
        await client.find(RPPS)
    unlocked.set()
    assert directory.seen == []


@pytest.mark.parametrize(
    "key", ["", "short", "with\r\nX-Other: header", "with a blank in it", "clé-avec-accent", "k" * 300]
)
async def test_attack_stored_key_that_is_no_header(directory, ask, key):
    with pytest.raises(ApiKeyRefusedError):
        await ask(key).find(RPPS)
    assert directory.seen == []


async def test_a_wrong_key_is_refused(directory, ask):
    with pytest.raises(ApiKeyRefusedError):
        await ask("another-key-altogether").find(RPPS)
    directory.always = say(403, b"no")
    with pytest.raises(ApiKeyRefusedError):
        await ask().find(RPPS)


async def test_attack_the_key_in_an_error_stays_out_of_the_log(directory, ask, caplog):
    caplog.set_level("DEBUG")
    directory.always = lambda *_: outcome(401, "security", f"the key {KEY} is \x1b[31mnot known")
    with pytest.raises(ApiKeyRefusedError) as caught:
        await ask().find(RPPS)
    assert "security" in caplog.text
    assert KEY not in caplog.text + str(caught.value) + repr(caught.value.__cause__)
    assert "\x1b" not in caplog.text


ERRORS = {
    "out of order": (lambda *_: outcome(500, "exception", "it broke"), DirectoryUnavailableError),
    "gateway": (say(502, b"<html>bad gateway</html>"), DirectoryUnavailableError),
    "call not understood": (lambda *_: outcome(400, "processing", "unknown parameter"), DirectoryAnswerError),
    "gone": (lambda *_: outcome(410, "deleted", "gone"), DirectoryAnswerError),
    "login page": (say(200, b"<html><form>Log in to the hotel's network</form></html>"), DirectoryAnswerError),
    "empty": (say(200, b""), DirectoryAnswerError),
    "cut": (say(200, b'{"resourceType": "Bundle", "type": "searchset", "entry": [{'), DirectoryAnswerError),
    "other resource": (say(200, json.dumps(practitioner(RPPS)).encode()), DirectoryAnswerError),
    "other bundle": (say(200, b'{"resourceType": "Bundle", "type": "batch"}'), DirectoryAnswerError),
    "a list": (say(200, b"[]"), DirectoryAnswerError),
    "deep": (say(200, b'{"a":' * 100_000 + b"1" + b"}" * 100_000), DirectoryAnswerError),
    "large": (say(200, b'{"resourceType": "Bundle", "pad": "' + b"x" * 10_000_000 + b'"}'), DirectoryAnswerError),
    "endless page": (lambda *_: bundle([practitioner(RPPS)] * 600, []), DirectoryAnswerError),
    "not text": (say(200, b'{"resourceType": "\xff\xfe"}'), DirectoryAnswerError),
    "half a pair": (say(200, b'{"resourceType": "\\ud800"}'), DirectoryAnswerError),
    "somebody else": (lambda *_: bundle([practitioner("99700001006")], []), DirectoryAnswerError),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
async def test_what_is_no_answer(directory, ask, name):
    directory.always, error = ERRORS[name]
    with pytest.raises(error):
        await ask().find(RPPS)


GARBAGE = [
    {}, {"id": 7}, {"id": "a/../b"}, {"id": "x\r\ny"}, {"name": "no list"}, {"name": [1, None, {"family": 3, "given": "x"}]},
    {"name": [{"given": [None, {"a": 1}]}]}, {"qualification": [{"code": []}, {"code": {"coding": [{"system": 4, "code": []}]}}]},
    {"telecom": [{"system": "email", "value": "a@b", "extension": [{"url": None}, {"url": "x/as-ext-mailbox-mss-metadata", "extension": "y"}]}]},
    {"telecom": {"a": 1}}, {"active": "yes"}, {"identifier": [*practitioner(RPPS)["identifier"], {"value": ["x"]}]},
]  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_resources_of_another_form_are_passed_over(directory, ask, garbage):
    directory.resources = [practitioner(RPPS) | garbage]
    found = await ask().find(RPPS)
    assert found is not None
    assert found.situations == ()


@pytest.mark.parametrize(
    "address",
    ["no address", "a@b@c", "a b@c.fr", "<a@b.fr>", "a@b.fr\r\nBcc: x@y.fr", "\u202ea@b.fr", "\u0430lice@mssante.fr", "a@-b", "a" * 65 + "@b.fr", "a@" + "b" * 300],
)  # fmt: skip
async def test_attack_addresses_that_are_none(directory, ask, address):
    directory.resources = [practitioner(RPPS, telecom=[mailbox(address, "PER"), mailbox("good@x.mssante.fr", "PER")])]
    found = await ask().find(RPPS)
    assert [box.address for box in found.mailboxes] == ["good@x.mssante.fr"]


async def test_nobody_listens(ask):
    with pytest.raises(DirectoryUnavailableError):
        await ask(url="https://127.0.0.1:1/fhir/v2").find(RPPS)


async def test_a_server_of_another_authority_gets_no_key(directory, ask, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(DirectoryUnavailableError):
        await ask().find(RPPS)
    assert directory.seen == []


async def test_slow_answers_are_left_in_time(directory, ask, monkeypatch):
    monkeypatch.setattr(client_module, "CALL_TIMEOUT_S", 0.5)

    def drip(served, handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)

    directory.always = drip
    started = time.monotonic()
    with pytest.raises(DirectoryUnavailableError):
        await ask().find(RPPS)
    assert time.monotonic() - started < 2


async def test_a_whole_look_up_has_its_time(directory, ask, monkeypatch):
    monkeypatch.setattr(client_module, "LOOK_UP_TIMEOUT_S", 0.3)
    directory.always = lambda *_: time.sleep(1)
    with pytest.raises(DirectoryUnavailableError, match="too long"):
        await ask().find(RPPS)


async def test_a_moment_is_waited_for(directory, ask):
    fill(directory)
    directory.specials.append(lambda *_: outcome(429, "throttled", "too many", {"Retry-After": "1"}))
    found = await ask().find(RPPS)
    assert found is not None
    assert directory.seen[1].at - directory.seen[0].at >= 1


async def test_a_long_wait_is_told_and_kept(directory, ask):
    directory.specials.append(lambda *_: outcome(429, "throttled", "too many", {"Retry-After": "60"}))
    client = ask()
    for _ in range(3):
        with pytest.raises(DirectoryBusyError):
            await client.find(RPPS)
    assert len(directory.seen) == 1


async def test_refused_twice_is_busy(directory, ask):
    directory.always = lambda *_: outcome(429, "throttled", "too many", {"Retry-After": "0"})
    with pytest.raises(DirectoryBusyError):
        await ask().find(RPPS)
    assert len(directory.seen) == 2


NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7), (" 7 ", 7), ("0", 0), (None, 1), ("", 1), ("soon", 1), ("-5", 1), ("1e9", 1), ("9" * 400, 1), ("٣", 1),
        ("Wed, 25 Nov 2026 12:00:30 GMT", 30), ("Wed, 25 Nov 2026 11:00:00 GMT", 0),
    ],
)  # fmt: skip
def test_retry_after(value, seconds):
    assert read_retry_after(value, NOW) == seconds


async def test_the_ceiling_holds_for_all_who_ask(directory, ask):
    client = ask()
    await asyncio.gather(*(client.find(number) for number in islice(rpps_numbers(), 45)))
    moments = sorted(one.at for one in directory.seen)
    assert len(moments) == 45
    assert all(later - earlier >= 1 for earlier, later in zip(moments, moments[CALLS:], strict=False))
    assert directory.refused == 0


async def test_a_ceiling_that_is_besieged_says_so():
    ceiling = Ceiling(calls=1, window_s=60)
    await ceiling.wait()
    waiting = [asyncio.create_task(ceiling.wait()) for _ in range(120)]
    await asyncio.sleep(0)
    refused = [task for task in waiting if task.done() and isinstance(task.exception(), DirectoryBusyError)]
    assert len(refused) == 20
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
