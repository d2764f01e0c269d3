"""Yukawa couplings on a tetraquadric: the holomorphic ones are integrals over P^1 x .. x P^1."""

import functools
import itertools
import math

import numpy as np

from tests.geometry.varieties import random_variety
from tests.quadrature import spaces
from trainer.bundles import algebraic, matter, matter_of_run, yukawa
from trainer.bundles import forms as form_values
from trainer.quadrature.background import Rows

# The Higgs field and quarks of Constantin, Fraser-Taliente, Harvey, Lukas, Ovrut, 2402.01615.
MODEL = (0, 2, -2, 0), (1, 1, 0, -2), (-1, -3, 2, 2)


def _points(variety, count):
  """Points (8 count, 8) over uniform ones of each three factors, |z^(i)| = 1, pairs together."""
  (q,), rng = variety.polynomials, np.random.default_rng(0)
  found = []
  for i in range(4):
    z = (rng.normal(size=(8, count, 2)) @ np.array([1, 1j])).reshape(4, 2, count)

    def at(*x):
      z[i] = np.array(x)[:, None]
      return q(z.reshape(8, count))

    first, last = at(1, 0), at(0, 1)
    middle = at(1, 1) - first - last
    for sign in (1, -1):
      z[i] = -middle + sign * np.sqrt(middle**2 - 4 * first * last), 2 * first
      found.append((z / np.linalg.norm(z, axis=1, keepdims=True)).reshape(8, count).T)
  z = np.array(found).reshape(4, 2, count, 8).transpose(0, 2, 1, 3).reshape(4 * count, 2, 8)
  return rng.permutation(z).reshape(-1, 8)


@functools.lru_cache(maxsize=1)
def _background():
  """A tetraquadric with the metric of Fubini-Study, in coordinates along a basis of tangents."""
  variety = random_variety("tetraquadric")
  z = _points(variety, 1500)
  normal = np.zeros((len(z), 5, 8), complex)
  for i in range(4):
    normal[:, i, 2 * i : 2 * i + 2] = z[:, 2 * i : 2 * i + 2].conj()
  normal[:, 4] = np.array([g(z.T) for g in variety.gradients[0]]).T
  pullback = np.linalg.svd(normal)[2][:, 5:].conj()
  # Of each P^1, [i, a]: its metric is |d|^2 / pi.
  d = z[:, ::2, None] * pullback[:, :, 1::2].transpose(0, 2, 1)
  d = d - z[:, 1::2, None] * pullback[:, :, ::2].transpose(0, 2, 1)
  metric = np.einsum("i,pia,pib->pab", variety.moduli, d, d.conj()) / math.pi
  minors = [np.abs(np.linalg.det(np.delete(d, i, axis=1))) ** 2 for i in range(4)]
  density = sum(minors) / (8 * math.pi**3)
  volume = np.linalg.det(metric).real / density / len(z)
  x = np.concatenate([z.real, z.imag], axis=1)
  rows = Rows(x, pullback, metric, volume, np.ones(len(z)))
  return variety, spaces.of_rows(variety.ambient, rows, math.nan, 1, 2)


def _exact():
  """|lambda|: nu_1, nu_2 and omega_3, dbar nu_3 = p omega_3, multiplied on each P^1."""
  part = lambda a, c: (
    math.pi * math.factorial(a) * math.factorial(c - 2 - a) / math.factorial(c - 1)
  )
  found = np.zeros((3, 4, 8))
  for a, b1, b2 in np.ndindex(3, 2, 2):
    # x_1^a of the second P^1; x_1^b1 of the first, x_1^b2 of the second; their conjugates.
    value = part(b1, 3) * part(a + b2, 5) * math.pi**2 / math.pi
    found[a, 2 * b1 + b2, 4 * b1 + a + b2] = value
  return found


@functools.lru_cache(maxsize=1)
def _matter():
  """The representatives, in the place of harmonic forms, too."""
  variety, background = _background()
  count = background.num_points
  fibre = matter.FibreMetric(np.zeros(count), np.zeros((count, 3), complex))
  found = [matter.at_points(variety, k, 1, None, background, fibre) for k in MODEL]
  return [matter_of_run.Matter(1, values, values) for values in found]


