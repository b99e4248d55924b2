"""Whose key opens the way to a service, and what is said where a server does not take it, or is not the service."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateway import SERVICE, Gateway, open_gateway
from support.organisations import OrganisationKey
from support.software import take_in
from support.tls_servers import Authority, ServerTerms, nginx, s_server

from agent.certificates.test_root import TestRoot
from agent.people.prompt import CardChoice, PinRequest
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT

WORDS = "tilleul é€"


@pytest.fixture
def organisations(made_organisations: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_organisations, tmp_path / "data"))


@pytest.fixture
def card_readers(organisations: Path) -> Iterator[VirtualReaders]:
    with open_card_of_kind(organisations, "cps3") as card:
        yield VirtualReaders([card])


async def test_card_and_software_certificate_have_channels_of_their_own(
    organisations: Path, card_readers: VirtualReaders, organisation_keys: dict[str, OrganisationKey]
) -> None:
    async with open_gateway(organisations, card_readers, software_keys="passphrase") as gateway:
        gateway.person.passphrases = [WORDS]
        number = (await take_in(gateway.agent, organisation_keys["AUTH_CLI"]))["cardNumber"]
        by_card = await gateway.ask("GET", "essai/")
        by_key = await gateway.ask("GET", "essai/", {"CPS-Agent-Card": number})
        assert (by_card.status, by_key.status) == (200, 200)
        serials = {answer.body.split()[-1] for answer in (by_card, by_key)}
        assert len(serials) == 2
        again = await gateway.ask("GET", "essai/", {"CPS-Agent-Card": number})
        assert again.body.split()[-1] == by_key.body.split()[-1]
        shown = (await gateway.agent.program("GET", "/v1/gateway")).body["channels"]
        assert {channel["cardNumber"] for channel in shown} == {DEFAULT.serial, number}
        assert sum(isinstance(question, PinRequest) for question in gateway.person.asked) == 2


async def test_of_two_cards_the_person_chooses_and_the_choice_holds_for_these_two(folder: Path) -> None:
    """A channel of one professional serves no request of another's."""
    with open_card_of_kind(folder, "cps3") as first, open_card_of_kind(folder, "cps4") as second:
        readers = VirtualReaders([first, second])
        names = [state.name for state in readers.list_states()]
        readers.remove(names[1])
        async with open_gateway(folder, readers) as gateway:
            person = gateway.person
            serial = (await gateway.ask("GET", "essai/")).body.split()[-1]
            readers.insert(second, names[1])
            await wait_for_cards(gateway, 2)
            numbers = [card["number"] for card in (await gateway.agent.program("GET", "/v1/cards")).body["cards"]]
            person.chooses = next(number for number in numbers if number != DEFAULT.serial)
            chosen = [(await gateway.ask("GET", "essai/")).body.split()[-1] for _ in range(2)]
            assert len({serial, *chosen}) == 2
            assert sum(isinstance(question, CardChoice) for question in person.asked) == 1
            named = await gateway.ask("GET", "essai/", {"CPS-Agent-Card": DEFAULT.serial})
            assert named.body.split()[-1] == serial
            readers.remove(names[1])
            await wait_for_cards(gateway, 1)
            assert (await gateway.ask("GET", "essai/")).body.split()[-1] == serial
            assert sum(isinstance(question, PinRequest) for question in person.asked) == 2


async def wait_for_cards(gateway: Gateway, count: int) -> None:
    async with asyncio.timeout(10):
        while len((await gateway.agent.program("GET", "/v1/cards")).body["cards"]) != count:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("certificate", "header", "code"),
    [
        ("software", None, "certificate-unnamed"),
        ("software", DEFAULT.serial, "key-refused"),
        ("card", "S0A1B2C3D4E5F607", "key-refused"),
        ("any", "S0A1B2C3D4E5F607", "card-absent"),
    ],
)
async def test_a_service_gets_the_kind_of_certificate_that_it_is_for(
    folder: Path, readers: VirtualReaders, certificate: str, header: str | None, code: str
) -> None:
    async with open_gateway(folder, readers, more=f'certificate = "{certificate}"') as gateway:
        answer = await gateway.ask("GET", "essai/", {} if header is None else {"CPS-Agent-Card": header})
        assert answer.code == code
        assert not any(isinstance(question, PinRequest) for question in gateway.person.asked)


async def test_a_cps4_opens_tls_1_3_and_its_sessions_go_on(folder: Path) -> None:
    with open_card_of_kind(folder, "cps4") as card:
        once = "location /once { keepalive_timeout 0; return 200 $ssl_protocol$ssl_session_reused; }"
        async with open_gateway(folder, VirtualReaders([card]), versions=("TLSv1.3",), locations=once) as gateway:
            answers = [await gateway.ask("GET", "essai/once") for _ in range(3)]
            assert [answer.body for answer in answers] == [b"TLSv1.3.", b"TLSv1.3r", b"TLSv1.3r"]
            assert len(await gateway.journal("open-channel")) == 1


async def test_servers_that_cannot_be_used_are_told_apart(
    folder: Path, readers: VirtualReaders, tmp_path: Path
) -> None:
    clients = TestRoot(folder).authorities_der()
    stranger = Authority("TEST AC INCONNUE")
    with (
        nginx(ServerTerms(tmp_path / "a", clients, authority=stranger)) as unknown,
        nginx(ServerTerms(tmp_path / "b", clients, certificate_der=Authority().issue(days=(-3, -1)))) as expired,
        s_server(ServerTerms(tmp_path / "c", (stranger.der,))) as refusing,
        nginx(ServerTerms(tmp_path / "d", (stranger.der,))) as refusing_later,
        nginx(ServerTerms(tmp_path / "e", clients, versions=("TLSv1.3",))) as modern,
        nginx(ServerTerms(tmp_path / "f")) as open_to_all,
    ):
        ports = {
            "unknown": unknown.port, "expired": expired.port, "refusing": refusing.port,
            "refusing-later": refusing_later.port, "modern": modern.port, "nobody": 1,
        }  # fmt: skip
        more = "".join(SERVICE.format(name=name, port=port, path="", more="") for name, port in ports.items())
        more += SERVICE.format(name="anonymous", port=open_to_all.port, path="", more='certificate = "none"')
        async with open_gateway(folder, readers, more=more) as gateway:
            gateway.person.session = True  # one code is enough for all of these
            codes = {name: await said(gateway, name) for name in (*ports, "anonymous")}
            entries = await gateway.journal("open-channel")
    assert codes == {
        "unknown": ("server-certificate-refused", "unknown"),
        "expired": ("server-certificate-refused", "expired"),
        "refusing": ("client-certificate-refused", None),
        "refusing-later": ("client-certificate-refused", None),
        "modern": ("tls-version-refused", None),
        "nobody": ("service-unreachable", None),
        "anonymous": (None, None),
    }
    assert [entry["subject"] for entry in entries] == ["Essai (localhost)"]  # nginx refuses after the handshake


async def said(gateway: Gateway, name: str) -> tuple[str | None, str | None]:
    answer = await gateway.ask("GET", f"{name}/")
    return answer.code, answer.problem.get("reason")
