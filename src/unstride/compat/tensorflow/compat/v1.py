"""``tf.compat.v1``: a session that hands back what is already computed, for code written in graph style, and ``nn``.

``nn`` is ``tf.nn`` itself, with version 2's names and order of arguments.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeVar

from .. import nn

__all__ = ["Session", "global_variables_initializer", "nn"]

T = TypeVar("T")


class Session:
    """``tf.compat.v1.Session``: every array here holds its values at once, so ``run`` has nothing left to do.

    >>> with Session() as session:
    ...     session.run([1, 2])
    [1, 2]
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace

    def run(self, fetches: T) -> T:
        """The fetches themselves."""
        return fetches

    def close(self) -> None:
        """Nothing is held open."""


def global_variables_initializer() -> None:
    """``tf.compat.v1.global_variables_initializer``: there are no variables to initialise."""
