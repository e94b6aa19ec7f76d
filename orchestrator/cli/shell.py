"""The shell of `cliffsweep sql`: reads statements and commands, prints what comes back.

Never runs a statement in its own process, and writes nothing but its history.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output

from orchestrator.cli.output import duration, note
from orchestrator.cli.paging import show
from orchestrator.cli.shell_words import MODES, Words, is_complete
from results.errors import ResultsError
from results.query_child import Answer, Child
from results.query_messages import Request
from results.query_named import load, names

if TYPE_CHECKING:
    from results.render import Table

__all__ = ["Shell", "history_file"]

_PARAMETER = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")

_HELP: Final = """\
A statement is one SELECT over the views and ends with a semicolon.
  .schema [VIEW]   columns of all views, or of one
  .queries         questions that come with the package, by name
  .run NAME        answer one of them
  .mode [MODE]     how answers look: table, line (a column a line), csv, json
  .help            this
  .quit            leave, as Ctrl-D does
Tab completes views, columns and names of metrics; Ctrl-C cancels a line or a running query.
"""


class Shell:
    """A conversation over the same sweeps, with the same limits and values of parameters."""

    def __init__(
        self,
        request: Request,
        *,
        first: Child | None = None,
        history: Path | None = None,
        terminal: Input | None = None,
        screen: Output | None = None,
    ) -> None:
        """Prepares the conversation.

        Args:
            request: which sweeps, limits and values; each statement takes the place of its text.
            first: a process for the first statement, if one was started already.
            history: file of earlier statements; None for the user's own, see `history_file`.
            terminal: where keys come from; None for the terminal.
            screen: where the prompt is drawn; None for the terminal.
        """
        self._request = request
        self._mode = "table"
        self._words = Words(request)
        # A process is ready before the statement is: its imports take longer than most answers.
        self._next = first or Child()
        self._session: PromptSession[str] = PromptSession(
            history=_history(history or history_file()),
            completer=self._words,
            complete_while_typing=False,
            multiline=True,
            key_bindings=_keys(),
            prompt_continuation=lambda width, line, wrapped: "." * (width - 1) + " ",
            input=terminal,
            output=screen,
        )
        self._commands: dict[str, Callable[[str], None]] = {
            ".schema": self._schema,
            ".queries": self._queries,
            ".run": self._run_named,
            ".mode": self._set_mode,
            ".help": lambda _: show(_HELP),
        }

    def run(self) -> None:
        """Reads and answers until the end of input or `.quit`."""
        sweeps = ", ".join(Path(root).name for root in self._request.roots)
        note(f"{sweeps}: end statements with ';', .help for more, Ctrl-D to leave")
        self._words.learn()
        try:
            while (text := self._read(f"{_short(sweeps)}> ")) is not None:
                try:
                    if not self._take(text.strip()):
                        return
                except KeyboardInterrupt:
                    note("cancelled")
        finally:
            self._words.close()
            self._next.close()

    def _read(self, prompt: str) -> str | None:
        """The next statement or command; None at the end of input."""
        while True:
            try:
                return self._session.prompt(prompt)
            except KeyboardInterrupt:
                continue  # The line is gone, the conversation goes on.
            except EOFError:
                return None

    def _take(self, text: str) -> bool:
        """Does what was typed; whether to go on."""
        if not text.strip("; \n"):
            return True
        if not text.startswith("."):
            self._print(text)
            return True
        word, _, rest = text.rstrip("; \n").partition(" ")
        if word in (".quit", ".exit"):
            return False
        command = self._commands.get(word)
        if command is None:
            note(f"{word}: no such command. .help lists them.")
        else:
            command(rest.strip())
        return True

    def _print(self, text: str) -> None:
        """Answers a statement, or says why not."""
        began = time.monotonic()
        try:
            answer = self._ask(self._about(text))
        except ResultsError as error:
            note(str(error))
            return
        for warning in answer.warnings:
            note(warning)
        took = duration(time.monotonic() - began)
        count = answer.table.num_rows
        show(_written(answer.table, self._mode))
        note(f"{count} row{'' if count == 1 else 's'}, {took}")

    def _about(self, text: str) -> Request:
        """The question, with those values that the statement mentions."""
        mentioned = set(_PARAMETER.findall(text))
        values = {name: v for name, v in self._request.parameters.items() if name in mentioned}
        return replace(self._request, text=text, parameters=values)

    def _ask(self, request: Request) -> Answer:
        child, self._next = self._next, Child()
        with child:
            return child.ask(request)

    def _schema(self, view: str) -> None:
        self._words.wait()
        rows = [row for row in self._words.known.columns if not view or row[0] == view.lower()]
        if not rows:
            note(f"{view or '.schema'}: no such view, or none is known. .schema lists all.")
        for name in dict.fromkeys(row[0] for row in rows):
            columns = [(column, kind) for owner, column, kind in rows if owner == name]
            width = max(len(column) for column, _ in columns)
            lines = [f"  {column.ljust(width)}  {kind}" for column, kind in columns]
            show("\n".join([name, *lines]) + "\n")

    def _queries(self, _: str) -> None:
        width = max(map(len, names()), default=0)
        found = [load(name) for name in names()]
        show("".join(f"{one.name.ljust(width)}  {one.title}\n" for one in found))

    def _run_named(self, name: str) -> None:
        try:
            self._print(load(name).text)
        except ResultsError as error:
            note(str(error))

    def _set_mode(self, mode: str) -> None:
        if mode in MODES:
            self._mode = mode
        elif mode:
            note(f".mode: one of {', '.join(MODES)} is needed, got {mode!r}.")
        else:
            show(f"{self._mode}\n")


def history_file() -> Path:
    """Where statements are remembered: below the user's folder for state."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "cliffsweep" / "sql_history"


def _history(path: Path) -> History:
    """The history in a file that only its owner reads, or one that lasts as long as the shell."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        path.chmod(0o600)
    except OSError as error:
        note(f"{path}: no history is kept, got '{error.strerror}'.")
        return InMemoryHistory()
    return FileHistory(path)


def _keys() -> KeyBindings:
    """Enter ends what is complete, and else begins a new line."""
    keys = KeyBindings()

    @Condition
    def finished() -> bool:
        from prompt_toolkit.application import get_app

        return is_complete(get_app().current_buffer.text)

    @keys.add("enter", filter=finished)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return keys


def _short(sweeps: str) -> str:
    return sweeps if len(sweeps) <= 30 else sweeps[:29] + "…"


def _written(table: Table, mode: str) -> str:
    from results import render

    if mode == "csv":
        return render.to_csv(table)
    if mode == "json":
        return render.to_json(table)
    if mode == "table":
        return render.to_table(table)
    columns, rows = render.to_rows(table)
    width = max(map(len, columns), default=0)
    blocks = [
        "".join(f"{name.rjust(width)} = {word}\n" for name, word in zip(columns, row, strict=True))
        for row in rows
    ]
    return "\n".join(blocks)
