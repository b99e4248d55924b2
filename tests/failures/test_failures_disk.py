"""A full disk under the data folder: nothing is handed out that is not in the journal, and nothing granted is lost."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.agent import NONCE, PAGE, call
from support.journal import uses_of
from support.processes import command
from support.waiting import wait_until

from agent.client import AgentProblemError, Client

ABILITIES = {"abilities": ["identity", "authenticate", "sign"]}
LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}
PAGE_HEADERS = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}

# $1 is the data folder, of which $2, the card and its root, lies on another disk: a card's memory is not the agent's.
# The agent runs until the shell's standard input closes, or is expected to end by itself.
SCRIPT = """
mount -t tmpfs -o size=512k,mode=700 cps "$1" && mkdir "$1/virtual" && mount --bind "$2" "$1/virtual" || exit 97
echo mounted
read how || exit
shift 2
if [ "$how" = fails ]; then "$@"; echo "ended $?"; exit; fi
"$@" & read _
kill $! 2>/dev/null
wait $!
echo "ended $?"
"""


def why_unavailable() -> str | None:
    probe = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True, check=False)
    return None if probe.returncode == 0 else "only root can mount a small disk"


@dataclass
class Disk:
    """A small disk in a namespace of its own, with the agent on it once it is started."""

    process: subprocess.Popen[str]
    root: Path
    folder: Path

    @property
    def inside(self) -> Path:
        return Path(f"/proc/{self.process.pid}/root{self.folder}")

    def fill(self) -> None:
        """Until not one byte more is taken."""
        with (self.inside / "filler").open("ab", buffering=0) as file:
            for size in (4096, 1):
                while _writes(file, bytes(size)):
                    pass

    def free(self) -> None:
        (self.inside / "filler").unlink()

    def start(self, how: str = "runs") -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{how}\n")
        self.process.stdin.flush()

    def client(self) -> Client:
        wait_until((self.inside / "port").exists, "the agent")
        return Client(int((self.inside / "port").read_text()), (self.inside / "token").read_text())

    def end(self) -> str:
        """Stop it; gives all that it has said."""
        output, _ = self.process.communicate(timeout=20)
        return output


def _writes(file: object, content: bytes) -> bool:
    try:
        return bool(file.write(content))
    except OSError:
        return False


@pytest.fixture
def disk(made_folder: Path, tmp_path: Path) -> Iterator[Disk]:
    if reason := why_unavailable():
        pytest.skip(reason)
    card = Path(shutil.copytree(made_folder / "virtual", tmp_path / "virtual"))
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    serve = command("serve", "--virtual", "--unattended", "--port", "0", "--data-dir", str(folder))
    process = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", SCRIPT, "sh", str(folder), str(card), *serve],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "mounted\n"
    try:
        yield Disk(process, tmp_path, folder)
    finally:
        if process.poll() is None:
            process.communicate(timeout=20)


def test_a_disk_that_is_full_at_the_start_is_named(disk: Disk) -> None:
    disk.fill()
    disk.start("fails")
    said = disk.end()
    (line,) = (line for line in said.splitlines() if line.startswith("cps-agent: "))
    assert str(disk.folder) in line or "disk" in line
    assert "Traceback" not in said
    assert "ended 1" in said


@contextmanager
def refused(client: Client) -> Iterator[None]:
    """Every way to the card ends in the same word, and the agent goes on."""
    with pytest.raises(AgentProblemError) as raised:
        client.authenticate(PAGE, NONCE)
    assert raised.value.code == "storage-failed"
    assert "signature" not in raised.value.problem
    answer = call(client.port, "POST", "/v1/authentications", LOGIN, PAGE_HEADERS)
    assert (answer.status, answer.code) == (507, "storage-failed")
    assert "unverifiedCertificate" not in answer.body
    with pytest.raises(AgentProblemError) as raised:
        client.sign([("a", b"content")])
    assert raised.value.code == "storage-failed"
    assert client.status()["name"] == "cps-agent"
    yield


def grant(client: Client) -> None:
    assert call(client.port, "POST", "/v1/grants", ABILITIES, PAGE_HEADERS).status in (200, 201)


def works(client: Client) -> None:
    assert client.authenticate(PAGE, NONCE)["signature"]
    assert len(client.sign([("a", b"content")])) == 1
    answer = call(client.port, "POST", "/v1/authentications", LOGIN, PAGE_HEADERS)
    assert answer.status == 200, answer.body


def test_a_disk_that_fills_while_the_agent_runs_and_is_freed_again(disk: Disk) -> None:
    disk.start()
    with disk.client() as client:
        grant(client)
        works(client)
        before = len(uses_of(client.journal()))
        disk.fill()
        with refused(client):
            disk.free()
        works(client)
        entries = uses_of(client.journal())
        assert len(entries) == before + 3
        assert {entry["outcome"] for entry in entries} == {"ok"}
        assert [each["caller"] for each in client.request("GET", "/v1/grants")["grants"]].count(PAGE) == 1
    said = disk.end()
    assert "the journal cannot be written" in said
    assert "Traceback" not in said


def test_files_that_may_not_grow_are_a_full_disk_too(made_folder: Path, tmp_path: Path) -> None:
    """A quota, as root is not needed for: the limit is set on the running agent, and lifted again."""
    folder = Path(shutil.copytree(made_folder, tmp_path / "data"))
    serve = command("serve", "--virtual", "--unattended", "--port", "0", "--data-dir", str(folder))
    with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            wait_until((folder / "port").exists, "the agent")
            with Client.of(folder) as client:
                grant(client)
                works(client)
                _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
                # Codes of the card are short files, and may be written; the database's log is longer than this.
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (8192, hard))
                with refused(client):
                    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
                works(client)
        finally:
            process.terminate()
            said, _ = process.communicate(timeout=20)
    assert "the journal cannot be written" in said
    assert "Traceback" not in said
