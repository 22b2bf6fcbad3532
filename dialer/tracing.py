"""Traces for OpenTelemetry, when ``OTEL_EXPORTER_OTLP_ENDPOINT`` says where to send them, and nothing otherwise.

The trace of a call has the call's own id: whoever has the one can look up the other, and nothing has to be carried
through workflows for it. What the collector is asked for (headers, sampling, timeouts) is set by the ``OTEL_*``
variables of https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
"""

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_LOWER_HALF = (1 << 64) - 1


class Tracing:
    """Spans of one process. ``None`` as provider: nobody asked for any, and a span costs nothing."""

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        self._provider = provider
        self._tracer = None if provider is None else provider.get_tracer("dialer")

    @classmethod
    def of_process(cls, service: str, endpoint: str | None) -> "Tracing":
        """Spans to the collector at ``endpoint``; ``service`` is how it names this process."""
        if endpoint is None:
            return cls()
        # Here, since a process that traces nothing need not load it.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=Resource.create({"service.name": service}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def span(
        self, name: str, attributes: Mapping[str, str | int], *, call_id: UUID | None = None, parent: str | None = None
    ) -> AbstractContextManager[Any]:
        """A span around a block: within the trace of a call, or of a ``traceparent`` header, or of its own.

        An error that leaves the block is named by its type only: messages may hold personal data.
        """
        if self._tracer is None:
            return nullcontext()
        context = _of_call(call_id) if call_id is not None else _of_header(parent)
        return _span(self._tracer, name, context, attributes)

    def tell(self, name: str, attributes: Mapping[str, str | int], *, call_id: UUID, began_ns: int) -> None:
        """A span of a call's trace that began at ``began_ns`` (Unix nanoseconds) and ends now."""
        if self._tracer is not None:
            context = _of_call(call_id)
            self._tracer.start_span(name, context=context, attributes=dict(attributes), start_time=began_ns).end()

    def close(self) -> None:
        """Send what is still held, before the process ends."""
        if self._provider is not None:
            self._provider.shutdown()


@contextmanager
def _span(tracer: "Tracer", name: str, context: "Context", attributes: Mapping[str, str | int]) -> Generator[Any]:
    from opentelemetry.trace import StatusCode

    with tracer.start_as_current_span(
        name, context=context, attributes=dict(attributes), record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except BaseException as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def call_of_workflow(workflow_id: str) -> UUID | None:
    """The call that a workflow ``call-{id}`` is about."""
    kind, _, call_id = workflow_id.partition("-")
    if kind != "call":
        return None
    try:
        return UUID(call_id)
    except ValueError:
        return None


def _of_call(call_id: UUID) -> "Context":
    from opentelemetry import trace

    span = trace.SpanContext(
        trace_id=call_id.int,
        span_id=call_id.int & _LOWER_HALF,
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(span))


def _of_header(traceparent: str | None) -> "Context":
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent or ""}, Context())
