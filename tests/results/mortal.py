"""A store whose process may die between any two operations on files."""

import contextlib

from results.store import Store


class Crash(BaseException):
    """The process dies here; nothing catches it."""


def bury(writer):
    """Ends the thread of a writer whose process died: it flushes nothing any more."""
    writer._closed.set()
    if writer._thread is not None:
        writer._thread.join()


class MortalStore(Store):
    """Dies before or after any write, any naming of a written file, and any deletion.

    `operations_left` counts down to the death; None lives for ever. `meanwhile` is called once,
    when that many operations are done: another process gets its turn there.
    """

    def __init__(self, root):
        super().__init__(root)
        self.operations_left = None
        self.meanwhile = None

    def _tick(self):
        if self.meanwhile is not None:
            operations, action = self.meanwhile
            self.meanwhile = (operations - 1, action) if operations else None
            if not operations:
                action()
        if self.operations_left is not None:
            if self.operations_left == 0:
                raise Crash
            self.operations_left -= 1

    @contextlib.contextmanager
    def dying_after(self, operations):
        """Whether the block came to its end is told by what it yields."""
        self.operations_left, alive = operations, [True]
        try:
            yield alive
        except Crash:
            alive[0] = False
        finally:
            self.operations_left = None

    def put(self, name, data, **settings):
        self._tick()
        super().put(name, data, **settings)
        self._tick()

    def create(self, name, data, **settings):
        self._tick()
        created = super().create(name, data, **settings)
        self._tick()
        return created

    def create_from(self, name, fill):
        def mortal(path):
            fill(path)
            self._tick()

        self._tick()
        created = super().create_from(name, mortal)
        self._tick()
        return created

    def delete(self, name):
        self._tick()
        super().delete(name)
        self._tick()
