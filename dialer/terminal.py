"""The terminal: results go to standard output, everything else to standard error."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from dialer.client.uploads import Tell


def output() -> Console:
    """For results."""
    return Console(highlight=False)


def errors() -> Console:
    """For steps, progress and what went wrong; never wrapped, so that it can be searched for."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def narrator(console: Console) -> Callable[[str], None]:
    """Says one step per line."""

    def say(text: str) -> None:
        console.print(f"[dim]·[/dim] {text}")

    return say


def two_bars(console: Console) -> AbstractContextManager[Tell]:
    """A bar for the upload and one for the import."""
    return bars(console, "uploading", "importing")


@contextmanager
def bars(console: Console, *names: str) -> Generator[Tell]:
    """A bar for each of these, which begins to run when it is first told of."""
    with Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        known = {name: progress.add_task(name, total=1.0, start=False) for name in names}

        def tell(name: str, done: float) -> None:
            progress.start_task(known[name])
            progress.update(known[name], completed=done)

        yield tell


@contextmanager
def one_bar(console: Console, name: str) -> Generator[Callable[[float | None], None]]:
    """A bar for one thing; while nobody knows how much of it is done, it moves to and fro."""
    with Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        bar = progress.add_task(name, total=None)

        def tell(done: float | None) -> None:
            progress.update(bar, total=None if done is None else 1.0, completed=done or 0.0)

        yield tell
