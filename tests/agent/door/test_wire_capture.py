"""The codec against the real thing: what p11-kit-client.so and the stock server say to one another, with SoftHSM."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.door_program import CLIENT
from support.p11_client import P11Client, RefusedError
from support.p11_letters import BY_NAME, AttributeSize, read_response
from support.p11_stock import Conversation, client_env, recording_relay, stock_server, why_no_p11_kit
from support.softhsm import SoftHsm, softhsm_token, why_unavailable

from agent.door.codec import Codec, UnknownCallError
from agent.door.frames import Frame, FrameReader, write_frame
from agent.door.values import Attribute, AttributeRoom, AttributesAnswer, Mechanism, PssParameters, Request, Size

MISSING = why_unavailable() or why_no_p11_kit()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

COMMANDS = {
    "lists": ("-L", "-M", "-O"),
    "signs a hash": ("--sign", "-m", "RSA-PKCS"),
    "hashes and signs": ("--sign", "-m", "SHA256-RSA-PKCS"),
    "signs with PSS": ("--sign", "-m", "RSA-PKCS-PSS", "--hash-algorithm", "SHA256"),
    "reads an object": ("--read-object", "--type", "cert", "--label", "CPS_PRIV_AUT"),
    "asks for random bytes": ("--generate-random", "16"),
}
CODEC = Codec(modern=False)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory, made_folder: Path) -> SoftHsm:
    return softhsm_token(tmp_path_factory.mktemp("stock") / "token", made_folder)


@pytest.fixture(name="stock")
def _stock(tmp_path: Path, token: SoftHsm) -> Iterator[Path]:
    with stock_server(tmp_path, token) as path:
        yield path


def run_pkcs11_tool(path: Path, folder: Path, *arguments: str) -> None:
    (folder / "data").write_bytes(bytes(32))
    files = ("--input-file", str(folder / "data"), "--output-file", str(folder / "out"))
    command = ("pkcs11-tool", "--module", str(CLIENT), "--login", "--pin", "1234", "--label", "CPS_PRIV_AUT")
    run(*command, *arguments, *files, env=client_env(path))


def run(*command: str, env: dict[str, str]) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


def answers_by_code(conversation: Conversation) -> dict[int, Frame]:
    assert conversation.answered[0] == 0
    return {frame.code: frame for frame in FrameReader().feed(conversation.answered[1:])}


def encode_again(request: Request, answer: bytes) -> bytes:
    try:
        values = read_response(request.call, answer)
    except RefusedError as error:
        return CODEC.write_error(error.rv)
    return answer if has_sizes(values) else CODEC.write_response(request.call, values)


def has_sizes(values: tuple[object, ...]) -> bool:
    """Whether the stock server told sizes of attributes alone; the agent's answers have the values even so."""
    answers = (value for value in values if isinstance(value, AttributesAnswer))
    return any(isinstance(attribute, AttributeSize) for answer in answers for attribute in answer.attributes)


def check_exchange(said: Frame, answered: Frame) -> str:
    """Decode the request, and answer as the stock server did: with the same bytes."""
    try:
        request = CODEC.read_request(said.body)
    except UnknownCallError as error:  # a call that has nothing to do with signing
        return str(error)
    assert encode_again(request, bytes(answered.body)) == answered.body, request.call.name
    assert write_frame(answered.code, answered.body)[12:] == answered.body
    return request.call.name


def check_all(conversations: list[Conversation]) -> list[str]:
    """Decode all that a program said over its one connection; the names of the calls."""
    (conversation,) = conversations
    assert conversation.said[0] == 0, "version 0 is offered by 0.24.1"
    frames = FrameReader().feed(conversation.said[1:])
    answers = answers_by_code(conversation)
    names = [check_exchange(frame, answers[frame.code]) for frame in frames]
    assert (names[0], names[-1]) == ("Initialize", "Finalize")
    return names


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_what_a_program_and_the_stock_server_say(stock, tmp_path, arguments):
    with recording_relay(tmp_path, stock) as (path, conversations):
        run_pkcs11_tool(path, tmp_path, *arguments)
    names = check_all(conversations)
    assert "--sign" not in arguments or {"Login", "FindObjects", "SignInit", "Sign"} <= set(names)


