"""What forms and sheets have in common: labelled fields, and one line that says why something was refused."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content

from client_sim.chat.commands import BadCommand
from client_sim.chat.refusals import in_words
from client_sim.chat.screens.dialog import Dialog, Navigator
from client_sim.chat.screens.drawing import GOLD, WARNING
from client_sim.chat.screens.widgets import Drawn, Field
from client_sim.chat.session import Session
from client_sim.sdk.errors import ClientError


class Sheet(Dialog):
    """A page with fields. What was typed stays in them whatever is refused, and nowhere when the page closes."""

    BINDINGS: ClassVar[list[Any]] = [
        # priority: letters typed after them must not go into the field that they leave
        Binding("up,shift+tab", "app.focus_previous", show=False, priority=True),
        Binding("down,tab", "app.focus_next", show=False, priority=True),
    ]
    SECRET: ClassVar[frozenset[str]] = frozenset()  # fields whose letters are hidden

    def __init__(self, session: Session, navigator: Navigator) -> None:
        super().__init__(session, navigator)
        self.is_busy = False  # a request is made: another Enter does nothing

    def fields(self, *names: str) -> ComposeResult:
        """Rows with a label and a field."""
        for name in names:
            with Horizontal(classes="field", id=f"{name}_row"):
                yield Drawn(id=f"{name}_label", classes="label")
                yield Field(id=name, compact=True, password=name in self.SECRET)

    def field(self, name: str) -> Field:
        """The field of a name."""
        return self.query_one(f"#{name}", Field)

    def value(self, name: str) -> str:
        """What stands in a field, without spaces around it."""
        return self.field(name).value.strip()

    def label(self, name: str, words: str) -> None:
        """Write the label of a field."""
        self.query_one(f"#{name}_label", Drawn).draw(Content(words))

    def show_field(self, name: str, *, is_shown: bool) -> None:
        """Show or hide a row; what was typed stays."""
        self.query_one(f"#{name}_row").display = is_shown

    def say(self, words: str, *, is_error: bool = False) -> None:
        """Write the line under the fields."""
        self.query_one("#message", Drawn).draw(Content.styled(words, WARNING if is_error else GOLD))

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what an Enter asks for, once. A refusal is said under the fields, or as a toast if the page closed."""
        if self.is_busy:
            work.close()
            return
        self.is_busy = True
        self.do(self._attempt(work))

    async def _attempt(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (BadCommand, ClientError) as error:
            if not self.is_attached:
                raise
            self.say(in_words(error, self.session.language, self.session.money), is_error=True)
            self.refused(error)
        finally:
            self.is_busy = False

    def close(self) -> None:
        """Close, unless another page is above, or it is closed."""
        if self.is_active:
            self.dismiss()

    def refused(self, error: BadCommand | ClientError) -> None:
        """What else a refusal changes on the page."""

    def on_unmount(self) -> None:
        """Nothing that was typed is left."""
        for field in self.query(Field):
            field.value = ""
