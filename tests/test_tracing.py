"""Spans, as a collector gets them."""

import asyncio
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from dialer.tracing import Tracing, call_of_workflow

CALL = UUID("0199a1b2-0000-7000-8000-0000000000aa")


@pytest.fixture
def collected() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(collected: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(collected))
    return Tracing(provider)


def test_what_belongs_to_a_call_is_one_trace_with_the_calls_id(
    tracing: Tracing, collected: InMemorySpanExporter
) -> None:
    for name in ("place_call", "POST /carriers/twilio/status"):
        with tracing.span(name, {}, call_id=CALL):
            pass
    assert [span.context.trace_id for span in collected.get_finished_spans() if span.context] == [CALL.int] * 2


def test_a_trace_that_somebody_began_is_carried_on(tracing: Tracing, collected: InMemorySpanExporter) -> None:
    with tracing.span("GET /agents", {}, parent="00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"):
        pass
    (span,) = collected.get_finished_spans()
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}/{span.parent.span_id:016x}" == "ab" * 16 + "/" + "cd" * 8


def test_a_failure_is_seen_and_its_words_are_not(tracing: Tracing, collected: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="555"), tracing.span("place_call", {"temporal.attempt": 1}, call_id=CALL):
        raise ValueError("+12125550123 is busy")
    (span,) = collected.get_finished_spans()
    assert not span.status.is_ok
    assert "555" not in span.to_json()


async def test_requests_at_the_same_time_do_not_become_each_others_parts(
    tracing: Tracing, collected: InMemorySpanExporter
) -> None:
    async def request(n: int) -> None:
        with tracing.span(f"GET {n}", {}, parent=f"00-{n:032x}-{n:016x}-01"):
            await asyncio.sleep(0)

    await asyncio.gather(*(request(n) for n in range(1, 9)))
    found = {span.name: span.context.trace_id for span in collected.get_finished_spans() if span.context}
    assert found == {f"GET {n}": n for n in range(1, 9)}


def test_without_a_collector_nothing_is_made() -> None:
    tracing = Tracing.of_process("dialer-api", None)
    with tracing.span("GET /agents", {}) as span:
        assert span is None
    tracing.close()


@pytest.mark.parametrize("workflow_id", ["campaign-" + str(CALL), "call-", "call-nobody", "sweep"])
def test_other_workflows_have_no_call(workflow_id: str) -> None:
    assert call_of_workflow(workflow_id) is None
    assert call_of_workflow(f"call-{CALL}") == CALL


def test_what_was_believed_afterwards_is_told_of_its_call(tracing: Tracing, collected: InMemorySpanExporter) -> None:
    tracing.tell("callback /carriers/twilio/status", {}, call_id=CALL, began_ns=1_000)
    (span,) = collected.get_finished_spans()
    assert span.context is not None
    assert (span.context.trace_id, span.start_time) == (CALL.int, 1_000)
