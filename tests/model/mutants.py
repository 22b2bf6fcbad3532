"""The product with one thought left out: what the model check has to find, or it proves nothing.

A mutant is a change of the text of statements on their way to PostgreSQL. Each old text has to occur, so that a mutant
does not become the product itself when a statement is written in another way.
"""

MUTANTS: dict[str, dict[str, str]] = {
    "a gate that shares no lock with pause and opt-out": {
        "SELECT pg_advisory_xact_lock_shared(hashtextextended(:key, 0))": "SELECT CAST(:key AS text)"
    },
    "a pause and an opt-out that wait for no gate": {
        "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))": "SELECT CAST(:key AS text)"
    },
    "a claim that counts slots without locking the limits": {
        "FROM carrier_accounts WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE": (
            "FROM carrier_accounts WHERE id = ANY(:ids)"
        ),
        "FROM workspaces WHERE id = :id FOR NO KEY UPDATE": "FROM workspaces WHERE id = :id",
        "FROM phone_numbers WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE": (
            "FROM phone_numbers WHERE id = ANY(:ids)"
        ),
    },
    "a deferral that does not look at the call's state": {
        "WHERE id = :id AND state = :state AND carrier_call_id IS NULL": (
            "WHERE id = :id AND :state <> '' AND carrier_call_id IS NULL"
        )
    },
    "an end that does not count the attempt": {"attempts = attempts + :counted": "attempts = attempts + 0 * :counted"},
    "an unclear answer that is taken for a refusal": {
        "UPDATE calls SET state = 'unknown', deadline_at": "UPDATE calls SET state = 'deferred', deadline_at"
    },
    "a sweep that does not look for overdue calls": {"AND deadline_at < dialer_now()": "AND deadline_at < '-infinity'"},
}
