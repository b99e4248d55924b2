"""What a person types to use the card with programs that are not set up here: OpenSSH, OpenVPN, curl, OpenSSL."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Final

from agent.modules.address import Door, to_address

AGENT_ALLOWS: Final = ("/usr/lib*/*", "/usr/local/lib*/*")
"""Where ssh-agent loads libraries from unless its option -P says otherwise (ssh-agent(1))."""
CURL: Final = "--cert-type ENG --cert 'pkcs11:type=cert' --key-type ENG --key 'pkcs11:type=private'"
OPENSSL: Final = "-sha256 -sign 'pkcs11:type=private' FILE"


@dataclass(frozen=True, slots=True)
class Hint:
    """A program and the lines for it."""

    program: str
    lines: tuple[str, ...]


def list_hints(client: Path | None, door: Door) -> tuple[Hint, ...]:
    """Lines with the paths of this workstation; none where p11-kit-client.so is not installed.

    Where the client does not find this agent by itself, a variable tells it the address.
    """
    if client is None:
        return ()
    library = quote(str(client))
    told = () if door.client_finds_it else (f"export P11_KIT_SERVER_ADDRESS={quote(to_address(door.path))}",)
    return (
        *((Hint("p11-kit", told),) if told else ()),
        Hint("OpenSSH", (f"ssh-keygen -D {library}", f"ssh -I {library} HOST", *_agent_lines(client))),
        Hint("OpenVPN", (f"openvpn --show-pkcs11-ids {library}", f"pkcs11-providers {library}", "pkcs11-id 'ID'")),
        Hint("curl", (f"PKCS11_MODULE_PATH={library} curl --engine pkcs11 {CURL} https://HOST",)),
        Hint("OpenSSL", (f"PKCS11_MODULE_PATH={library} openssl dgst -engine pkcs11 -keyform engine {OPENSSL}",)),
    )


def _agent_lines(client: Path) -> tuple[str, ...]:
    """ssh-agent resolves links before it compares, so the real path counts."""
    real = client.resolve()
    allowed = any(fnmatch.fnmatch(str(real), pattern) for pattern in AGENT_ALLOWS)
    return (*(() if allowed else (f"ssh-agent -P {quote(str(real))}",)), f"ssh-add -s {quote(str(client))}")
