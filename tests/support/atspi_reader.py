"""What a screen reader learns of a window; run by the system's Python, which has Debian's pyatspi.

Reads commands, one a line: `tree TITLE` waits for a window of that title and gives its tree; `focused TITLE` names what
has the focus in it; `events` gives the events since the last call. Answers each with one line of JSON.
"""

import json
import sys
import time

import pyatspi
from gi.repository import GLib

DEADLINE_S = 20.0
EVENTS = ("object:announcement", "object:text-changed:insert", "object:text-changed:delete")
seen = []


def note(event):
    seen.append({"type": str(event.type), "name": event.source.name, "data": str(event.any_data)})


def find_window(title):
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        for application in pyatspi.Registry.getDesktop(0):
            for window in application or ():
                if window is not None and window.name == title and window.childCount:
                    return window
        GLib.MainContext.default().iteration(False)
        time.sleep(0.02)
    raise TimeoutError(title)


def describe(node):
    node.clearCache()
    relations = [relation.getRelationType().value_name for relation in node.getRelationSet()]
    return {
        "role": node.getRoleName(),
        "name": node.name,
        "description": node.description,
        "states": sorted(pyatspi.stateToString(state) for state in node.getState().getStates()),
        "text": read_text(node),
        "relations": relations,
        "children": [describe(child) for child in children(node) if child is not None],
    }


def children(node):
    """Of a long table the first cells are enough."""
    return [node[index] for index in range(min(node.childCount, 30))]


def read_text(node):
    try:
        text = node.queryText()
    except NotImplementedError:
        return None
    return text.getText(0, -1)


def find_focused(node):
    """The cells of a table are left out: one of them stays "focused" when the table is not."""
    node.clearCache()
    states = node.getState()
    if states.contains(pyatspi.STATE_FOCUSED) and states.contains(pyatspi.STATE_FOCUSABLE):
        return node.name
    if node.getRoleName() == "table":
        return None
    return next(filter(None, map(find_focused, children(node))), None)


def answer(source, condition):
    line = sys.stdin.readline()
    if not line:
        pyatspi.Registry.stop()
        return False
    command, _, argument = line.rstrip("\n").partition(" ")
    if command == "tree":
        result = describe(find_window(argument))
    elif command == "focused":
        result = find_focused(find_window(argument))
    else:
        result, seen[:] = list(seen), []
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    return True


pyatspi.Registry.registerEventListener(note, *EVENTS)
GLib.io_add_watch(0, GLib.IO_IN | GLib.IO_HUP, answer)
sys.stdout.write(json.dumps("listening") + "\n")
sys.stdout.flush()
pyatspi.Registry.start()
