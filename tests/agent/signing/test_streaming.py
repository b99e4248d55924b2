"""Large files sent by a program that is not ours: they are hashed as they come, and never in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.openssl import verify_cms, write_chain
from support.processes import agent_program

from agent.client import Client

MB = 1024 * 1024
SIZE = 150 * MB
SMALLER = 25 * MB
PEAK = 200 * MB
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streaming")


@pytest.fixture(scope="module")
def running(place: Path) -> Iterator[Client]:
    """An agent in a process of its own: the measured one."""
    with agent_program(place, "--virtual", "--unattended") as client:
        yield client


def make_file(folder: Path, size: int) -> Path:
    """A file of zeros that takes no room on the disk."""
    path = folder / f"{size // MB}.bin"
    with path.open("wb") as file:
        file.truncate(size)
    return path


def curl(client: Client, *arguments: str) -> Any:
    token = f"Authorization: Bearer {client.token}"
    url = f"http://127.0.0.1:{client.port}/v1/"
    *flags, path = arguments
    done = subprocess.run(
        ["curl", "-sS", "--fail-with-body", "-H", token, *flags, url + path], capture_output=True, check=False
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout else None


def list_family(place: Path) -> Iterator[tuple[str, int]]:
    """The agent of that folder, and its workers: command line, and the most memory that each ever had."""
    parents: set[int] = set()
    for path in sorted(Path("/proc").glob("[0-9]*"), key=lambda each: int(each.name)):
        try:
            facts = dict(line.split(":", 1) for line in (path / "status").read_text().splitlines() if ":" in line)
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"serve --port 0 --data-dir {place} " in command or int(facts["PPid"]) in parents:
            parents.add(int(path.name))
            yield command, int(facts["VmHWM"].split()[0]) * 1024


def require_small(place: Path) -> None:
    family = list(list_family(place))
    assert [("serve" in command, "_signing" in command) for command, _ in family] == [(True, False), (False, True)]
    assert sum(peak for _, peak in family) < PEAK, [(command, peak // MB) for command, peak in family]


def test_a_large_file_is_signed_beside_itself(running: Client, place: Path, tmp_path: Path) -> None:
    write_chain(tmp_path, running.certificates()[0])
    for format_, size in (
        ("cms", SIZE),
        ("cades", SMALLER),
        ("xades", SMALLER),
        ("xmldsig", SMALLER),
        ("jades", SMALLER),
    ):
        path = make_file(tmp_path, size)
        request = {"format": format_, "detached": True, "documents": [{"name": path.name}]}
        answer = curl(
            running, "-F", f"request={json.dumps(request)};type=application/json", "-F", f"f=@{path}", "signatures"
        )
        (signature,) = answer["signatures"]
        assert signature["name"] == path.name
        if format_ == "cms":
            verify_cms(tmp_path, base64.b64decode(signature["content"]), path.read_bytes())
    require_small(place)
    assert {entry["action"] for entry in running.journal(5)} == {"sign"}  # it was seen, not only announced


def test_a_large_file_is_looked_at_for_a_batch(running: Client, place: Path, tmp_path: Path) -> None:
    path = make_file(tmp_path, SIZE)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(MB):
            digest.update(piece)
    manifest: dict[str, Any] = {"format": "jades", "packaging": "detached"}
    manifest["documents"] = [{"name": path.name, "digest": base64.b64encode(digest.digest()).decode(), "size": SIZE}]
    batch = curl(running, "--json", json.dumps(manifest), "batches")
    octets = ("-X", "PUT", "-H", "Content-Type: application/octet-stream", "-T", str(path))
    assert curl(running, *octets, f"batches/{batch['id']}/documents/0") is None
    assert curl(running, f"batches/{batch['id']}")["documents"][0]["seen"] is True
    require_small(place)
