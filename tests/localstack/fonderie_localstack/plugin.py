"""The entry point. It imports the executor late, because LocalStack loads every entry point while it looks for plugins."""

from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class HostExecutorPlugin(RuntimeExecutorPlugin):
    """Chosen with LAMBDA_RUNTIME_EXECUTOR=host."""

    name = "host"

    def load(self, *args, **kwargs):
        from fonderie_localstack import errors, inactive
        from fonderie_localstack.executor import HostExecutor

        errors.install()
        inactive.install()
        return HostExecutor
