"""Reads polynomials written as text, such as "z0^5 + z1^5 - 5*psi*z0*z1"."""

import ast
from collections.abc import Mapping
import re

from trainer.errors import UserError
from trainer.geometry.polynomials import Polynomial

# A polynomial while it is read: exponents of z_0..z_{N-1} -> coefficient.
_Terms = dict[tuple[int, ...], complex]


def parse_polynomial(
  text: str, num_variables: int, parameters: Mapping[str, complex] | None = None
) -> Polynomial:
  """Reads one polynomial in z0, z1, ... with named complex-structure parameters.

  Args:
    text: sums, products and non-negative powers (`^` or `**`) of the coordinates z0 .. z{N-1},
      numbers (`2`, `0.5`, `3j`) and the names in `parameters`; division by numbers only.
    num_variables: N, the number of homogeneous coordinates.
    parameters: values of the names that appear in the text.

  Returns:
    The polynomial, its monomials in descending lexicographic order, zero terms dropped.

  Raises:
    UserError: the text is not such a polynomial; the message shows where.
  """
  try:
    tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
  except SyntaxError:
    raise UserError(f"cannot read the polynomial {text!r}: check signs and brackets") from None
  terms = _Reader(text, num_variables, parameters or {}).read(tree)
  terms = {e: c for e, c in terms.items() if c != 0}
  if not terms:
    raise UserError(f"the polynomial {text!r} is zero")
  exponents = tuple(sorted(terms, reverse=True))
  return Polynomial(exponents, tuple(complex(terms[e]) for e in exponents))


def parse_derivative(
  text: str, num_variables: int, parameters: Mapping[str, complex], name: str
) -> Polynomial:
  """The derivative of a polynomial by one of its parameters, at the parameters' values.

  Args:
    text: see parse_polynomial.
    num_variables: N.
    parameters: values of the names that appear in the text.
    name: the parameter to differentiate by.

  Returns:
    The derivative; it has no terms where the polynomial does not contain the parameter.
  """
  # The parameter becomes one more variable, which is differentiated by and then given its value.
  others = {key: value for key, value in parameters.items() if key != name}
  renamed = re.sub(rf"\b{re.escape(name)}\b", f"z{num_variables}", text)
  partial = parse_polynomial(renamed, num_variables + 1, others).partial(num_variables)
  terms: _Terms = {}
  for (*exponents, power), c in zip(partial.exponents, partial.coefficients):
    key = tuple(exponents)
    terms[key] = terms.get(key, 0) + c * complex(parameters[name]) ** power
  return Polynomial(tuple(terms), tuple(terms.values()))


def parse_number(text: str) -> complex:
  """Reads a complex number written as 0.5, 1.035-0.02i or 2+1j; UserError if it is none."""
  try:
    return complex(str(text).replace(" ", "").replace("i", "j"))
  except ValueError:
    raise UserError(f"cannot read {text!r} as a complex number, such as 1.035-0.02j") from None


class _Reader:
  """Expands a syntax tree into terms."""

  def __init__(self, text: str, num_variables: int, parameters: Mapping[str, complex]):
    self._text = text
    self._n = num_variables
    self._one = (0,) * num_variables
    self._parameters = parameters

  def read(self, node: ast.expr) -> _Terms:
    match node:
      case ast.Constant(value=int() | float() | complex() as value):
        return {self._one: complex(value)}
      case ast.Name(id=name):
        return self._name(name)
      case ast.UnaryOp(op=ast.USub(), operand=operand):
        return {e: -c for e, c in self.read(operand).items()}
      case ast.UnaryOp(op=ast.UAdd(), operand=operand):
        return self.read(operand)
      case ast.BinOp(left=left, op=ast.Add(), right=right):
        return _add(self.read(left), self.read(right), 1)
      case ast.BinOp(left=left, op=ast.Sub(), right=right):
        return _add(self.read(left), self.read(right), -1)
      case ast.BinOp(left=left, op=ast.Mult(), right=right):
        return _multiply(self.read(left), self.read(right))
      case ast.BinOp(left=left, op=ast.Div(), right=right) if self._number(right):
        return {e: c / self._number(right) for e, c in self.read(left).items()}
      case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int() as power)):
        result = {self._one: 1.0}
        for _ in range(power):
          result = _multiply(result, self.read(left))
        return result
    raise UserError(
      f"cannot read {ast.unparse(node)!r} in the polynomial {self._text!r}: "
      "use sums, products and whole powers of z0, z1, ..."
    )

  def _name(self, name: str) -> _Terms:
    if name in self._parameters:
      return {self._one: complex(self._parameters[name])}
    if name[:1] == "z" and name[1:].isdigit() and int(name[1:]) < self._n:
      return {tuple(int(i == int(name[1:])) for i in range(self._n)): 1.0}
    known = ", ".join([f"z0 .. z{self._n - 1}", *self._parameters])
    raise UserError(f"unknown name {name!r} in the polynomial {self._text!r}; known names: {known}")

  def _number(self, node: ast.expr) -> complex:
    """The value of a subexpression free of coordinates, 0 if it is not one."""
    terms = self.read(node)
    return terms.get(self._one, 0) if len(terms) == 1 else 0


def _add(left: _Terms, right: _Terms, sign: int) -> _Terms:
  result = dict(left)
  for e, c in right.items():
    result[e] = result.get(e, 0) + sign * c
  return result


def _multiply(left: _Terms, right: _Terms) -> _Terms:
  result: _Terms = {}
  for e, c in left.items():
    for f, d in right.items():
      key = tuple(a + b for a, b in zip(e, f))
      result[key] = result.get(key, 0) + c * d
  return result
