"""JSON Web Signatures verified by `jose` from npm, and taken apart and put together for attacks."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.node_driver import ROOT, Driver, DriverError, run_driver


@dataclass
class Verifier:
    """The foreign program, running."""

    driver: Driver

    def verify(
        self, jws: bytes, payload: bytes | None = None, critical: Sequence[str] = ()
    ) -> tuple[dict[str, Any], bytes]:
        """Header and payload. `payload`: a detached one. Raises DriverError for a signature that does not hold."""
        detached = None if payload is None else base64.b64encode(payload).decode()
        result = self.driver.call("verify", jws=jws.decode("latin-1"), payload=detached, critical=list(critical))
        return result["header"], base64.b64decode(result["payload"])

    def refuses(self, jws: bytes, payload: bytes | None = None, critical: Sequence[str] = ()) -> bool:
        """Whether it takes this for no valid signature."""
        try:
            self.verify(jws, payload, critical)
        except DriverError:
            return True
        return False


@contextmanager
def run_verifier() -> Iterator[Verifier]:
    with run_driver(ROOT / "tests" / "support" / "jose_verify.mjs") as driver:
        yield Verifier(driver)


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header_of(jws: bytes) -> dict[str, Any]:
    text = jws.decode()
    encoded = json.loads(text)["protected"] if text.startswith("{") else text.split(".")[0]
    return dict(json.loads(unb64(encoded)))
