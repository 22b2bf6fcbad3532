"""The product with one thought left out: what the model check has to find, or it proves nothing.

A mutant is a change of the text of statements on their way to PostgreSQL. Each old text has to occur, so that a mutant
does not become the product itself when a statement is written in another way.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """``often`` is what happens more often than usual, and ``tight`` the limit, so that it is found soon.

    ``seed`` is one by which it is, and ``at_the_end`` says that it is found only when everything should be over.
    """

    edits: Mapping[str, str]
    often: tuple[str, ...] = ()
    tight: str = "campaign"
    at_the_end: bool = False
    seed: int = 1


_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtextextended(key, 0)) FROM unnest"
_EXCLUSIVE = "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"
_NO_LOCK = "SELECT CAST(:key AS text)"
_NONE_SHARED = "SELECT key FROM unnest"

MUTANTS = {
    "a gate that shares no lock with pause and opt-out": Mutant(edits={_SHARED: _NONE_SHARED}),
    "a pause and an opt-out that wait for no gate": Mutant(edits={_EXCLUSIVE: _NO_LOCK}),
    "a claim that counts slots without locking the limits": Mutant(
        edits={
            "FROM carrier_accounts WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE": (
                "FROM carrier_accounts WHERE id = ANY(:ids)"
            ),
            "FROM workspaces WHERE id = :id FOR NO KEY UPDATE": "FROM workspaces WHERE id = :id",
            "FROM phone_numbers WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE": (
                "FROM phone_numbers WHERE id = ANY(:ids)"
            ),
        },
        often=("claim", "go_on"),
        tight="account",
    ),
    "a deferral that does not look at the call's state": Mutant(
        edits={
            "WHERE id = :id AND state = :state AND carrier_call_id IS NULL": (
                "WHERE id = :id AND :state <> '' AND carrier_call_id IS NULL"
            )
        },
        often=("place", "reconcile", "wait", "go_on"),
        seed=3,
    ),
    "an end that does not count the attempt": Mutant(
        edits={"attempts = attempts + :counted": "attempts = attempts + 0 * :counted"}
    ),
    "an unclear answer that is taken for a refusal": Mutant(
        edits={"UPDATE calls SET state = 'unknown', deadline_at": "UPDATE calls SET state = 'deferred', deadline_at"}
    ),
    "a sweep that does not look for overdue calls": Mutant(
        edits={"AND deadline_at < dialer_now()": "AND deadline_at < '-infinity'"}, at_the_end=True
    ),
}
