"""Reverse passes written by hand, and where they stand aside.

Training differentiates a network once, backwards, and functions here have faster passes of their
own for that. JAX differentiates such a function in no other way; inside of

  with reverse.plain():
    metric(x)

they are ordinary functions, which have every derivative of every order.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
import functools
from typing import Any

import jax

# Part of the keys of JAX's caches: what was traced in one way is not used in the other.
_by_hand = jax.make_user_context(True)


def plain() -> AbstractContextManager:
  """Where it is active, what is traced has no reverse pass written by hand."""
  return _by_hand(False)


def by_hand(
  forward: Callable[..., tuple[Any, Any]],
  backward: Callable[..., tuple[Any, ...]],
  static: tuple[int, ...] = (),
) -> Callable[[Callable], Callable]:
  """Decorates a function with a reverse pass.

  Args:
    forward, backward: as jax.custom_vjp takes them.
    static: numbers of the arguments that are not differentiated.
  """

  def decorate(function):
    written = jax.custom_vjp(function, nondiff_argnums=static)
    written.defvjp(forward, backward)

    @functools.wraps(function)
    def either(*args):
      return written(*args) if _by_hand.value else function(*args)

    return either

  return decorate
