"""What a failed activity tells Temporal: the kind of the failure and nothing of the data.

PostgreSQL's messages quote rows, and with them phone numbers; failures go into Temporal's history, where no personal
data belongs. Every worker has this interceptor.
"""

from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor


class QuietFailures(Interceptor):
    """Replaces database errors by errors that name their kind only."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        return _Quiet(super().intercept_activity(next))


class _Quiet(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        try:
            return await super().execute_activity(input)
        except DBAPIError as error:
            raise ApplicationError(f"PostgreSQL: {type(error.orig).__name__}", type="DatabaseFailure") from None
        except (psycopg.Error, PoolTimeout) as error:
            raise ApplicationError(f"PostgreSQL: {type(error).__name__}", type="DatabaseFailure") from None
