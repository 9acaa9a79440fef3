"""What Step Functions calls an error that Lambda itself answers a task with: `Lambda.TooManyRequestsException`, as AWS does.

LocalStack calls each of them `Exception`, so that no `Retry` of a state machine would take it.
"""

from botocore.exceptions import ClientError
from localstack.services.stepfunctions.asl.component.common.error_name.custom_error_name import CustomErrorName
from localstack.services.stepfunctions.asl.component.common.error_name.failure_event import FailureEvent
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.state_task_lambda import (
    StateTaskLambda,
)


def install() -> None:
    """Names the errors of Lambda's API in tasks whose resource is a function's ARN."""
    original = StateTaskLambda._from_error

    def _from_error(self, env, ex):
        event = original(self, env, ex)
        if not isinstance(ex, ClientError):
            return event
        name = f"Lambda.{ex.response['Error']['Code']}"
        event.event_details["lambdaFunctionFailedEventDetails"]["error"] = name
        return FailureEvent(env, CustomErrorName(name), event.event_type, event.event_details)

    StateTaskLambda._from_error = _from_error
