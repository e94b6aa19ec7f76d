"""Times, memory, shares and intervals as people write them."""

import pytest

from orchestrator.quantities import Every, Limit, read_bytes, read_seconds


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("5 min", 300),
        ("5m", 300),
        ("1.5h", 5400),
        ("1d", 86400),
        (" 2s ", 2),
        (7, 7),
        (0, 0),
        (0.25, 0.25),
    ],
)
def test_a_time(written, seconds):
    assert read_seconds(written) == seconds


@pytest.mark.parametrize(
    "written", ["", "30", "s", "-1s", "1 y", "1s2", "1e3s", True, None, [], -1, float("nan"), 1e300]
)
def test_what_is_no_time(written):
    with pytest.raises(ValueError, match=r"a time with its unit, got .*\. Write 500ms"):
        read_seconds(written)


@pytest.mark.parametrize(
    ("written", "size"),
    [("2GiB", 2**31), ("500MB", 5 * 10**8), ("1.5 KiB", 1536), ("1B", 1), (4096, 4096)],
)
def test_memory(written, size):
    assert read_bytes(written) == size


@pytest.mark.parametrize(
    "written", ["2", "2gb", "0GB", "-1GB", True, 0, -5, 1.5, None, "9" * 400 + "GB"]
)
def test_what_is_no_memory(written):
    with pytest.raises(ValueError, match="memory with its unit, got"):
        read_bytes(written)


@pytest.mark.parametrize(
    ("written", "of_79", "of_4"),
    [(5, 5, 5), (0, 0, 0), ("10%", 7, 1), ("50 %", 39, 2), ("0%", 0, 0), ("100%", 79, 4)],
)
def test_a_limit(written, of_79, of_4):
    limit = Limit.read(written)
    assert (limit.of(79), limit.of(4)) == (of_79, of_4)
    assert Limit.read(limit) is limit


@pytest.mark.parametrize("written", ["101%", "-1%", -1, "5", 1.5, True, None, "%"])
def test_what_is_no_limit(written):
    with pytest.raises(ValueError, match="a count or a percentage, got"):
        Limit.read(written)


@pytest.mark.parametrize(
    ("written", "every"),
    [
        ("1 epoch", Every(1, "epoch")),
        ("0.5 epochs", Every(0.5, "epoch")),
        ("50 steps", Every(50, "step")),
        ("1step", Every(1, "step")),
        ("2s", Every(2, "s")),
        ("5 min", Every(300, "s")),
    ],
)
def test_an_interval(written, every):
    assert Every.read(written) == every
    assert Every.read(every) is every


@pytest.mark.parametrize("written", ["0 epochs", "1.5 steps", "3 days", "often", 5, None, True])
def test_what_is_no_interval(written):
    with pytest.raises(ValueError, match="an interval, got"):
        Every.read(written)
