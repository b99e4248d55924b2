"""Read the accessible tree of one application by AT-SPI; run by the system's Python, which has pyatspi.

`python3 accessible_tree.py APPLICATION`: waits for it, then prints one line for each node that has a name, as JSON.
"""

import json
import sys
import time

import pyatspi

DEADLINE_S = 30


def find_application(name):
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        for application in pyatspi.Registry.getDesktop(0):
            if application is not None and name in (application.name or "") and application.childCount:
                return application
        time.sleep(0.1)
    sys.exit("no application " + name)


def walk(node, depth=0):
    if node is None or depth > 30:
        return
    yield node
    for child in node:
        yield from walk(child, depth + 1)


for found in walk(find_application(sys.argv[1])):
    sys.stdout.write(json.dumps([found.getRoleName(), found.name, found.description]) + "\n")
