"""The tray as a program, in a real tray on a real X server: icons, clicks, deaths and returns."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.dbus import session_bus, why_no_bus
from support.display import virtual_display
from support.fake_agent import fake_agent, reader, status
from support.notifications import notification_service
from support.processes import agent_program, answers
from support.trayer import DARK, LIGHT, click, crop, find_icon, point_at, title_of, trayer, wait_for_icon
from support.trayer import why_no_tray as why_no_tray_host
from support.waiting import wait_until

MISSING = why_no_tray_host() or why_no_bus()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=str(MISSING))
pytest.importorskip("PySide6", reason="needs the `desktop` extra")

CONDITIONS = {
    "no-reader": "No card reader", "no-card": "No card in the reader", "reading": "Reading the card",
    "card-ready": "Card ready", "pin-session": "Card ready, its code is kept", "tries-low": "tries left",
    "pin-blocked": "Code blocked", "revoked": "Certificate revoked", "expiring": "Card valid until", "expired": "Card expired on",
    "not-cps": "Not a CPS card", "trouble": "cannot be used",
}  # fmt: skip


@pytest.fixture(scope="module", name="screen")
def _screen():
    with virtual_display() as display:
        yield display


@pytest.fixture(name="bus")
def _bus(tmp_path):
    with session_bus(tmp_path) as address:
        yield address


class Program:
    """`cps-agent tray` of one data folder, in the environment of a desktop."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {k: v for k, v in environment.items() if k not in ("WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")}
        self.environment |= {"LC_ALL": "C.UTF-8"}
        self._running: list[subprocess.Popen[str]] = []

    def start(self, *flags: str) -> subprocess.Popen[str]:
        command = (sys.executable, "-m", "agent", "tray", "--data-dir", str(self.folder), *flags)
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._running.append(process)
        return process

    def end(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture(name="program")
def _program(tmp_path, screen, bus):
    program = Program(tmp_path / "data", screen.environment | {"DBUS_SESSION_BUS_ADDRESS": bus})
    yield program
    program.end()


@pytest.mark.parametrize("tint", [DARK, LIGHT], ids=["dark", "light"])
def test_icon_of_each_condition_is_another_picture(screen, program, tmp_path, tint):
    with fake_agent(program.folder) as agent, trayer(screen, *tint):
        process = program.start("--no-start")
        pictures = {}
        for condition, words in CONDITIONS.items():
            agent.tell(status(condition))
            wait_for_title(screen, words)
            pictures[condition] = picture(screen, tmp_path, set(pictures.values()))
        assert len(set(pictures.values())) == len(CONDITIONS)
        process.terminate()
        assert process.wait(10) == 0
        wait_until(lambda: find_icon(screen) is None, "the icon to go")


def wait_for_title(screen, words: str, deadline_s: float = 20) -> None:
    wait_until(lambda: words in title_now(screen), f"the tooltip {words!r}", deadline_s)


def title_now(screen) -> str:
    spot = find_icon(screen)
    if spot is None:
        return ""
    try:
        return title_of(screen, spot)
    except subprocess.CalledProcessError:
        return ""


def picture(screen, folder: Path, others: set[bytes]) -> bytes:
    """What is shown at the icon, once it is none of the others: the title comes a moment before the picture."""
    spot = wait_for_icon(screen)
    taken = [b""]

    def is_new() -> bool:
        taken[0] = crop(screen, spot, folder / "icon.png")
        return taken[0] not in others

    wait_until(is_new, "another picture")
    return taken[0]


def test_menu_opens_at_a_click_and_a_key_chooses(screen, program):
    with fake_agent(program.folder) as agent, trayer(screen, *DARK):
        ends = "2099-01-01T00:00:00Z"
        agent.status = status(
            "pin-session", sessions=[{"id": "s", "cardNumber": "99213845", "endsAt": ends, "usesLeft": 5}]
        )
        program.start("--no-start")
        wait_for_title(screen, "Code kept")
        for button, keys, call in (
            (1, ("Down",) * 6 + ("Return",), ("POST", "/v1/pin/lock")),
            (3, ("Down",) * 5 + ("Return",), ("POST", "/v1/pin/verify")),
        ):
            click(screen, wait_for_icon(screen), button)
            screen.find_window("^CPS$")
            screen.press(*keys)
            agent.wait_for_call(*call)
        assert agent.wait_for_call("POST", "/v1/pin/verify") == {"cardNumber": "99213845"}


def test_failure_of_a_choice_is_told_and_refusal_is_not(screen, program, bus):
    with fake_agent(program.folder) as agent, trayer(screen, *DARK), notification_service(bus) as service:
        program.start("--no-start")
        wait_for_title(screen, "Card ready")
        for times, answer in enumerate(((403, "pin-refused"), (423, "card-busy")), 1):
            agent.answers["POST", "/v1/pin/verify"] = answer
            choose(screen, *("Down",) * 4)
            wait_until(lambda times=times: len(agent.calls) == times, "the call")
        assert service.wait_for("did not work").body == "The sentence of card-busy."
        assert len(service.shown) == 1


def choose(screen, *keys: str) -> None:
    """Open the menu and choose by keys: Down from its top, Up from its end."""
    click(screen, wait_for_icon(screen))
    screen.find_window("^CPS$")
    screen.press(*keys, "Return")


def test_choices_with_the_real_agent_and_its_card(screen, program, bus):
    flags = ("--virtual", "--unattended")
    with (
        agent_program(program.folder, *flags) as client,
        trayer(screen, *DARK),
        notification_service(bus) as service,
    ):
        program.start("--no-start")
        wait_for_title(screen, "Card ready")
        choose(screen, *("Down",) * 4)
        service.wait_for("The code is right")
        assert [entry["outcome"] for entry in client.journal() if entry["action"] == "verify-pin"] == ["ok"]
        choose(screen, *("Up",) * 9)
        window = screen.find_window("^Card — CPS agent$")
        choose(screen, *("Up",) * 5)
        assert screen.find_window("^Journal — CPS agent$") == window
        screen.focus(window)
        screen.press("Escape")
        choose(screen, *("Up",) * 3)
        screen.focus(screen.find_window("^Whom to turn to — CPS agent$"))
        screen.press("Escape")
        choose(screen, "Up")
        wait_until(lambda: find_icon(screen) is None, "the icon to go")
        assert client.cards()


def test_icon_lives_and_dies_with_trays(screen, program):
    with fake_agent(program.folder):
        process = program.start("--no-start", "--tray-wait", "3600")
        wait_until((program.folder / "tray" / "lock").exists, "the program")
        for _ in range(3):
            with trayer(screen, *DARK) as tray:
                wait_for_icon(screen)
                tray.kill()
                tray.wait()
            wait_until(lambda: find_icon(screen) is None, "the icon to go")
        assert process.poll() is None
        with trayer(screen, *DARK):
            wait_for_icon(screen)


def test_tooltip_shows_under_the_pointer_and_goes_with_it(screen, program, tmp_path):
    with fake_agent(program.folder), trayer(screen, *DARK):
        program.start("--no-start")
        wait_for_title(screen, "Card ready")
        screen.run("xdotool", "mousemove", "10", "10")
        bare = around(screen, tmp_path)
        point_at(screen, wait_for_icon(screen))
        wait_until(lambda: around(screen, tmp_path) != bare, "the tooltip")
        screen.run("xdotool", "mousemove", "10", "10")
        wait_until(lambda: around(screen, tmp_path) == bare, "the tooltip to go")


def around(screen, folder: Path) -> bytes:
    return crop(screen, wait_for_icon(screen), folder / "around.png", 120)


def test_end_of_the_desktop_session_ends_the_tray(program):
    with fake_agent(program.folder):
        with virtual_display() as display:
            program.environment["DISPLAY"] = display.name
            with trayer(display, *DARK):
                process = program.start("--no-start")
                wait_for_title(display, "Card ready")
        _, complained = process.communicate(timeout=10)
        assert (process.returncode, complained) == (0, "")


def test_second_tray_says_so_and_the_first_stays(screen, program):
    with fake_agent(program.folder), trayer(screen, *DARK):
        first = program.start("--no-start")
        wait_for_icon(screen)
        second = program.start("--no-start")
        said, complained = second.communicate(timeout=20)
        assert (second.returncode, said, complained) == (0, "The icon is shown already.\n", "")
        assert first.poll() is None
        first.send_signal(signal.SIGINT)
        assert first.wait(10) == 0
        third = program.start("--no-start")
        wait_for_icon(screen)
        assert third.poll() is None


def test_killed_tray_leaves_the_agent_and_comes_back(screen, program):
    with agent_program(program.folder, "--virtual", "--unattended") as client, trayer(screen, *DARK):
        first = program.start()
        wait_for_title(screen, "Card ready")
        first.kill()
        first.wait()
        wait_until(lambda: find_icon(screen) is None, "the icon to go")
        assert client.cards()[0]["test"]
        program.start()
        wait_for_title(screen, "Card ready")


def test_killed_agent_is_trouble_and_a_new_one_is_found(screen, program, bus):
    with trayer(screen, *DARK), notification_service(bus) as service:
        with agent_program(program.folder, "--virtual", "--unattended"):
            program.start("--no-start")
            wait_for_title(screen, "Card ready")
        wait_for_title(screen, "not running")
        service.wait_for("has stopped")
        with agent_program(program.folder, "--virtual", "--unattended"):
            wait_for_title(screen, "Card ready")
        assert len(service.shown) == 1


def test_tray_starts_an_agent_which_outlives_it(screen, program):
    program.environment |= {"CPS_AGENT_VIRTUAL": "1", "CPS_AGENT_UNATTENDED": "1", "CPS_AGENT_PORT": "0"}
    with trayer(screen, *DARK), ended_agent(program.folder):
        process = program.start()
        wait_for_title(screen, "Card ready", 60)
        process.terminate()
        assert process.wait(10) == 0
        assert answers(program.folder)


@contextlib.contextmanager
def ended_agent(folder: Path):
    """End the agent that the tray has started, which is nobody's child any more."""
    try:
        yield
    finally:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if b"serve" in words and str(folder).encode() in words:
                    os.kill(int(path.parent.name), signal.SIGTERM)
        wait_until(lambda: not answers(folder), "the end of the agent")


def test_a_certificate_to_be_renewed_is_proposed(screen, program, bus):
    with fake_agent(program.folder) as agent, notification_service(bus) as service:
        end = (datetime.now(UTC) + timedelta(days=20, hours=1)).isoformat()
        renewal = {"certificate": "a", "expiresAt": end, "subject": {"organisation": "CABINET"}, "ordered": None}
        agent.answers["GET", "/v1/certificate-orders"] = {"renewals": [renewal]}
        process = program.start("--no-start", "--tray-wait", "0.2")
        assert "CABINET" in service.wait_for("certificate expires in 20 days").body
        process.terminate()
        process.communicate(timeout=10)


def test_no_tray_is_said_once_and_notifications_still_come(screen, program, bus):
    with fake_agent(program.folder) as agent, notification_service(bus) as service:
        process = program.start("--no-start", "--tray-wait", "0.2")
        service.wait_for("has no place for the icon")
        wait_until(lambda: len(agent.lines) == 1, "the first run")
        agent.tell(status("pin-blocked"))
        assert service.wait_for("is blocked").urgency == 2
        process.terminate()
        said = process.communicate(timeout=10)
        assert (process.returncode, said[0]) == (0, "")
        assert said[1].count("no place for the icon") == 1
        wait_until(lambda: not agent.lines, "the end of the first run")
        again = program.start("--no-start", "--tray-wait", "0.2")
        wait_until(lambda: len(agent.lines) == 1, "the second run")
        agent.tell(status("not-cps"))
        service.wait_for("not a CPS card")
        again.terminate()
        assert again.communicate(timeout=10)[1] == ""
    assert len([one for one in service.shown if "no place" in one.title]) == 1


@pytest.mark.parametrize("display", [None, ":4711"])
def test_without_a_screen_it_ends_or_waits_and_says_so_once(program, display):
    """No variable at all: nothing to wait for. A screen that is gone: the desktop's notifications may still come."""
    program.environment.pop("DISPLAY")
    if display is None:
        for complaint in (1, 0):
            process = program.start("--no-start")
            said, complained = process.communicate(timeout=20)
            assert (process.returncode, said) == (0, "")
            assert complained.count("no place for the icon") == complaint
        return
    program.environment["DISPLAY"] = display
    process = program.start("--no-start")
    wait_until((program.folder / "tray" / "told.json").exists, "the word")
    assert process.poll() is None
    process.terminate()
    assert process.wait(10) == 0


def test_tray_is_light_and_loads_no_dialog_toolkit(screen, program):
    with fake_agent(program.folder), trayer(screen, *DARK):
        process = program.start("--no-start")
        wait_for_title(screen, "Card ready")
        mapped = Path(f"/proc/{process.pid}/maps").read_text()
        assert "PySide6" not in mapped
        assert "libQt6" not in mapped
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        assert int(lines["VmRSS"].split()[0]) < 60_000


def test_notifications_of_a_worn_card(screen, program, bus):
    with (
        fake_agent(program.folder) as agent,
        trayer(screen, *DARK),
        notification_service(bus, "body-markup") as service,
    ):
        program.start("--no-start")
        wait_for_title(screen, "Card ready")
        name = "<b>Eve</b>"
        agent.tell(status("tries-low", reader("tries-low", holderName=name, pin={"state": "ready", "triesLeft": 1})))
        assert service.wait_for("One try left").body.startswith("The card of &lt;b&gt;Eve&lt;/b&gt;:")
