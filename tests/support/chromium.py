"""A real Chromium for tests, driven through tests/browser/driver.mjs (Playwright), one command and one answer at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from support.node_driver import ROOT, Driver, run_driver

DRIVER = ROOT / "tests" / "browser" / "driver.mjs"
LNA_PERMISSIONS = ("local-network-access",)


def find_missing_programs() -> list[str]:
    """Name what a test with Chromium needs and this machine lacks."""
    missing = [name for name in ("node", "chromium", "openssl") if shutil.which(name) is None]
    if not (ROOT / "node_modules" / "playwright-core").is_dir():
        missing.append("playwright-core (npm ci)")
    return missing


def need(missing: str | None) -> None:
    """Skip with the reason; on CI, where everything is installed, fail."""
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing on CI: {missing}")
    if missing:
        pytest.skip(f"needs {missing}")


@dataclass
class Browser:
    """A running Chromium."""

    driver: Driver
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def call(self, command: str, **given: Any) -> Any:
        """Run one command of the driver. Raises DriverError."""
        return self.driver.call(command, **given)

    @contextmanager
    def context(self, **options: Any) -> Iterator[Context]:
        """A profile of its own: no permission, no storage."""
        name = f"context-{next(self.ids)}"
        self.call("context", context=name, options=options)
        try:
            yield Context(self, name)
        finally:
            self.call("closeContext", context=name)


@dataclass(frozen=True)
class Context:
    """A browser profile."""

    browser: Browser
    name: str

    def permit_local_network(self, origin: str) -> None:
        """Answer the browser's question about the local network as a person would who agrees."""
        self.browser.call("grantPermissions", context=self.name, permissions=LNA_PERMISSIONS, origin=origin)

    def open(self, url: str) -> Page:
        """Open a page."""
        page = Page(self, f"page-{next(self.browser.ids)}")
        self.browser.call("page", context=self.name, page=page.name)
        page.goto(url)
        return page


@dataclass(frozen=True)
class Page:
    """A tab. `source` is the text of a JavaScript function of one argument."""

    context: Context
    name: str

    def call(self, command: str, **given: Any) -> Any:
        return self.context.browser.call(command, page=self.name, **given)

    def goto(self, url: str) -> dict[str, Any]:
        return self.call("goto", url=url)

    def run(self, source: str, argument: Any = None) -> Any:
        return self.call("evaluate", source=source, argument=argument)

    def run_in_frame(self, selector: str, source: str, argument: Any = None) -> Any:
        return self.call("evaluateInFrame", selector=selector, source=source, argument=argument)

    def wait_for(self, source: str, argument: Any = None) -> Any:
        """Wait until the function gives something true; give that."""
        return self.call("waitFor", source=source, argument=argument)

    def deny_local_network(self, origin: str) -> None:
        self.call("permit", context=self.context.name, origin=origin, name=LNA_PERMISSIONS[0], state="denied")


@contextmanager
def run_chromium(
    args: Sequence[str] = (), *, headless: bool = True, environment: Mapping[str, str] | None = None
) -> Iterator[Browser]:
    """Start Chromium with a new empty profile, and end it."""
    with run_driver(DRIVER) as driver:
        driver.call(
            "launch",
            executablePath=shutil.which("chromium"),
            args=list(args),
            sandbox=not hasattr(os, "geteuid") or os.geteuid() != 0,
            headless=headless,
            env=dict(environment if environment is not None else os.environ),
        )
        yield Browser(driver)
