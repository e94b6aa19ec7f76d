"""A clock that stands still, for whatever is given one."""


class Clock:
    """Seconds since 1970 that stand still until a test, or whoever waits, moves them."""

    def __init__(self, now: float = 1_750_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds
