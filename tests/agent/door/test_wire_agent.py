"""The whole agent and clients of every version: 0.24 offers 0, 0.25 offers 1, 0.25.6 and later 2 and other encodings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from support.memory import needles, random_code, search_memory
from support.p11_client import P11Client
from support.processes import program
from support.waiting import wait_until

from agent.door import cryptoki as ck
from agent.door.values import Attribute, Mechanism, Size

CONTENT = b"what is signed"
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of a process that forbids it")


@dataclass
class Served:
    """An agent with a virtual card, and the address of its door."""

    pid: int
    path: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("agent") / "data"
    flags = ("--virtual", "--unattended", "--port", "0", "--data-dir", str(folder))
    with program("serve", *flags) as process:
        path = folder / "p11-kit.sock"
        wait_until(lambda: process.poll() is not None or path.exists(), "the door")
        assert process.poll() is None, process.stdout and process.stdout.read()
        yield Served(process.pid, path)


@pytest.fixture(params=[0, 1, 2])
def client(served: Served, request: pytest.FixtureRequest) -> Iterator[P11Client]:
    with P11Client(served.path, request.param) as connected:
        assert connected.agreed == request.param
        connected.initialize()
        yield connected


def open_session(client: P11Client) -> int:
    wait_until(lambda: client.list_slots(present=True), "the card")
    return client.open_session(client.list_slots(present=True)[0])


def authentication_key(client: P11Client, session: int) -> tuple[int, rsa.RSAPublicKey]:
    """The private key, and the public one of the certificate with the same CKA_ID."""
    (key,) = client.find(session, Attribute(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), Attribute(ck.CKA_LABEL, b"CPS_PRIV_AUT"))
    key_id = client.value(session, key, ck.CKA_ID)
    wanted = (Attribute(ck.CKA_CLASS, ck.CKO_CERTIFICATE), Attribute(ck.CKA_ID, key_id))
    (certificate,) = client.find(session, *wanted)
    public = x509.load_der_x509_certificate(client.value(session, certificate, ck.CKA_VALUE)).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    return key, public


def test_clients_of_every_version_sign(client):
    session = open_session(client)
    key, public = authentication_key(client, session)
    mechanism = Mechanism(ck.CKM_SHA256_RSA_PKCS)
    assert client.sign(session, mechanism, key, CONTENT, None) == Size(256)
    (signature,) = client.call("Sign", session, CONTENT, 256)
    public.verify(signature, CONTENT, padding.PKCS1v15(), hashes.SHA256())


def test_clients_of_every_version_are_told_what_there_is(client):
    session = open_session(client)
    key, public = authentication_key(client, session)
    asked = (ck.CKA_CLASS, ck.CKA_SIGN, ck.CKA_MODULUS, ck.CKA_ALLOWED_MECHANISMS, 0x40000213, ck.CKA_PRIVATE_EXPONENT)
    answer = client.attributes(session, key, *asked)
    kind, signs, modulus, _, template, secret = (attribute.value for attribute in answer.attributes)
    assert (kind, signs, template, secret) == (ck.CKO_PRIVATE_KEY, True, None, None)
    assert int.from_bytes(modulus) == public.public_numbers().n
    assert answer.rv in (ck.CKR_ATTRIBUTE_TYPE_INVALID, ck.CKR_ATTRIBUTE_SENSITIVE)


def test_clients_of_every_version_end_an_operation(client):
    session = open_session(client)
    key, _ = authentication_key(client, session)
    client.call("SignInit", session, Mechanism(ck.CKM_RSA_PKCS), key)
    assert client.refusal("SignInit", session, Mechanism(ck.CKM_RSA_PKCS), key) == ck.CKR_OPERATION_ACTIVE
    client.call("SignInit", session, Mechanism(None), key)
    assert client.refusal("Sign", session, CONTENT, 256) == ck.CKR_OPERATION_NOT_INITIALIZED


@only_root
def test_attack_a_pin_sent_by_habit_is_not_in_the_agent_s_memory(client, served):
    session, code = open_session(client), random_code()
    for digits in (code.encode(), None, code.encode()):
        assert client.refusal("Login", session, 1, digits) in (ck.CKR_OK, ck.CKR_USER_ALREADY_LOGGED_IN)
    assert search_memory(served.pid, needles(code)) == []