def test_holomorphic_couplings_are_exact_and_depend_on_classes_only():
  variety, background = _background()
  volume, group = np.asarray(background.rows.volume), yukawa.groups(background)
  omega = yukawa.omega(variety, background)
  nu = [found.first["nu"] for found in _matter()]
  value, error = yukawa.measured(lambda s: s, yukawa.couplings(omega, nu, volume, group))
  off = np.abs(value - _exact()) / error
  assert np.max(off) < 4 and np.mean(off**2) < 1.5
  assert np.max(error[_exact() > 0] / _exact()[_exact() > 0]) < 0.1
  # Exact forms, of classes all of the first type.
  of = form_values.sections_of(variety, MODEL[0], 1)
  h = np.random.default_rng(1).normal(size=(3, *of.shape)) / 10
  exact = background.at_points(lambda h, rows: form_values.exact_forms(of, h, rows), h)
  value, error = yukawa.measured(
    lambda s: s, yukawa.couplings(omega, [np.asarray(exact), *nu[1:]], volume, group)
  )
  off = np.abs(value) / error
  assert np.max(off) < 4.5 and np.mean(off**2) < 2 and np.max(error) < 0.5


def test_closed_forms():
  variety = random_variety("tetraquadric")
  found = algebraic.couplings(variety, MODEL)
  np.testing.assert_allclose(found, _exact(), atol=1e-12)
  # nu are anticommuting, and factors may be named in any order.
  for order in itertools.permutations(range(3)):
    sign = np.linalg.det(np.eye(3)[list(order)])
    turned = algebraic.couplings(variety, [MODEL[i] for i in order])
    np.testing.assert_allclose(turned, sign * found.transpose(order), atol=1e-12)
  first = (0, 2, -2, 0), (0, 0, 1, -3), (0, -2, 1, 3)
  assert not algebraic.couplings(variety, first).any()
  assert algebraic.couplings(random_variety("bicubic"), ((0, 0),) * 3) is None


def test_masses_do_not_depend_on_bases():
  rng = np.random.default_rng(0)
  normal = lambda *shape: rng.normal(size=shape) + 1j * rng.normal(size=shape)
  sizes = 2, 3, 4
  value, roots, turns = normal(*sizes), *([normal(r, r) for r in sizes] for _ in range(2))
  metrics = [root @ root.conj().T for root in roots]
  first = yukawa.physical(value, metrics, 2.0)
  turned = np.einsum("abc,xa,yb,zc->xyz", value, *turns)
  second = yukawa.physical(
    turned, [t @ g @ t.conj().T for t, g in zip(turns, metrics, strict=True)], 2.0
  )
  np.testing.assert_allclose(first.masses, second.masses, rtol=1e-9)
  total = np.einsum("abc,xyz,ax,by,cz->", value.conj(), value, *(np.linalg.inv(g) for g in metrics))
  np.testing.assert_allclose(np.sum(first.masses**2), total.real / 2, rtol=1e-9)


def test_what_is_said_of_matter():
  variety, background = _background()
  volume = np.asarray(background.rows.volume)
  found = matter_of_run.couple(variety, MODEL, background, volume, _matter())
  entry = found["holomorphic"][1][2][5]
  assert abs(entry["value"][0] - entry["exact"]) < 5 * entry["stderr"]
  assert found["shift"] == 0 and np.shape(found["masses"]["value"]) == (3, 4)
  described = matter_of_run.describe(variety, background, volume, _matter()[1])
  g = np.array([[complex(*e["value"]) for e in row] for row in described["G"]])
  np.testing.assert_allclose(g, g.conj().T, atol=1e-12)
  np.testing.assert_allclose(np.trace(g), described["trace_representatives"])
  assert matter_of_run.missing(variety, (0, 1, 0, 1)) == "H^1 vanishes"
  assert "slope" in matter_of_run.missing(variety, (0, 2, -2, 0))
  assert "kernel" in matter_of_run.missing(variety, (-2, -2, 3, 3))
  assert matter_of_run.have_couplings(variety, MODEL)
  assert not matter_of_run.have_couplings(variety, MODEL[:2])
