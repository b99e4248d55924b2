"""OpenSC's pkcs11-tool at the door: it lists, and signs by every mechanism with every key; openssl verifies."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import pytest
from support.door import Door, why_no_programs
from support.mechanisms import CONTENT, Way, ways_of
from support.openssl import openssl

from drivers.base import KeyRole
from drivers.virtual.personalisation import DEFAULT

MISSING = why_no_programs("pkcs11-tool", "openssl", "Xvfb", "xwininfo")
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))
LABELS = {KeyRole.AUTHENTICATION: "CPS_PRIV_AUT", KeyRole.SIGNATURE: "CPS_PRIV_SIG"}


@dataclass(frozen=True)
class Tool:
    """pkcs11-tool with p11-kit's client module."""

    door: Door

    def run(self, *arguments: str) -> str:
        return self.door.programs.run("pkcs11-tool", "--module", self.door.module, *arguments)

    def sign(self, role: KeyRole, way: Way, *arguments: str) -> None:
        """Sign, and have the signature verified with the certificate of that role."""
        folder = self.door.folder
        (folder / "given").write_bytes(way.given)
        (folder / "content").write_bytes(CONTENT)
        (folder / "signature").unlink(missing_ok=True)
        key_id = self.door.certificate(role)["keyId"]
        files = ("-i", "given", "-o", "signature")
        self.run("--sign", "--id", key_id, "-m", way.mechanism, *way.options, *files, *arguments)
        way.verify(folder, f"{role}.pub")

    def allowed(self) -> dict[str, list[str]]:
        """What the private keys say that they may be used for, by the id of the key."""
        listing = self.run("-O", "--type", "privkey")
        keys = re.findall(r"^  ID: +(\w+)\n(?:  .*\n)*?  Allowed mechanisms: (.*)\n", listing, re.MULTILINE)
        return {key_id: names.split(",") for key_id, names in keys}

    def refuse(self, role: KeyRole, way: Way) -> None:
        """The key does not take this, and nobody is asked. (pkcs11-tool then tries in parts, and tells of that alone.)"""
        before = self.door.latest_use()
        (self.door.folder / "given").write_bytes(way.given)
        key_id = self.door.certificate(role)["keyId"]
        words = ("--sign", "--id", key_id, "-m", way.mechanism, *way.options, "-i", "given", "-o", "none")
        done = self.door.programs.ask("pkcs11-tool", "--module", self.door.module, *words)
        assert done.code != 0
        assert re.search("CKR_MECHANISM_INVALID|CKR_MECHANISM_PARAM_INVALID|CKR_OPERATION_NOT_INITIALIZED", done.all)
        assert not any(use["exchanges"] for use in self.door.uses(before))


def tool_of(door: Door) -> Tool:
    for role in KeyRole:
        door.write_certificate(role)
    return Tool(door)


@pytest.fixture
def tool(card: Door) -> Tool:
    return tool_of(card)


def test_it_lists_the_reader_and_its_card(tool: Tool) -> None:
    listing = tool.run("-L")
    assert tool.door.pcscd
    assert tool.door.pcscd.reader_names[0] in listing
    assert re.search(rf"serial num +: {DEFAULT.serial}\n", listing)
    assert "login required" not in listing
    assert "PIN pad" not in listing


def test_it_lists_what_the_card_holds_without_a_code(tool: Tool) -> None:
    key_ids = [tool.door.certificate(role)["keyId"] for role in KeyRole]
    before = tool.door.latest_use()
    listing = tool.run("-O")
    for kind in ("Certificate Object", "Public Key Object", "Private Key Object"):
        assert len(re.findall(rf"^{kind}", listing, re.MULTILINE)) == 2, listing
    for key_id in key_ids:
        assert listing.count(f"ID:         {key_id}\n") == 3
    assert tool.door.uses(before) == []


def test_every_mechanism_of_a_cps3_signs(tool: Tool) -> None:
    signed = use_every_mechanism(tool)
    for role in KeyRole:
        assert {str(way) for each, way in signed if each is role} >= {"RSA-PKCS sha256", "SHA256-RSA-PKCS sha256"}
    assert "RSA-PKCS raw" in {str(way) for each, way in signed if each is KeyRole.AUTHENTICATION}
    assert not any("PSS" in way.mechanism for _, way in signed)


def test_every_mechanism_of_a_cps4_signs(cps4: Door) -> None:
    signed = use_every_mechanism(tool_of(cps4))
    for role in KeyRole:
        assert {str(way) for each, way in signed if each is role} >= {"RSA-PKCS sha256", "RSA-PKCS-PSS sha256"}


def use_every_mechanism(tool: Tool) -> list[tuple[KeyRole, Way]]:
    """What a key says that it may do it does, and the rest it refuses before anybody is asked. Gives what it did."""
    ways, keys = list(ways_of(tool.run("-M"))), tool.allowed()
    assert ways
    signed = []
    for role in KeyRole:
        allowed = keys[tool.door.certificate(role)["keyId"]]
        for way in ways:
            if way.named in allowed or (not way.hash and role is KeyRole.AUTHENTICATION):
                tool.sign(role, way)
                signed.append((role, way))
            else:
                tool.refuse(role, way)
    return signed


def test_contents_longer_than_a_buffer_are_hashed_as_they_come(tool: Tool) -> None:
    content = CONTENT * 300
    (tool.door.folder / "long").write_bytes(content)
    key_id = tool.door.certificate(KeyRole.SIGNATURE)["keyId"]
    tool.run("--sign", "--id", key_id, "-m", "SHA256-RSA-PKCS", "-i", "long", "-o", "signature")
    verify = ("-verify", f"{KeyRole.SIGNATURE}.pub", "-signature", "signature", "long")
    openssl(tool.door.folder, "dgst", "-sha256", *verify)


def test_a_code_that_is_sent_by_habit_is_not_used(tool: Tool) -> None:
    """A wrong one: it would cost a try. It is told once for each program."""
    before = tool.door.latest_use()
    (way,) = (way for way in ways_of(tool.run("-M")) if str(way) == "SHA256-RSA-PKCS sha256")
    for _ in range(2):
        tool.sign(KeyRole.AUTHENTICATION, way, "--login", "--pin", "9999")
    (shown,) = tool.door.client.cards()
    assert shown["pin"]["triesLeft"] == 3
    assert [use["action"] for use in tool.door.uses(before)].count("ignore-pin") <= 1
    assert "ignore-pin" in [use["action"] for use in tool.door.uses()]
