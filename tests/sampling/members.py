"""Smooth sparse members of the literature's configurations: quick to compile and to evaluate."""

import ast

import numpy as np

from trainer.geometry.members import random_polynomial
from trainer.geometry.parse import parse_polynomial
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety

# ambient, polynomials separated by ";", points of a cluster (one slice of each type)
MEMBERS = {
  "quintic": ((4,), "z0^5+z1^5+z2^5+z3^5+z4^5-z0*z1*z2*z3*z4", 5),
  "cubic pair": ((5,), "z0^3+z1^3+z2^3-1.5*z3*z4*z5; z3^3+z4^3+z5^3-1.5*z0*z1*z2", 9),
  "P5[2,4]": ((5,), "z0^2+z1^2+z2^2+z3^2+z4^2+z5^2;z0^4+2*z1^4-3*z2^4+4j*z3^4+5*z4^4-6j*z5^4", 8),
  "bicubic": (
    (2, 2),
    "(z0^3+z1^3+z2^3)*z3^3+(z0^3+2*z1^3-z2^3)*z4^3+(z0^3-1j*z1^3+3*z2^3)*z5^3+2*z0*z1*z2*z3*z4*z5",
    6,
  ),
  "tetraquadric": ((1, 1, 1, 1), "random squares (2, 2, 2, 2)", 8),
  "Tian-Yau": ((3, 3), "z0^3+z1^3+z2^3+z3^3; z4^3+z5^3+z6^3+z7^3;random (1, 1)", 18),
  "Schoen": (
    (1, 2, 2),
    "z0*(z2^3+z3^3+z4^3)+z1*z2*z3*z4;(z0+0.7*z1)*(z5^3+z6^3+z7^3)+(z1-0.4j*z0)*z5*z6*z7",
    15,
  ),
  "(P2)^3": ((2, 2, 2), "random (1, 1, 1); random (1, 1, 1); random (1, 1, 1)", 24),
  "K3 P4[2,3]": ((4,), "z0^2+z1^2+z2^2+z3^2+z4^2; z0^3+2*z1^3-3*z2^3+4j*z3^3+5*z4^3", 6),
  "K3 P5[2,2,2]": (
    (5,),
    "z0^2+z1^2+z2^2+z3^2+z4^2+z5^2; z0^2+2*z1^2+3*z2^2+4*z3^2+5*z4^2+6*z5^2;"
    "z0^2+4*z1^2+9*z2^2+16*z3^2+25*z4^2+36*z5^2",
    8,
  ),
}


def member(name, moduli=None):
  """(variety, points of a cluster)."""
  ambient, text, cluster = MEMBERS[name]
  count = sum(ambient) + len(ambient)
  rng = np.random.default_rng(0)

  def read(part):
    words = part.split(maxsplit=2)
    if words[0] != "random":
      return parse_polynomial(part, count)
    if words[1] != "squares":
      return random_polynomial(ambient, ast.literal_eval(part.split(maxsplit=1)[1]), rng)
    # Squares of coordinates have no common zero, so that Bertini's theorem gives a smooth member.
    dense = random_polynomial(ambient, ast.literal_eval(words[2]), rng)
    return Polynomial(
      *zip(
        *(
          term
          for term in zip(dense.exponents, dense.coefficients)
          if all(e % 2 == 0 for e in term[0])
        )
      )
    )

  polynomials = tuple(read(part) for part in text.split(";"))
  return Variety(ambient, polynomials, moduli or (1.0,) * len(ambient)), cluster
