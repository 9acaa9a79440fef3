"""Keeps S3's objects below the instance's own TMPDIR."""

import tempfile

from localstack.runtime import hooks


@hooks.on_infra_start()
def keep_objects_in_own_directory() -> None:
    """LocalStack writes objects to one fixed directory of /tmp, which two instances on a machine would share."""
    from localstack.services.s3 import provider

    provider.DEFAULT_S3_TMP_DIR = f"{tempfile.gettempdir()}/s3-objects"
