"""The Annuaire Santé through the whole agent: a real key store, TLS, and a directory as the documented one."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest
from support.agent import Person, RunningAgent, call, running_agent
from support.fhir_directory import (
    KEY,
    FhirDirectory,
    fhir_directory,
    identifier,
    mailbox,
    organization,
    outcome,
    practitioner,
    role,
    rpps_numbers,
)
from support.processes import command
from support.schemas import list_misfits
from support.secret_service import secret_service, why_no_secret_service

from agent.keystore import open_key_store
from agent.people.panel.card_pages import card_page
from agent.people.panel.directory import card_page_with_directory
from agent.people.panel.sections import Context
from agent.people.plain_text import REPLACEMENT
from agent.people.translations import load_words
from agent.services.directory.opening import KEY_NAME
from agent.settings import Settings
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT

RPPS = "99700002712"
OTHER = "99700001003"
PATH = f"/v1/directory/{RPPS}"

pytestmark = pytest.mark.skipif(bool(why_no_secret_service()), reason=str(why_no_secret_service()))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FhirDirectory]:
    """The directory and a key store with its key, for every agent and command that the module starts."""
    folder = tmp_path_factory.mktemp("directory")
    with (
        fhir_directory(folder) as directory,
        secret_service(tmp_path_factory.mktemp("secrets")) as address,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
        patch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        patch.setenv("no_proxy", "127.0.0.1")
        yield directory


@pytest.fixture
def directory(served: FhirDirectory) -> FhirDirectory:
    served.resources, served.seen, served.always = [practitioner(RPPS, family="Virtuël")], [], None
    served.specials.clear()
    open_key_store().set(KEY_NAME, KEY.encode())
    return served


@pytest.fixture
async def agent(
    folder: Path, person: Person, readers: VirtualReaders, directory: FhirDirectory
) -> AsyncIterator[RunningAgent]:
    async with running_agent(folder, person, readers, directory=True, directory_url=directory.url) as running:
        yield running


async def test_beside_the_card_without_a_difference(agent: RunningAgent, directory: FhirDirectory) -> None:
    answer = await agent.program("GET", PATH)
    assert answer.status == 200
    assert (answer.body["found"], answer.body["stale"], answer.body["differences"]) == (True, False, [])
    assert answer.body["cardNumber"] == DEFAULT.serial
    assert answer.body["mailboxes"][0]["kindLabelFr"] == "boîte personnelle"
    assert directory.seen[0].headers["esante-api-key"] == KEY
    again = await agent.program("GET", PATH)
    assert again.body == answer.body
    assert len(directory.seen) == 2


async def test_what_differs_is_told(agent: RunningAgent, directory: FhirDirectory) -> None:
    directory.resources = [practitioner(RPPS, family="DURAND")]
    answer = await agent.program("GET", PATH)
    assert answer.body["differences"] == [{"member": "familyName", "card": "VIRTUEL", "directory": "DURAND"}]


async def test_nobody_and_somebody_without_a_card(agent: RunningAgent, directory: FhirDirectory) -> None:
    nobody = (await agent.program("GET", f"/v1/directory/{OTHER}")).body
    assert (nobody["found"], nobody["active"], nobody["cardNumber"]) == (False, None, None)
    assert nobody["asOf"]


@pytest.mark.parametrize("rpps", [RPPS, OTHER])
async def test_it_is_as_described(agent: RunningAgent, directory: FhirDirectory, rpps: str) -> None:
    place = organization("001-1", "CABINET", identifier("IDNST", "urn:oid:1.2.250.1.71.4.2.2", "499700002712005"))
    directory.resources += [role("005-1", "003-1-1", "001-1", telecom=[mailbox("a@b.mssante.fr", None)]), place]
    document = (await agent.call("GET", "/openapi.json", None, {})).body
    body = (await agent.program("GET", f"/v1/directory/{rpps}")).body
    schemas = document["components"]["schemas"]
    assert list_misfits(body, {"$ref": "#/components/schemas/DirectoryEntry"}, schemas) == []


async def test_a_look_up_is_a_use_in_the_journal_and_the_key_is_nowhere(agent: RunningAgent, folder: Path) -> None:
    await agent.program("GET", PATH)
    await agent.program("GET", PATH)
    entries = [
        one for one in (await agent.program("GET", "/v1/journal")).body["entries"] if one["action"] == "read-directory"
    ]
    assert [(one["outcome"], one["subject"], one["cardNumber"]) for one in entries] == [
        ("ok", f"RPPS {RPPS}", DEFAULT.serial)
    ]
    for path in folder.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


async def test_a_page_learns_of_the_cards_holder(agent: RunningAgent, directory: FhirDirectory) -> None:
    assert (await agent.page("GET", PATH)).code == "grant-required"
    await agent.page("POST", "/v1/grants", {"abilities": ["identity"]})
    assert (await agent.page("GET", PATH)).body["found"] is True


async def test_attack_page_that_harvests_numbers(agent: RunningAgent, directory: FhirDirectory) -> None:
    await agent.page("POST", "/v1/grants", {"abilities": ["identity"]})
    directory.resources.append(practitioner(OTHER, "003-2-2"))
    await agent.program("GET", f"/v1/directory/{OTHER}")
    asked = len(directory.seen)
    answers = [await agent.page("GET", f"/v1/directory/{number}") for number in (OTHER, "99700735741", "10003461033")]
    assert [answer.code for answer in answers] == ["directory-card-only", "directory-card-only", "bad-request"]
    assert len(directory.seen) == asked


@pytest.mark.parametrize(
    "number",
    ["99700002713", "9970000271", "8" + RPPS, "x", "%0d%0aX:%20y", f"{RPPS}%0d%0aHost:%20evil", f"{RPPS}%26_include=*", f"{RPPS}%7C",
     f"{RPPS},{OTHER}", "%D9%A9%D9%A9", "..%2f..%2fx", f"{RPPS}%00"],
)  # fmt: skip
async def test_attack_number_that_is_none_goes_nowhere(
    agent: RunningAgent, directory: FhirDirectory, number: str
) -> None:
    assert (await agent.program("GET", f"/v1/directory/{number}")).code in ("bad-request", "not-found")
    assert directory.seen == []


PROBLEMS = {
    "directory-key-refused": lambda *_: outcome(401, "security", "no"),
    "directory-unavailable": lambda *_: outcome(503, "transient", "later"),
    "directory-busy": lambda *_: outcome(429, "throttled", "no", {"Retry-After": "30"}),
    "directory-unreadable": lambda *_: (200, {"Content-Type": "text/html"}, b"<html>Log in</html>"),
}


@pytest.mark.parametrize("code", PROBLEMS)
async def test_each_failure_has_its_code(agent: RunningAgent, directory: FhirDirectory, code: str) -> None:
    directory.always = PROBLEMS[code]
    answer = await agent.program("GET", PATH)
    assert (answer.code, answer.body["layer"]) == (code, "directory")
    assert KEY not in str(answer.body)


async def test_it_is_forgotten_with_all_that_is_remembered(
    agent: RunningAgent, directory: FhirDirectory, folder: Path
) -> None:
    await agent.program("GET", PATH)
    forgotten = await agent.program("DELETE", "/v1/certificates/cache")
    assert forgotten.body["forgotten"]["directory"] == 1
    assert not any(b"mssante" in path.read_bytes() for path in folder.glob("agent.db*"))
    asked = len(directory.seen)
    await agent.program("GET", PATH)
    assert len(directory.seen) == 2 * asked


async def test_without_a_key_nothing_is_sent(agent: RunningAgent, directory: FhirDirectory) -> None:
    open_key_store().delete(KEY_NAME)
    assert (await agent.program("GET", PATH)).code == "directory-key-absent"
    assert directory.seen == []


async def test_a_key_store_that_is_gone(
    agent: RunningAgent, directory: FhirDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    assert (await agent.program("GET", PATH)).code == "directory-key-unreadable"
    assert directory.seen == []


async def test_a_directory_that_hangs_delays_nothing_else(
    folder: Path, readers: VirtualReaders, directory: FhirDirectory
) -> None:
    hanging = threading.Event()
    directory.always = lambda *_: hanging.wait(30) and None

    def ask(port: int, headers: dict[str, str], number: str) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            call(port, "GET", f"/v1/directory/{number}", None, headers)

    async with running_agent(folder, Person(), readers, directory=True, directory_url=directory.url) as agent:
        headers = {"Authorization": f"Bearer {agent.token}"}
        asking = [
            threading.Thread(target=ask, args=(agent.port, headers, number), daemon=True)
            for number in (RPPS, *islice(rpps_numbers(), 20))
        ]
        for thread in asking:
            thread.start()
        while not directory.seen:
            await asyncio.sleep(0.005)
        started = time.monotonic()
        assert (await agent.program("GET", "/v1/cards")).status == 200
        assert (await agent.program("POST", "/v1/pin/verify", {})).status == 200
        assert time.monotonic() - started < 2
        started = time.monotonic()
    assert time.monotonic() - started < 5  # nor does the end of the agent wait for it
    hanging.set()
    for thread in asking:
        thread.join(10)


async def test_off_unless_the_settings_say_so(
    folder: Path, person: Person, readers: VirtualReaders, directory: FhirDirectory
) -> None:
    async with running_agent(folder, person, readers, directory_url=directory.url) as agent:
        assert (await agent.program("GET", PATH)).code == "directory-off"
        assert await agent.ask(
            lambda client: card_page_with_directory(client, panel_context(folder))
        ) == await agent.ask(lambda client: card_page(client, panel_context(folder)))
    assert directory.seen == []


HOSTILE = "\u202eevil\x1b[31m<b>\x07"


async def test_attack_names_are_plain_on_the_panel_and_in_a_terminal(
    agent: RunningAgent, directory: FhirDirectory
) -> None:
    directory.resources = [practitioner(RPPS, family=HOSTILE, given=HOSTILE), role("005-1", "003-1-1", "001-1")]
    directory.resources += [organization("001-1", HOSTILE, telecom=[mailbox("a@b.mssante.fr", "ORG", service=HOSTILE)])]
    _, section = await agent.ask(lambda client: card_page_with_directory(client, panel_context(agent.folder)))
    texts = [section.title, *(part for line in section.lines for part in (line.name, line.text))]
    assert section.mark == "2 différences"
    assert any(REPLACEMENT in text for text in texts)
    shown = await agent.ask(lambda client: run("--card", "--data-dir", str(agent.folder)))
    for text in (*texts, shown.stdout.replace("\n", "")):
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert "\x07" not in text


def panel_context(folder: Path) -> Context:
    return Context(load_words("fr"), "fr", Settings(folder), datetime.now(UTC))


def run(*arguments: str, given: str = "", language: str = "C.UTF-8") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("directory", *arguments), capture_output=True, text=True, check=False, timeout=60, input=given,
        env={**os.environ, "LC_ALL": language},
    )  # fmt: skip


async def test_the_command_line(agent: RunningAgent, directory: FhirDirectory) -> None:
    folder = ("--data-dir", str(agent.folder))
    directory.resources = [practitioner(RPPS, family="DURAND"), role("005-1", "003-1-1", "001-1")]
    directory.resources.append(organization("001-1", "CABINET", telecom=[mailbox("app@x.mssante.fr", "APP")]))
    english = await agent.ask(lambda _: run("--card", *folder))
    french = await agent.ask(lambda _: run(RPPS, *folder, language="fr_FR.UTF-8"))
    assert (english.returncode, french.returncode) == (0, 0), english.stderr + french.stderr
    assert "DIFFERENT, surname: on the card VIRTUEL, in the directory DURAND" in english.stdout
    assert "app@x.mssante.fr (mailbox of a program" in english.stdout
    assert "DIFFÉRENT, nom" in french.stdout
    assert "boîte applicative" in french.stdout
    refused = await agent.ask(lambda _: run("99700002713", *folder))
    directory.always = PROBLEMS["directory-unavailable"]
    failed = await agent.ask(lambda _: run(OTHER, "--json", *folder))
    assert (refused.returncode, failed.returncode) == (2, 9)
    assert '"directory-unavailable"' in failed.stdout


def test_the_key_goes_to_the_key_store_and_nowhere_else(directory: FhirDirectory, tmp_path: Path) -> None:
    stored = run("key", "--data-dir", str(tmp_path), given="another-key-0001\n")
    assert stored.returncode == 0, stored.stderr
    assert "directory = true" in stored.stdout
    assert "another-key-0001" not in stored.stdout + stored.stderr
    assert open_key_store().get(KEY_NAME) == b"another-key-0001"
    assert list(tmp_path.rglob("*")) == []
    assert run("key", "--remove").returncode == 0
    assert open_key_store().get(KEY_NAME) is None


@pytest.mark.parametrize("given", ["", "\n", "short\n", "with a blank inside\n", "clé-accentuée-0001\n", "k" * 5000])
def test_what_is_no_key_is_not_stored(directory: FhirDirectory, given: str) -> None:
    assert run("key", given=given).returncode == 2
    assert open_key_store().get(KEY_NAME) == KEY.encode()


@pytest.mark.parametrize("arguments", [(), (RPPS, "--card"), ("--remove",), (RPPS, "--remove"), ("key", "--card")])
def test_calls_that_make_no_sense(directory: FhirDirectory, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).returncode == 2
