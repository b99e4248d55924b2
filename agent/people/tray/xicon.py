"""pystray's X11 icon, with what its version 0.19.5 leaves out: sharp drawing on the panel's colour, clicks, a tooltip.

It uses names of pystray that are not public; the version is pinned, and the tests click on the real thing.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image
from pystray._xorg import Icon
from Xlib import X
from Xlib.error import XError

from agent.people.tray.drawing import SIZES, draw_icon
from agent.people.tray.state import Condition
from agent.people.tray.xtooltip import Tooltip

BUTTONS = (1, 2, 3)


class XIcon(Icon):  # type: ignore[misc]
    """An icon whose picture is a condition; `on_click` is called in the thread of the icon.

    That thread alone speaks to the X server. Two threads on one connection of python-xlib 0.33 lose wake-ups: one reads
    the event that the other waits for. So pystray's own ways between threads are not used: calls come over a socket.
    """

    title: str  # pystray's property
    _icon_data: Any

    def __init__(self, name: str, title: str, condition: Condition, on_click: Callable[[], None]) -> None:
        self.condition = condition
        self._on_click = on_click
        self._tooltip: Tooltip | None = None
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._waker, self._wakened = socket.socketpair()
        super().__init__(name, draw_icon(condition, max(SIZES)), "")
        self._title = title
        self._message_handlers |= {
            X.EnterNotify: self._on_enter,
            X.LeaveNotify: self._on_leave,
            X.MapNotify: self._on_map,
        }

    def run_until_ended(self) -> None:
        """Show the icon until end(), or until its window is destroyed."""
        self.run(lambda _: None)
        self._running = False
        self._display.close()

    def __del__(self) -> None:
        """Do nothing: pystray would close the connection once more."""

    def show(self, condition: Condition, title: str) -> None:
        """Change picture and words, from any thread."""
        self._post(lambda: self._apply(condition, title))

    def end(self) -> None:
        """Let the icon go, from any thread."""
        self._post(None)

    def _post(self, call: Callable[[], None] | None) -> None:
        self._calls.put(call)
        with contextlib.suppress(OSError):
            self._waker.send(b"x", getattr(socket, "MSG_DONTWAIT", 0))  # a full socket wakes just as well

    def _apply(self, condition: Condition, title: str) -> None:
        if (condition, title) != (self.condition, self.title):
            self.condition = condition
            self.title = title
            self.icon = draw_icon(condition, max(SIZES))

    def _events(self) -> Iterator[Any]:
        """Give the events of the X server, and do what was posted between them."""
        self.visible = True
        self._update_title()
        while True:
            while not self._calls.empty():
                call = self._calls.get()
                if call is None:
                    return
                call()
            self._display.flush()
            if self._display.pending_events():
                yield self._display.next_event()
            elif self._wakened in select.select([self._display, self._wakened], [], [])[0]:
                self._wakened.recv(4096)

    def _update_icon(self) -> None:
        """Draw; pystray would ask the tray for a place once more at each change."""
        self._icon_data = None
        self._draw()
        self._icon_valid = True

    def _create_window(self) -> Any:
        window = super()._create_window()
        mask = X.ExposureMask | X.StructureNotifyMask | X.ButtonPressMask | X.EnterWindowMask | X.LeaveWindowMask
        window.change_attributes(event_mask=mask)
        return window

    def _assert_icon_data(self, width: int, height: int) -> None:
        """Draw for just this size; pystray would shrink a picture of another one, and on black."""
        if self._icon_data is not None and self._icon_data.size == (width, height):
            return
        size = max(8, min(width, height))
        background = self._panel_colour()
        picture = Image.new("RGB", (width, height), background)
        picture.paste(draw_icon(self.condition, size, background), ((width - size) // 2, (height - size) // 2))
        picture.tostring = picture.tobytes  # type: ignore[attr-defined]  # the name that python-xlib 0.33 calls
        self._icon_data = picture

    def _panel_colour(self) -> tuple[int, int, int]:
        """The colour just beside the icon, or a middle grey; only 24-bit screens are understood."""
        with contextlib.suppress(XError, ValueError, IndexError):
            root = self._display.screen().root
            place = self._window.translate_coords(root, 0, 0)
            x, y = max(0, -place.x - 1), max(0, -place.y - 1)
            data = root.get_image(x, y, 1, 1, X.ZPixmap, 0xFFFFFFFF).data
            if self._display.screen().root_depth == 24 and len(data) == 4:
                return data[2], data[1], data[0]
        return 128, 128, 128

    def _on_button_press(self, event: Any) -> None:
        self._hide_tooltip()
        if event.detail in BUTTONS:
            self._on_click()

    def _on_map(self, event: Any) -> None:
        """The panel has put the icon in its place: its colour is known now."""
        if event.window.id == self._window.id:
            self._icon_data = None
            self._draw()

    def _on_enter(self, event: Any) -> None:
        self._hide_tooltip()
        self._tooltip = Tooltip(self._display, self.title, (event.root_x, event.root_y))

    def _on_leave(self, _event: Any) -> None:
        self._hide_tooltip()

    def _hide_tooltip(self) -> None:
        if self._tooltip is not None:
            self._tooltip.close()
            self._tooltip = None

    def _update_title(self) -> None:
        """Names of windows are UTF-8 (EWMH); pystray writes Latin-1, and fails for other letters."""
        text = self.title.replace("\n", " · ")
        utf8 = self._display.intern_atom("UTF8_STRING")
        self._window.change_property(self._display.intern_atom("_NET_WM_NAME"), utf8, 8, text.encode())
        self._window.set_wm_name(text.encode("latin-1", "replace"))
