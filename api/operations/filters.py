"""Filters that most lists share."""

from typing import Any

from api.schemas.accounts import ListFilters


def created(filters: ListFilters) -> dict[str, tuple[str, Any]]:
    """When and by whom."""
    return {
        "created_by": ("t.created_by = :created_by", filters.created_by),
        "created_after": ("t.created_at > :created_after", filters.created_after),
        "created_before": ("t.created_at < :created_before", filters.created_before),
    }
