"""A browser without a window, in the place of the system's own: it opens a login page, and clicks one link on it."""

from __future__ import annotations

import sys
from pathlib import Path

NAME = "xdg-open"  # as the desktop's command is called that opens addresses

SCRIPT = """#!{python}
import re, ssl, sys, urllib.parse, urllib.request

context = ssl.create_default_context(cafile={authority!r})
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({{}}), urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor()
)
with opener.open(sys.argv[1], timeout=20) as page:
    link = re.search('id="{link}" href="([^"]+)"', page.read().decode())[1]
    target = urllib.parse.urljoin(page.url, link)
with opener.open(target, timeout=20) as page:
    page.read()
"""


def write_browser(folder: Path, authority: Path, link: str) -> Path:
    """Make the command, which believes an authority and clicks the link of an id. Gives the folder for PATH."""
    folder.mkdir()
    path = folder / NAME
    path.write_text(SCRIPT.format(python=sys.executable, authority=str(authority), link=link))
    path.chmod(0o755)
    return folder
