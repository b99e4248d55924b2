"""Batches as JSON members."""

from __future__ import annotations

from typing import Any

from agent.api.problems import describe_problem
from agent.signing.batch import Batch, Item


def batch_in_brief(batch: Batch) -> dict[str, Any]:
    """Where a batch stands; `problem`: why it is paused."""
    progress = batch.progress
    return {
        "id": batch.id,
        "state": str(batch.state),
        "count": len(batch.items),
        "signed": progress.signed,
        "failed": progress.failed,
        "left": progress.left,
        "problem": None if batch.pause is None else describe_problem(batch.pause),
    }


def batch_view(batch: Batch) -> dict[str, Any]:
    """All of it, without contents."""
    return batch_in_brief(batch) | {"documents": [_item_view(item) for item in batch.items]}


def _item_view(item: Item) -> dict[str, Any]:
    return {
        "name": item.document.name,
        "state": str(item.state),
        "needsContent": item.needs_content,
        "seen": item.document.is_seen,
        "problem": None if item.failure is None else describe_problem(item.failure),
    }
