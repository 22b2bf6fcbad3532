"""Whose trace a callback stands in: its call's, once its signature is believed."""

from dataclasses import replace
from uuid import UUID

import httpx
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.app import create_app
from dialer.tracing import Tracing
from tests.api.apis import PERSON, Api
from tests.api.callbacks import callback
from tests.api.conftest import PUBLIC_URL


async def test_only_a_callback_that_is_believed_stands_in_its_calls_trace(api: Api, call_id: UUID) -> None:
    collected = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(collected))
    transport = httpx.ASGITransport(create_app(api.services, Tracing(provider)))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as http:
        traced = replace(api, http=http)
        fields = {"CallStatus": "ringing", "SequenceNumber": "1", "To": PERSON}
        assert (await callback(traced, "status", call_id, fields, token="forged")).status_code == 403
        assert not _of(call_id, collected)
        assert (await callback(traced, "status", call_id, fields)).status_code == 204
    assert _of(call_id, collected) == ["callback /api/v1/carriers/twilio/status"]
    assert not any(
        PERSON in span.to_json() or str(call_id) in span.to_json() for span in collected.get_finished_spans()
    )


def _of(call_id: UUID, collected: InMemorySpanExporter) -> list[str]:
    spans = collected.get_finished_spans()
    return [span.name for span in spans if span.context is not None and span.context.trace_id == call_id.int]
