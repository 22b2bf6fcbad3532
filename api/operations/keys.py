"""From an API key to an actor."""

from api.operations.errors import Forbidden, NotAuthenticated
from api.operations.services import Services
from dialer.domain.actors import Actor
from dialer.store import keys
from dialer.store.bootstrap import hash_key


async def actor_of_key(services: Services, api_key: str) -> Actor:
    """Who holds the key. Raises NotAuthenticated."""
    digest = hash_key(api_key)
    actor = services.actors.get(digest)
    if actor is None:
        async with services.database.transaction_over_all() as session:
            actor = await keys.find_actor(session, digest)
        if actor is None:
            raise NotAuthenticated("The API key is not known.")
        services.actors.put(digest, actor)
    return actor


def require(actor: Actor, scope: str) -> None:
    """Raises Forbidden when the actor does not hold ``scope``."""
    if not actor.may(scope):
        raise Forbidden(f"This needs the scope {scope}.", code="missing_scope")
