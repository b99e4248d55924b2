"""Fuzz one target in a process of its own: `python -m fuzz.worker TARGET` and arguments of libFuzzer."""

from __future__ import annotations

import random
import sys

import atheris

with atheris.instrument_imports(include=["drivers", "agent"]):
    from fuzz.mutation import mutate
    from fuzz.targets import TARGETS


def main() -> None:
    """Take the target's name out of the arguments; the rest is libFuzzer's. Ends the process."""
    target = TARGETS[sys.argv.pop(1)]

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        random_ = random.Random(seed)
        if not target.nested or random_.random() < 0.4:
            return atheris.Mutate(data, max_size)
        made = mutate(data, random_, lambda content: atheris.Mutate(content, max(len(content) + 16, 16)))
        return made if len(made) <= max_size else atheris.Mutate(data, max_size)

    atheris.Setup(sys.argv, target.check, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
