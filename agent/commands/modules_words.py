"""What `cps-agent modules` says: places, findings, steps and troubles, in words and in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from gettext import NullTranslations
from itertools import groupby

from agent.client import Json
from agent.modules.address import Door
from agent.modules.hints import Hint
from agent.modules.libraries import Installed
from agent.modules.plan import Failure
from agent.modules.values import Action, Finding, Form, Kind, ModulesError, Place, State, Step, Trouble


def door_words(door: Door, words: NullTranslations) -> Iterator[str]:
    """Whether the agent is there for programs, and where."""
    _ = words.gettext
    if door.answers:
        yield _("The agent's door for programs answers at {path}.").format(path=door.path)
    else:
        yield _(
            "The agent's door for programs does not answer at {path}: the agent does not run, is an older one, or has "
            "its door closed (door = false)."
        ).format(path=door.path)
    if door.common_holder and not door.common_is_ours:
        yield _(
            "Another program (process {process}) listens at {path}, where p11-kit looks by itself: programs are given "
            "p11-kit-proxy.so instead, which also shows every other module of p11-kit."
        ).format(process=door.common_holder, path=door.common)
    if door.elsewhere:
        yield _(
            "The variable P11_KIT_SERVER_ADDRESS of this session sends programs to {address}: they do not find the "
            "agent."
        ).format(address=door.elsewhere)


def missing_words(installed: Installed, words: NullTranslations) -> Iterator[str]:
    """What is not installed, with its package."""
    _ = words.gettext
    for each in installed.list_missing():
        yield _("{name} is not installed: package {debian} (Debian, Ubuntu), {fedora} (Fedora), {arch} (Arch)").format(
            name=each.name, debian=each.debian, fedora=each.fedora, arch=each.arch
        )


def finding_words(finding: Finding, words: NullTranslations) -> Iterator[str]:
    """One place: its state on one line, what hinders or doubles it on others."""
    _ = words.gettext
    yield _("{place}: {state}").format(
        place=place_words(finding.place, words), state=_state_words(finding.state, words)
    )
    if finding.trouble is not None:
        yield "  " + trouble_words(finding.place, ModulesError(finding.trouble, finding.detail), words)
    for library in finding.others:
        yield "  " + _other_words(finding.place, words).format(library=library)


def _other_words(place: Place, words: NullTranslations) -> str:
    _ = words.gettext
    if place.kind is Kind.P11_KIT:
        return _(
            "{library} is there too: the same card appears twice. Uninstall it, or hide it by a line `enable-in: "
            "nobody` in a file of its module's name in ~/.config/pkcs11/modules."
        )
    return _(
        "{library} is there too: the same card appears twice. Unload it in the program's settings, under security "
        "devices, or by modutil -delete."
    )


def hint_words(hints: tuple[Hint, ...], words: NullTranslations) -> Iterator[str]:
    """What to type for other programs."""
    _ = words.gettext
    if hints:
        yield _("Other programs, by hand (LibreOffice takes the profile that its options name, under Security):")
    for hint in hints:
        yield from ("  " + _("{place}: {state}").format(place=hint.program, state=line) for line in hint.lines)


def place_words(place: Place, words: NullTranslations) -> str:
    """The program and the file or folder."""
    _ = words.gettext
    owner = {
        Kind.P11_KIT: _("p11-kit (GnuTLS, p11tool, proxy module)"),
        Kind.OPENSSH: "OpenSSH",
        Kind.FIREFOX_POLICY: _("Firefox, every user"),
        Kind.CHROMIUM_POLICY: _("{name}, every user").format(name=place.owner),
    }.get(place.kind, place.owner)
    box = {Form.SYSTEM: "", Form.SNAP: " (snap)", Form.FLATPAK: " (flatpak)"}[place.form]
    return f"{owner}{box}, {place.path}"


def _state_words(state: State, words: NullTranslations) -> str:
    _ = words.gettext
    return {
        State.SET_UP: _("set up"),
        State.PARTLY: _("set up in part: run setup again"),
        State.NOT_SET_UP: _("not set up"),
        State.IMPOSSIBLE: _("cannot be set up"),
    }[state]


def plan_words(steps: Iterable[Step], words: NullTranslations) -> Iterator[str]:
    """What changes, place by place."""
    for place, some in groupby(steps, key=lambda step: step.place):
        yield words.gettext("{place}:").format(place=place_words(place, words))
        for step in some:
            yield f"  {_step_words(step, words)}"


def _step_words(step: Step, words: NullTranslations) -> str:
    _ = words.gettext
    return {
        Action.WRITE_FILE: _("write the file ({detail})"),
        Action.REMOVE_FILE: _("remove the file"),
        Action.MAKE_DATABASE: _("make an empty certificate database"),
        Action.REMOVE_DATABASE: _("remove the certificate database that was made, unless it is used"),
        Action.ADD_MODULE: _("load the library {detail}"),
        Action.REMOVE_MODULE: _("no longer load the library {detail}"),
        Action.IMPORT_CERTIFICATE: _("import the issuing authority {detail}, trusted for nothing by itself"),
        Action.REMOVE_CERTIFICATE: _("remove the issuing authority {detail}"),
        Action.CHANGE_SETTING: _("set {detail}"),
        Action.REMOVE_SETTING: _("take {detail} out"),
    }[step.action].format(detail=step.detail)


def failure_words(failure: Failure, words: NullTranslations) -> str:
    """What was not done, and why."""
    _ = words.gettext
    reason = trouble_words(failure.place, failure.error, words)
    return _("{place}: {state}").format(place=place_words(failure.place, words), state=reason)


def trouble_words(place: Place, error: ModulesError, words: NullTranslations) -> str:
    """Why, and what to do."""
    if error.trouble is Trouble.BOXED:
        return _box_words(place, words)
    _ = words.gettext
    return {
        Trouble.RUNNING: _("it is running (process {detail}): close it, then run this again"),
        Trouble.NEVER_STARTED: _("this profile was never used: start the program once, close it, then run this again"),
        Trouble.LIBRARY_ABSENT: _("{detail} is not installed"),
        Trouble.TOOL_ABSENT: _("{detail} is not installed"),
        Trouble.TOOL_FAILED: _("the change was refused: {detail}"),
        Trouble.DAMAGED: _("it cannot be understood and was left alone: {detail}"),
        Trouble.UNREADABLE: _("it cannot be read: {detail}"),
        Trouble.UNWRITABLE: _("it cannot be written: {detail}"),
        Trouble.FOREIGN: _("it was left alone: {detail}"),
        Trouble.ROOT_IGNORED: _("p11-kit reads no files of root's own: use --system, or another user"),
    }[error.trouble].format(detail=error.detail)


def _box_words(place: Place, words: NullTranslations) -> str:
    _ = words.gettext
    if place.form is Form.SNAP:
        return _(
            "a snap can load no library of this system and reach no socket of the agent: install the program as a "
            "package of the distribution, or from its maker"
        )
    return _(
        "a flatpak loads libraries of its own alone, and is not changed here; docs/door.md has a way, which nobody has "
        "tried"
    )


def describe_finding(finding: Finding) -> Json:
    """A place for a program."""
    return _describe_place(finding.place) | {
        "state": finding.state.value,
        "trouble": finding.trouble.value if finding.trouble else None,
        "detail": finding.detail,
        "others": list(finding.others),
    }


def describe_step(step: Step) -> Json:
    """A step for a program."""
    return _describe_place(step.place) | {"action": step.action.value, "detail": step.detail}


def describe_failure(failure: Failure) -> Json:
    """A failure for a program."""
    step = describe_step(failure.step) if failure.step else _describe_place(failure.place)
    return step | {"trouble": failure.error.trouble.value, "detail": failure.error.detail}


def _describe_place(place: Place) -> Json:
    return {"kind": place.kind.value, "form": place.form.value, "owner": place.owner, "path": str(place.path)}
