"""Notifications over a real bus: to a service that remembers, to dunst, and where there is none."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from jeepney import MessageType, new_method_return
from support import notifications
from support.dbus import session_bus, why_no_bus
from support.display import find_missing_tools, virtual_display
from support.notifications import notification_service
from support.waiting import wait_until

from agent.people.tray import freedesktop
from agent.people.tray.freedesktop import BusError, Notifier, has_status_notifier_host
from agent.people.tray.messages import Message
from agent.people.tray.notices import Notices

pytestmark = pytest.mark.skipif(bool(why_no_bus()), reason=str(why_no_bus()))

HOSTILE = Message("wrong-card:x", "<b>Title</b>", '<a href="http://x.example">Marie</a> & Co')


@pytest.fixture(name="bus")
def _bus(tmp_path, monkeypatch):
    with session_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield address


def test_message_arrives_with_its_urgency(bus):
    with notification_service(bus) as service:
        notifier = Notifier("cps-agent")
        notifier.show(Message("a", "Title", "Body"))
        notifier.show(Message("b", "Blocked", "Body", urgent=True))
        notifier.close()
    assert [(one.title, one.body, one.urgency) for one in service.shown] == [
        ("Title", "Body", 1),
        ("Blocked", "Body", 2),
    ]


def test_markup_is_escaped_where_a_body_is_markup_and_only_there(bus):
    for abilities, body in (
        (("body", "body-markup"), '&lt;a href="http://x.example"&gt;Marie&lt;/a&gt; &amp; Co'),
        (("body",), HOSTILE.body),
    ):
        with notification_service(bus, *abilities) as service:
            notifier = Notifier("cps-agent")
            notifier.show(HOSTILE)
            notifier.close()
        assert (service.shown[0].title, service.shown[0].body) == (HOSTILE.title, body)


@pytest.mark.parametrize(("signature", "answer"), [("(u)", ((7,),)), ("u", (7,)), ("as", ([],))])
def test_attack_service_that_answers_nonsense_costs_its_message_alone(bus, monkeypatch, signature, answer):
    class Nonsense(notifications.NotificationService):
        def _answer(self, line, message):
            if message.header.message_type is MessageType.method_call:
                line.send(new_method_return(message, signature, answer))

    monkeypatch.setattr(notifications, "NotificationService", Nonsense)
    with notification_service(bus):
        notifier = Notifier("cps-agent")
        with pytest.raises(BusError):
            notifier.show(HOSTILE)
        notifier.close()


def test_same_thing_takes_the_place_of_itself(bus):
    with notification_service(bus) as service:
        notifier = Notifier("cps-agent")
        for key in ("a", "a", "b", "a"):
            notifier.show(Message(key, key, ""))
        notifier.close()
    assert [one.replaces for one in service.shown] == [0, 1, 0, 1]


def test_service_that_comes_back_is_found_again(bus):
    notifier = Notifier("cps-agent")
    with pytest.raises(BusError):
        notifier.show(HOSTILE)
    with notification_service(bus) as service:
        notifier.show(HOSTILE)
        assert len(service.shown) == 1
    notifier.close()


def test_service_that_does_not_answer_delays_only_its_thread(bus, monkeypatch):
    monkeypatch.setattr(freedesktop, "REPLY_S", 0.2)
    with notification_service(bus, silent=True), pytest.raises(BusError):
        Notifier("cps-agent").show(HOSTILE)


@pytest.mark.parametrize("address", [None, "unix:path=/nowhere/bus", "nonsense"])
def test_no_bus(monkeypatch, address):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    if address is None:
        monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    else:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    with pytest.raises(BusError):
        Notifier("cps-agent").show(HOSTILE)
    assert not has_status_notifier_host()
    notices = Notices(lambda _: False)
    notices.start()
    notices.tell(HOSTILE)
    notices.finish(10)
    assert not notices._thread.is_alive()


def test_no_tray_on_a_bare_bus(bus):
    assert not has_status_notifier_host()


@pytest.mark.skipif(bool(find_missing_tools()) or not shutil.which("dunst"), reason="needs Xvfb, openbox and dunst")
def test_dunst_shows_it(bus, tmp_path):
    with virtual_display() as display:
        dunst = subprocess.Popen(
            ("dunst", "-conf", "/dev/null"), env=display.environment | {"DBUS_SESSION_BUS_ADDRESS": bus},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        notifier = Notifier("cps-agent")
        try:
            wait_until(lambda: shows(notifier), "dunst")
            window = display.find_window("^Dunst$")
            display.screenshot(tmp_path / "dunst.png", window)
            colours = subprocess.run(
                ["convert", str(tmp_path / "dunst.png"), "-format", "%k", "info:"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            assert int(colours) > 2  # letters on paper
        finally:
            notifier.close()
            dunst.terminate()
            dunst.wait(10)


def shows(notifier: Notifier) -> bool:
    """dunst takes its name some moments after it has started."""
    try:
        notifier.show(HOSTILE)
    except BusError:
        return False
    return True
