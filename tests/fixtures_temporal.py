"""Temporal for tests: the time-skipping server, one per test; the development server where exact costs are counted."""

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.common import SearchAttributeKey
from temporalio.testing import WorkflowEnvironment

ATTRIBUTES = (
    *(SearchAttributeKey.for_keyword(name) for name in ("WorkspaceId", "CampaignId", "ProspectId", "Disposition")),
    SearchAttributeKey.for_int("AttemptNumber"),
)


def binary(name: str) -> str:
    """A server that a package has installed beside the interpreter."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found is not None, f"{name} is not installed: run make setup"
    return found


def attributes_request() -> AddSearchAttributesRequest:
    kinds = {attribute.name: attribute.indexed_value_type for attribute in ATTRIBUTES}
    return AddSearchAttributesRequest(
        search_attributes={name: IndexedValueType.ValueType(int(kind)) for name, kind in kinds.items()},
        namespace="default",
    )


@pytest.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A server whose clock runs ahead while nothing happens. One per test: its clock is global."""
    path = binary("temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(test_server_existing_path=path) as environment:
        await environment.client.operator_service.add_search_attributes(attributes_request())
        yield environment


@pytest.fixture
async def dev_server() -> AsyncIterator[WorkflowEnvironment]:
    """The development server, with the product's search attributes."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=binary("temporal"),
        search_attributes=list(ATTRIBUTES),
        dev_server_log_level="error",
        dev_server_extra_args=["--dynamic-config-value", "system.forceSearchAttributesCacheRefreshOnRead=true"],
    ) as environment:
        yield environment
