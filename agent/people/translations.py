"""The agent's words in the person's language: gettext, English in the code, French in `locale/`.

After changing a sentence, from the project's root (pybabel comes with the `test` extra, `build/` is not committed):

    pybabel extract --no-location -o build/cps-agent.pot agent &&
    pybabel update -D cps-agent -d agent/people/locale -l fr -N --ignore-obsolete -i build/cps-agent.pot

then write the French words into the .po file, and

    pybabel compile -D cps-agent -d agent/people/locale
"""

from __future__ import annotations

import ctypes
import gettext
import locale
import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

DOMAIN: Final = "cps-agent"
LOCALE_DIR: Final = Path(__file__).parent / "locale"
_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")  # POSIX.1-2017 §8.2, in order of precedence


def choose_language(language: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """Give a language code such as `fr`: the one asked for, else the environment's, else the system's, else `en`."""
    chosen = language or next((environment[name] for name in _VARIABLES if environment.get(name)), None)
    chosen = chosen or _find_system_language()
    code = chosen.partition(".")[0].partition("@")[0].replace("-", "_").partition("_")[0].lower()
    return "en" if code in ("c", "posix") else code


def _find_system_language() -> str:
    if sys.platform == "win32":
        return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "en")
    return "en"


@lru_cache(maxsize=8)
def _load(code: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALE_DIR, languages=[code], fallback=True)


def load_words(language: str | None = None) -> gettext.NullTranslations:
    """Give the object whose `gettext` and `ngettext` speak that language."""
    return _load(choose_language(language))


def translator(language: str | None = None) -> Callable[[str], str]:
    """Give the function usually called `_`."""
    return load_words(language).gettext


def write_date(moment: datetime, words: gettext.NullTranslations) -> str:
    """A date as the person writes it, in local time."""
    return moment.astimezone().strftime(words.gettext("%Y-%m-%d"))
