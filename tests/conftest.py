"""What all tests share: properties have no deadline, since machines that run tests are busy."""

import pytest
from hypothesis import settings

from tests.bucket import s3_service

settings.register_profile("cliffsweep", deadline=None)
settings.load_profile("cliffsweep")


@pytest.fixture(scope="session")
def s3():
    """The address of an S3 on this machine, started for the first test that asks for it."""
    with s3_service() as address:
        yield address
