"""What a worker counts besides what the SDK counts, for Prometheus."""

from temporalio import activity


def count_request(answer: str) -> None:
    """One request to ring a phone, by what became of it: ``accepted``, ``refused``, ``not_processed``, ``unknown``, or
    ``not_sent`` when its gate was too old to act upon."""
    counter = activity.metric_meter().create_counter("dialer_dial_requests", "Requests to ring a phone, by answer.")
    counter.add(1, {"answer": answer})
