"""A carrier that rings no phone: Twilio's Calls API, its callbacks and a town of phones behind it.

It is a process of its own (``python -m dialer.simulator``) and speaks to the dialer only as the real carrier
would: over HTTP, signed. What it adds is told under ``/_sim``: the truth about what was dialed, and the knobs
that make phones and network misbehave. It shares no code with the adapter that it tests, so that the two
cannot be wrong together; both are held to the strict schema instead (docs/decisions/0003).
"""
