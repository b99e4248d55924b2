"""A real Chromium for tests, driven through tests/browser/driver.mjs (Playwright), one command and one answer at a time."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRIVER = ROOT / "tests" / "browser" / "driver.mjs"
ANSWER_S = 60.0
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


class DriverError(AssertionError):
    """The browser could not do what a test told it."""


@dataclass
class Browser:
    """A running Chromium."""

    process: subprocess.Popen[str]
    answers: queue.Queue[str]
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def call(self, command: str, **given: Any) -> Any:
        """Run one command of the driver. Raises DriverError."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.answers.get(timeout=ANSWER_S) or '{"error": "the driver has ended"}')
        if "error" in answer:
            raise DriverError(f"{command}: {answer['error']}")
        return answer["result"]

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
    process = subprocess.Popen(
        ["node", str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=ROOT
    )
    browser = Browser(process, queue.Queue())
    reader = threading.Thread(target=_read, args=(process, browser.answers), daemon=True)
    reader.start()
    try:
        browser.call(
            "launch",
            executablePath=shutil.which("chromium"),
            args=list(args),
            sandbox=not hasattr(os, "geteuid") or os.geteuid() != 0,
            headless=headless,
            env=dict(environment if environment is not None else os.environ),
        )
        yield browser
    finally:
        _end(process)
        reader.join(10)


def _read(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    assert process.stdout
    for line in process.stdout:
        answers.put(line)
    answers.put("")
    process.stdout.close()


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.close()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.terminate()  # Playwright ends its browser with itself
        process.wait(20)
