"""A door in a process of its own: `python -m support.door_child FOLDER`, until it is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from support.open_door import open_door


async def serve(folder: Path) -> None:
    async with open_door(folder) as door:
        sys.stdout.write(f"{door.path}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
