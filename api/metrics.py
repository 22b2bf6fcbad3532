"""What a Prometheus server reads of one API process, and through it of the whole installation."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from dialer.store.fleet import Fleet

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Requests by method, route template and status, how long they took, what is in flight; and what the database
    tells of campaigns, people and calls, which every API process tells alike."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "dialer_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "dialer_http_request_seconds", "How long requests took.", buckets=BUCKETS, registry=self.registry
        )
        self.in_flight = Gauge("dialer_http_requests_in_flight", "Requests being answered.", registry=self.registry)
        self._started = Gauge(
            "process_start_time_seconds", "When this process started, in Unix seconds.", registry=self.registry
        )
        self._started.set_to_current_time()
        self._database = Gauge("dialer_database_up", "1 while PostgreSQL answers.", registry=self.registry)
        self._campaigns = Gauge("dialer_campaigns", "Campaigns.", ["status"], registry=self.registry)
        self._live = Gauge("dialer_calls_live", "Calls in flight.", ["state"], registry=self.registry)
        self._overdue = Gauge(
            "dialer_calls_overdue", "Calls in flight whose deadline passed a minute ago.", registry=self.registry
        )
        self._imports = Gauge("dialer_imports_running", "Imports under way.", registry=self.registry)
        self._prospects = Gauge("dialer_prospects", "People, by state.", ["state"], registry=self.registry)
        self._dialed = Gauge("dialer_calls_dialed", "Calls of campaigns dialed so far.", registry=self.registry)
        self._answered = Gauge("dialer_calls_answered", "Those that were answered.", registry=self.registry)
        self._ended = Gauge(
            "dialer_calls_ended", "Calls of campaigns by how they ended.", ["disposition"], registry=self.registry
        )

    def observe(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """One finished request, with None for one that has no length of its own.

        ``route`` is the template, never the path: paths hold ids and numbers.
        """
        self._requests.labels(method, route, str(status)).inc()
        if seconds is not None:
            self._seconds.observe(seconds)

    def text(self, fleet: Fleet | None) -> bytes:
        """Everything in Prometheus's text format. ``fleet`` is None when PostgreSQL did not answer."""
        self._database.set(0 if fleet is None else 1)
        if fleet is not None:
            for gauge, counts in (
                (self._campaigns, fleet.campaigns),
                (self._live, fleet.live),
                (self._prospects, fleet.prospects),
                (self._ended, fleet.ended),
            ):
                gauge.clear()
                for label, n in counts.items():
                    gauge.labels(label).set(n)
            self._overdue.set(fleet.overdue)
            self._imports.set(fleet.imports_running)
            self._dialed.set(fleet.dialed)
            self._answered.set(fleet.answered)
        return generate_latest(self.registry)
