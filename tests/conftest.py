"""What all tests share: a clock that only the test moves, the command line, an S3.

Properties have no deadline: machines that run tests are busy.
"""

import signal

import pytest
from hypothesis import settings

from tests.bucket import s3_service
from tests.clock import Clock

settings.register_profile("cliffsweep", deadline=None)
settings.load_profile("cliffsweep")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def typed(capsys):
    """Types a command; gives exit code, standard output, standard error."""
    from orchestrator.cli.main import main

    def run(*words):
        with pytest.raises(SystemExit) as left:
            main(words)
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out, told.err

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def s3():
    """The address of an S3 on this machine, started for the first test that asks for it."""
    with s3_service() as address:
        yield address
