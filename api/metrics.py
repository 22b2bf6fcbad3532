"""Counters of this process in Prometheus's text format.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from bisect import bisect_left
from collections import Counter
from time import time

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Requests by method, route template and status; how long they took; what is in flight."""

    def __init__(self) -> None:
        self.started = time()
        self.in_flight = 0
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: Counter[int] = Counter()
        self._seconds = 0.0

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """One finished request. ``route`` is the template, never the path: paths hold ids and numbers."""
        self._requests[method, route, status] += 1
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def text(self) -> str:
        lines = [
            "# HELP dialer_http_requests_total Requests answered.",
            "# TYPE dialer_http_requests_total counter",
        ]
        for (method, route, status), n in sorted(self._requests.items()):
            lines.append(f'dialer_http_requests_total{{method="{method}",route="{route}",status="{status}"}} {n}')
        lines += [
            "# HELP dialer_http_request_seconds How long requests took.",
            "# TYPE dialer_http_request_seconds histogram",
        ]
        total = 0
        for n, bound in enumerate(BUCKETS):
            total += self._buckets[n]
            lines.append(f'dialer_http_request_seconds_bucket{{le="{bound}"}} {total}')
        total += self._buckets[len(BUCKETS)]
        lines += [
            f'dialer_http_request_seconds_bucket{{le="+Inf"}} {total}',
            f"dialer_http_request_seconds_sum {self._seconds}",
            f"dialer_http_request_seconds_count {total}",
            "# HELP dialer_http_requests_in_flight Requests being answered.",
            "# TYPE dialer_http_requests_in_flight gauge",
            f"dialer_http_requests_in_flight {self.in_flight}",
            "# HELP process_start_time_seconds When this process started, in Unix seconds.",
            "# TYPE process_start_time_seconds gauge",
            f"process_start_time_seconds {self.started}",
        ]
        return "\n".join(lines) + "\n"
