"""What refusals of the health services look like, of all their parts; loaded with the first of them."""

from __future__ import annotations

from typing import Any, Final

from agent.api import directory_problems, gateway_problems, mssante_problems, patient_problems, psc_problems
from agent.api.rows import Problem
from agent.services.psc.oauth import PscError

ROWS: Final[dict[type[BaseException], Problem]] = {
    **directory_problems.ROWS,
    **psc_problems.ROWS,
    **patient_problems.ROWS,
    **gateway_problems.ROWS,
    **mssante_problems.ROWS,
}


def members(error: BaseException) -> dict[str, Any]:
    """What a refusal adds to its row."""
    told = psc_problems.members(error) if isinstance(error, PscError) else {}
    return told | gateway_problems.members(error)