def test_what_openssh_says(stock, tmp_path):
    with recording_relay(tmp_path, stock) as (path, conversations):
        run("ssh-keygen", "-D", str(CLIENT), env=client_env(path))
    assert {"OpenSession", "GetAttributeValue"} <= set(check_all(conversations))


@pytest.mark.skipif(not shutil.which("p11tool"), reason="not installed: p11tool")
def test_what_gnutls_says(stock, tmp_path):
    with recording_relay(tmp_path, stock) as (path, conversations):
        run("p11tool", "--provider", str(CLIENT), "--list-all", "pkcs11:", env=client_env(path))
    assert {"OpenSession", "GetAttributeValue"} <= set(check_all(conversations))


@pytest.fixture(name="client")
def _client(stock: Path) -> Iterator[P11Client]:
    with P11Client(stock) as client:
        client.initialize()
        yield client


CKA_CLASS, CKA_TOKEN, CKA_LABEL, CKA_VALUE, CKA_SENSITIVE, CKA_EXPONENT = 0, 1, 3, 0x11, 0x103, 0x124
CKA_MODULUS, CKA_MODULUS_BITS, CKA_NSS_TRUST = 0x120, 0x121, 0xCE536358
CERTIFICATE, PUBLIC_KEY, PRIVATE_KEY = 1, 2, 3


def open_first_session(client: P11Client) -> int:
    session = client.open_session(client.list_slots(present=True)[0])
    client.call("Login", session, 1, b"1234")
    return session


def test_our_client_for_tests_and_the_stock_server(client):
    """What the tests play is what the real server takes, so that what it plays at the agent's door is not our own idea."""
    session = open_first_session(client)
    keys = client.find(session, Attribute(CKA_CLASS, PRIVATE_KEY), Attribute(CKA_TOKEN, True))
    assert len(keys) == 2
    assert isinstance(client.sign(session, Mechanism(1), keys[0], bytes(32)), bytes)
    assert client.sign(session, Mechanism(1), keys[0], bytes(32), None) == Size(256)
    client.call("Sign", session, bytes(32), 256)
    pss = Mechanism(13, PssParameters(0x250, 2, 32))
    assert len(client.sign(session, pss, keys[0], bytes(32))) == 256
    assert client.refusal("CloseSession", 12345) == 0xB3


@pytest.mark.parametrize("kind", [CERTIFICATE, PUBLIC_KEY, PRIVATE_KEY])
def test_attributes_as_the_stock_server_writes_them(client, kind):
    """Each class of value, and those that are not to be had: the same values give the same bytes."""
    session = open_first_session(client)
    types = (CKA_CLASS, CKA_TOKEN, CKA_LABEL, CKA_VALUE, CKA_SENSITIVE, CKA_EXPONENT, CKA_MODULUS)
    for room in (0, 8, 4096):
        for asked in (types, (*types, CKA_MODULUS_BITS, CKA_NSS_TRUST)):
            check_attributes(client, session, client.find(session, Attribute(CKA_CLASS, kind))[0], asked, room)


def check_attributes(client: P11Client, session: int, found: int, asked: tuple[int, ...], room: int) -> None:
    code = client.send("GetAttributeValue", session, found, tuple(AttributeRoom(kind, room) for kind in asked))
    reply = client.receive()
    assert reply.code == code
    values = client.finish(reply)
    assert [attribute.type for attribute in values[0].attributes] == list(asked)
    assert has_sizes(values) is (room == 0)
    assert has_sizes(values) or CODEC.write_response(BY_NAME["GetAttributeValue"], values) == reply.body
