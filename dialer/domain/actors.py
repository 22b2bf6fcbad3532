"""Who asks. Every operation takes an Actor, and an actor belongs to exactly one workspace."""

from dataclasses import dataclass
from uuid import UUID

SCOPES = frozenset(
    f"{resource}:{access}"
    for resource in ("workspace", "agents", "carriers", "numbers", "campaigns", "prospects", "calls", "suppressions")
    for access in ("read", "write")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A workspace, a principal (``key:…`` or ``system``) and what it may do."""

    workspace_id: UUID
    principal: str
    scopes: frozenset[str] = SCOPES
    requests_per_minute: int = 6000

    def may(self, scope: str) -> bool:
        """True when the actor holds ``scope``, for example ``campaigns:write``."""
        return scope in self.scopes
