"""Exchanges with the card and their bytes, beside OpenSC's for the same work on the same card."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.bench import NONCE, SITE, Bench, Inserter, inserter, running_agent
from benchmarks.table import Row, Value
from support.door import door_env
from support.door_program import CLIENT
from support.pcscd import PcscdHandle, private_pcscd
from support.waiting import wait_until

from drivers.virtual.personalisation import DEFAULT

KEY_ID = DEFAULT.key_id(DEFAULT.authentication).hex()
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420") + bytes(32)
AT_MOST = {
    "first read of an unknown card": 48,
    "insertion to identity, known card": 4,
    "tries left": 2,
    "ten signatures (CMS), one code": 35,
}
FOR_A_USE = 8
LOOK = "tries left"
INSERTIONS = ("first read of an unknown card", "insertion to identity, known card")

Counts = dict[str, tuple[Value, ...]]


def measure(bench: Bench) -> list[Row]:
    """Both programs through a pcscd of our own, one after the other."""
    bench.say("exchanges with the card")
    data_dir = bench.data_folder("exchanges")
    with private_pcscd() as pcscd, inserter(data_dir, pcscd) as card:
        ours = _count_ours(data_dir, pcscd, card)
        theirs = _count_opensc(bench, pcscd, card)
    return [_row(name, ours[name], *theirs[beside]) for name, beside in PAIRS]


PAIRS = (
    ("first read of an unknown card", "list objects"),
    ("insertion to identity, known card", "list slots"),
    ("tries left", "list slots"),
    ("code checked", "login"),
    ("login token", "sign"),
    ("signature (CMS)", "sign"),
    ("ten signatures (CMS), one code", "sign, ten times"),
    ("signature through the door", "sign"),
)


def _count_ours(data_dir: Path, pcscd: PcscdHandle, card: Inserter) -> Counts:
    with running_agent(data_dir, env=pcscd.env) as agent:

        def insert() -> None:
            card.insert()
            agent.wait_for_card()

        counts = {PAIRS[0][0]: _observe(card, insert)}
        card.pull()
        wait_until(lambda: not agent.states(), "the removal")
        client = agent.client
        steps: Sequence[Callable[[], object]] = (
            insert,
            client.cards,
            lambda: client.pin("verify"),
            lambda: client.authenticate(SITE, NONCE),
            lambda: client.sign([("a.txt", b"content")]),
            lambda: client.sign([(f"{number}.txt", b"content") for number in range(10)]),
            lambda: sign_through_door(data_dir),
        )
        counts |= {name: _observe(card, step) for (name, _), step in zip(PAIRS[1:], steps, strict=True)}
    return counts | {name: _without(counts[name], counts[LOOK]) for name in INSERTIONS}


def _without(both: tuple[Value, ...], look: tuple[Value, ...]) -> tuple[Value, ...]:
    """A holder is known before the agent looks at the tries, by the same two exchanges that anybody's look takes."""
    return tuple(replace(one, number=one.number - other.number) for one, other in zip(both, look, strict=True))


def _count_opensc(bench: Bench, pcscd: PcscdHandle, card: Inserter) -> dict[str, tuple[str, tuple[Value, ...]]]:
    (bench.folder / "info").write_bytes(DIGEST_INFO)
    login = ("--login", "--pin", DEFAULT.pin)
    commands = {
        "list objects": ("-O",),
        "list slots": ("-L",),
        "login": (*login, "-O"),
        "sign": sign_arguments(bench.folder),
    }
    counts = {
        name: (_shown(arguments), _observe(card, lambda arguments=arguments: run_opensc(pcscd, *arguments)))
        for name, arguments in commands.items()
    }
    ten = _observe(card, lambda: [run_opensc(pcscd, *commands["sign"]) for _ in range(10)])
    return counts | {"sign, ten times": (f"{_shown(commands['sign'])}, ten times", ten)}


def sign_arguments(folder: Path) -> tuple[str, ...]:
    """What pkcs11-tool is told, to log in and sign with the authentication key what the file `info` holds."""
    files = ("-i", str(folder / "info"), "-o", str(folder / "signature"))
    return ("--login", "--pin", DEFAULT.pin, "--sign", "-m", "RSA-PKCS", "--id", KEY_ID, *files)


def sign_through_door(data_dir: Path) -> None:
    """One run of pkcs11-tool with p11-kit's client module."""
    (data_dir.parent / "info").write_bytes(DIGEST_INFO)
    run_tool(door_env(data_dir), "--module", str(CLIENT), *sign_arguments(data_dir.parent)[3:])


def run_opensc(pcscd: PcscdHandle, *arguments: str) -> None:
    """One run of pkcs11-tool with OpenSC's module."""
    run_tool(pcscd.env, *arguments)


def run_tool(env: Mapping[str, str], *arguments: str) -> None:
    """One run of pkcs11-tool."""
    done = subprocess.run(
        ("pkcs11-tool", *arguments), env=env, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        raise RuntimeError(f"pkcs11-tool: {done.stderr}")


def _shown(arguments: Sequence[str]) -> str:
    return " ".join(("pkcs11-tool", *(word for word in arguments if word in ("-O", "-L", "--login", "--sign"))))


def _observe(card: Inserter, work: Callable[[], object]) -> tuple[Value, ...]:
    seen = card.observe()
    work()
    return Value(seen.exchanges, ""), Value(seen.bytes, "bytes")


def _row(name: str, ours: tuple[Value, ...], beside: str, theirs: tuple[Value, ...]) -> Row:
    limit = AT_MOST.get(name, FOR_A_USE)
    return Row(f"exchanges: {name}", ours, beside, theirs, f"≤ {limit}", ours[0].number <= limit)
