"""XML signatures verified by `xadesjs` from npm, which shares no code with xmlsec1 or with us."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support.node_driver import ROOT, Driver, DriverError, run_driver


@dataclass
class XadesVerifier:
    """The foreign program, running."""

    driver: Driver

    def verify(self, signature: bytes, detached: bytes | None = None, number: int = 1) -> dict[str, Any] | None:
        """The XAdES properties, None where there are none. Raises DriverError for a signature that does not hold."""
        content = None if detached is None else base64.b64encode(detached).decode()
        result: dict[str, Any] | None = self.driver.call(
            "verify", xml=signature.decode(), detached=content, number=number
        )
        return result

    def refuses(self, signature: bytes, detached: bytes | None = None, number: int = 1) -> bool:
        """Whether it takes this for no valid signature."""
        try:
            self.verify(signature, detached, number)
        except DriverError:
            return True
        return False


@contextmanager
def run_xades_verifier() -> Iterator[XadesVerifier]:
    with run_driver(ROOT / "tests" / "support" / "xades_verify.mjs") as driver:
        yield XadesVerifier(driver)
