"""The parts around the icon, without a desktop: following the agent, pystray's own menus, the tooltip's place."""

from __future__ import annotations

import queue
import sys
import threading
import types
from datetime import UTC, datetime

import pytest
from support.fake_agent import fake_agent, status
from support.waiting import wait_until

from agent.people.translations import load_words
from agent.people.tray.follower import Follower
from agent.people.tray.menu import Choice, build_menu
from agent.people.tray.menuview import MenuView
from agent.people.tray.messages import Message
from agent.people.tray.state import Condition, Desk, parse_desk
from agent.people.tray.view import Face, Listener, NoView
from agent.people.tray.xtooltip import draw_text, place

DEADLINE_S = 30


@pytest.fixture(name="desks")
def _desks(tmp_path):
    """What a follower of a data folder tells, in order."""
    told: queue.Queue[Desk] = queue.Queue()
    follower = Follower(tmp_path / "data", told.put)
    follower.start()
    yield told
    follower.stop()


def next_desk(desks, condition: Condition) -> Desk:
    while True:
        desk = desks.get(timeout=DEADLINE_S)
        if desk.condition is condition:
            return desk


def test_follower_tells_the_present_state_first_and_each_change(tmp_path, desks):
    assert desks.get(timeout=DEADLINE_S).condition is Condition.NO_AGENT
    with fake_agent(tmp_path / "data") as agent:
        next_desk(desks, Condition.CARD_READY)
        for condition in (Condition.NO_CARD, Condition.NOT_CPS, Condition.PIN_BLOCKED):
            agent.tell(status(str(condition)))
            next_desk(desks, condition)
    next_desk(desks, Condition.NO_AGENT)


def test_follower_survives_restarts_on_other_ports(tmp_path, desks):
    for _ in range(3):
        with fake_agent(tmp_path / "data") as agent:
            next_desk(desks, Condition.CARD_READY)
            wait_until(lambda agent=agent: agent.lines, "the event stream")
        next_desk(desks, Condition.NO_AGENT)


def test_burst_of_events_is_read_as_one(tmp_path, desks):
    with fake_agent(tmp_path / "data") as agent:
        next_desk(desks, Condition.CARD_READY)
        wait_until(lambda: agent.lines, "the event stream")
        before = agent.looks
        agent.tell_often(300)
        agent.tell(status("no-card"))
        next_desk(desks, Condition.NO_CARD)
        assert agent.looks - before < 30


def test_agent_without_event_stream_is_looked_at_again_and_again(tmp_path, desks):
    with fake_agent(tmp_path / "data") as agent:
        agent.answers["GET", "/v1/events"] = (404, "not-found")
        agent.status = status("no-card")
        next_desk(desks, Condition.NO_CARD)
        agent.status = status("expired")
        next_desk(desks, Condition.EXPIRED)


def test_denials_are_counted_and_no_count_is_none(tmp_path, desks):
    with fake_agent(tmp_path / "data") as agent:
        wait_until(lambda: agent.lines, "the event stream")
        agent.denials = 3
        agent.tell(status("no-card"))
        while next_desk(desks, Condition.NO_CARD).denials != 3:
            pass
        agent.answers["GET", "/v1/denials"] = (500, "internal-error")
        agent.tell(status("not-cps"))
        assert next_desk(desks, Condition.NOT_CPS).denials == 0


class Icon:
    """pystray's icon as far as it is used, without a system behind it."""

    HAS_NOTIFICATION = True

    def __init__(self, name, icon, title, menu):
        self.name, self.icon, self.title, self.menu = name, icon, title, menu
        self.updates = 0
        self.notified = []
        self.running, self.stopped = threading.Event(), threading.Event()

    def run(self):
        self.running.set()
        self.stopped.wait(DEADLINE_S)

    def stop(self):
        self.stopped.set()

    def update_menu(self):
        self.updates += 1

    def notify(self, message, title):
        self.notified.append((title, message))


class Item:
    def __init__(self, text, action, enabled):
        self.text, self.action, self.enabled = text, action, enabled


class Menu:
    SEPARATOR = object()

    def __init__(self, make):
        self.make = make

    @property
    def items(self):
        return list(self.make())


@pytest.fixture(name="menu_view")
def _menu_view():
    """A view on that pystray, running; with what was chosen in it."""
    pystray = types.ModuleType("pystray")
    vars(pystray).update(Icon=Icon, MenuItem=Item, Menu=Menu)
    chosen: list[Choice] = []
    missing = threading.Event()
    view = MenuView(pystray, Listener(chosen.append, missing.set), lambda: False, 0.01)
    thread = threading.Thread(target=view.run, args=(face("card-ready"),))
    thread.start()
    assert missing.wait(DEADLINE_S)  # a desktop without a place for it
    assert view._icon.running.wait(DEADLINE_S)
    yield view, chosen
    view.stop()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def face(condition: str) -> Face:
    desk = parse_desk(status(condition))
    return Face(desk.condition, condition, build_menu(desk, load_words("en"), datetime.now(UTC)))


def test_native_menu_has_every_entry_and_chooses(menu_view):
    view, chosen = menu_view
    items = view._icon.menu.items
    assert len(items) == len(face("card-ready").entries)
    assert items.count(Menu.SEPARATOR) == 4
    for item in items:
        if item is not Menu.SEPARATOR:
            item.action(view._icon, item)
    assert chosen[-1] is Choice.QUIT
    assert {Choice.ENTER_PIN, Choice.LOCK, Choice.GRANTS} < set(chosen)


def test_native_icon_follows(menu_view):
    view, _ = menu_view
    before = view._icon.icon.tobytes()
    view.show(face("pin-blocked"))
    assert view._icon.title == "pin-blocked"
    assert view._icon.icon.tobytes() != before
    assert view._icon.updates == 1


@pytest.mark.parametrize(("platform", "shown"), [("win32", True), ("darwin", True), ("linux", False)])
def test_notifications_of_the_system(menu_view, monkeypatch, platform, shown):
    view, _ = menu_view
    monkeypatch.setattr(sys, "platform", platform)
    assert view.notify(Message("k", "Title", "Body")) is shown
    assert view._icon.notified == ([("Title", "Body")] if shown else [])


def test_no_view_says_that_there_is_no_tray_and_waits():
    missing = threading.Event()
    view = NoView(Listener(lambda _: None, missing.set))
    thread = threading.Thread(target=view.run, args=(face("card-ready"),))
    thread.start()
    assert missing.wait(DEADLINE_S)
    view.show(face("no-card"))
    view.stop()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


@pytest.mark.parametrize("point", [(0, 0), (1279, 799), (640, 400), (1279, 0)])
def test_tooltip_stays_on_the_screen_and_off_the_pointer(point):
    size = draw_text("Carte prête\nDocteur Marie DUPONT").size
    x, y = place(size, point, (1280, 800))
    assert 0 <= x <= 1280 - size[0]
    assert 0 <= y <= 800 - size[1]
    assert not (x <= point[0] < x + size[0] and y <= point[1] < y + size[1])


def test_tooltip_larger_than_the_screen_begins_at_its_edge():
    assert place((2000, 900), (5, 5), (1280, 800)) == (0, 0)
