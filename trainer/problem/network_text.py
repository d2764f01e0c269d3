"""How configs write networks: "name(key=value, ...)", or a sum of such."""

import ast
import re
from typing import Any

from trainer.errors import UserError


def split_terms(text: str) -> list[str]:
  """The networks of a sum "a(..) + b(..)", in which spaces surround the sign."""
  return [term.strip() for term in re.split(r"\s\+\s", text)]


def parse_network(text: str) -> tuple[str, dict[str, Any]]:
  """Splits "name(key=value, ...)" into the name and its arguments; UserError if it cannot."""
  name, bracket, rest = text.strip().partition("(")
  if not bracket:
    return name, {}
  try:
    call = ast.parse("f(" + rest, mode="eval").body
    assert isinstance(call, ast.Call) and not call.args
    return name, {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
  except (SyntaxError, ValueError, AssertionError):
    raise UserError(f"cannot read the network {text!r}: write it as name(key=value, ...)") from None


def format_network(name: str, kwargs: dict[str, Any]) -> str:
  """The inverse of `parse_network`."""
  return f"{name}({', '.join(f'{key}={value!r}' for key, value in kwargs.items())})"
