"""Harmonic (0, 1)-forms with values in a line bundle: the matter fields of H^1(X, O(k)).

The harmonic form of a class is nu = nu_0 + dbar s with dbar* nu = 0, least squares for s,

  integral of e^-f |dbar* nu_0 + dbar* dbar s|^2 dvol,

by conjugate gradients. Any s makes G(nu) = integral of e^-f |nu|^2 dvol too large, by the norm of
what is left of dbar s: an error of second order. To minimise G itself over points would fit their
noise, which is as large as nu; here it is as large as what is left of dbar* nu.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from trainer.bundles import cohomology
from trainer.bundles import forms as form_values
from trainer.devices import parallel
from trainer.geometry.variety import Variety
from trainer.harmonic.solve import KaehlerForms
from trainer.quadrature import conjugate_gradients
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Background

ITERATIONS = 30


class FibreMetric(NamedTuple):
  """h = prod_i |z^(i)|^(-2 k_i) e^-f at B points.

  Attributes:
    f: (B,) real.
    slope: (B, n) complex, d_i f in a unitary frame.
  """

  f: jax.Array
  slope: jax.Array


def hermitian_yang_mills(
  variety: Variety, bundle: tuple[int, ...], forms: KaehlerForms, background: Background
) -> FibreMetric:
  """f = pi sum_i k_i u_i, of a bundle of vanishing slope, see trainer.bundles.line_bundles."""
  return background.at_points(_fibre_metric(variety, bundle, forms.degree), forms.h)


def solve(
  variety: Variety,
  bundle: tuple[int, ...],
  degree: int,
  fit: tuple[Background, FibreMetric],
  validation: tuple[Background, FibreMetric] | None = None,
  iterations: int = ITERATIONS,
  progress: Callable[[int, int], None] | None = None,
  kept: conjugate_gradients.Kept | None = None,
) -> np.ndarray:
  """The sections s that make the classes of H^1(X, O(k)) harmonic.

  Args:
    variety: the manifold.
    bundle: k.
    degree: of the sections, see trainer.bundles.forms.
    fit: points to fit.
    validation: other points, at which iterations end.
    iterations: at most.
    progress: see trainer.quadrature.conjugate_gradients.
    kept: see there.

  Returns:
    (R, N_A, N_B) complex.
  """
  operator = variety, bundle, degree
  background, fibre = fit
  start = _start(variety, bundle, background, fibre)
  right = -background.integral(_gradient(*operator), None, (fibre, start))
  product = lambda h: background.integral(_product(*operator), h, fibre)
  if validation is None:
    return conjugate_gradients.solve(product, right, iterations, None, progress, kept)[0]
  other, of_other = validation
  extra = of_other, _start(variety, bundle, other, of_other)
  first = other.integral(_squares(*operator), np.zeros_like(right), extra)
  error = lambda h: float(np.sum(other.integral(_squares(*operator), h, extra) / first))
  return conjugate_gradients.solve(product, right, iterations, error, progress, kept)[0]


def at_points(
  variety: Variety,
  bundle: tuple[int, ...],
  degree: int,
  h: np.ndarray | None,
  background: Background,
  fibre: FibreMetric,
) -> dict[str, Any]:
  """What there is of the forms nu_0 + dbar s at points, numpy arrays on every process.

  Args:
    variety: the manifold.
    bundle: k.
    degree: of the sections.
    h: s; None for s = 0.
    background: the points.
    fibre: the metric of the bundle.

  Returns:
    "nu" (B, R, n), e^(-f/2) nu(conj(e_i)) in a unitary frame; "codifferential" (B, R), e^(-f/2)
    dbar* nu; both in the gauge |z^(i)| = 1, where they are unique up to a phase.
  """
  function = _values(variety, bundle, None if h is None else degree)
  found = background.at_points(function, h, fibre)
  count = background.num_points
  return {name: np.asarray(parallel.gather_rows(a))[:count] for name, a in found.items()}


def _start(variety, bundle, background, fibre):
  """e^(-f/2) dbar* nu_0 (B, R)."""
  return background.at_points(_values(variety, bundle, None), None, fibre)["codifferential"]


@functools.lru_cache(maxsize=16)
def _fibre_metric(variety, bundle, degree):
  functions = KaehlerForms(degree, np.zeros(0)).functions(variety)

  def fibre(h, rows):
    if functions is None:
      n = rows.metric.shape[-1]
      return FibreMetric(jnp.zeros_like(rows.volume), jnp.zeros((len(rows.volume), n), complex))
    u, slopes = fields.values(functions.frame(rows), h)
    k = math.pi * np.array(bundle, float)
    return FibreMetric(u @ k, slopes @ k)

  return fibre


@functools.lru_cache(maxsize=16)
def _box(variety, bundle, degree):
  """e^(-f/2) dbar* dbar s."""
  of = form_values.sections_of(variety, bundle, degree)

  def box(h, rows, fibre):
    return jnp.exp(-fibre.f / 2)[:, None] * form_values.box(of, h, rows, fibre.slope)

  return box


@functools.lru_cache(maxsize=16)
def _gradient(variety, bundle, degree):
  of = form_values.sections_of(variety, bundle, degree)

  def gradient(_, rows, extra):
    fibre, r = extra
    weight = (rows.volume * jnp.exp(-fibre.f / 2))[:, None]
    return form_values.box_transposed(of, weight * r, rows, fibre.slope)

  return gradient


@functools.lru_cache(maxsize=16)
def _product(variety, bundle, degree):
  box, gradient = (part(variety, bundle, degree) for part in (_box, _gradient))
  return lambda h, rows, fibre: gradient(None, rows, (fibre, box(h, rows, fibre)))


@functools.lru_cache(maxsize=16)
def _squares(variety, bundle, degree):
  box = _box(variety, bundle, degree)

  def squares(h, rows, extra):
    fibre, start = extra
    r = start + box(h, rows, fibre)
    return rows.volume @ (r.real**2 + r.imag**2)

  return squares


@functools.lru_cache(maxsize=16)
def _values(variety, bundle, degree):
  classes = cohomology.classes(variety, bundle)

  def values(h, rows, fibre):
    size = jnp.exp(-fibre.f / 2)[:, None]
    nu, divergence = form_values.representatives(classes, variety.ambient, rows)
    codifferential = jnp.einsum("pri,pi->pr", nu, fibre.slope) - divergence
    if degree is not None:
      of = form_values.sections_of(variety, bundle, degree)
      nu = nu + form_values.exact_forms(of, h, rows)
      codifferential = codifferential + form_values.box(of, h, rows, fibre.slope)
    return {"nu": size[:, :, None] * nu, "codifferential": size * codifferential}

  return values
