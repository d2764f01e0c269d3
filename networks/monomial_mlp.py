"""The phi network that also sees products m_A conj(m_B) of the defining polynomials' monomials.

Phases of the coordinates that keep every polynomial, up to a factor, keep the Ricci-flat metric:
beyond |z_i|^2 it depends on such products alone, and they oscillate too fast for a perceptron of
z_i conj(z_j) to find them. Nothing is
imposed: the features z_i conj(z_j), which know no symmetry, stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import chex
import jax.numpy as jnp
import numpy as np

from networks import embeddings, gauge, jets, jets22, mlp, phi, products22, registry
from networks.algebraic import pack_hermitian_rows, squared_norms
from networks.sections import monomial_means, monomial_rows
from networks.split_complex import Complex

# More features than this are more work than an algebraic metric of the polynomials' degree.
_MOST_FEATURES = 1000


@registry.register("monomial_mlp")
class MonomialMLP(phi.PhiMLP):
  """phi = MLP(z_i conj(z_j) / |z|^2, m_A conj(m_B) / |z|^(2 d)), zero at initialisation.

  m_A and m_B, A < B, run over monomials of one multidegree d of the defining polynomials; their
  products have the mean square of the z_i conj(z_j), i < j, over the ambient space.
  """

  def __init__(
    self,
    ambient: Sequence[int],
    monomials: Sequence[np.ndarray],
    widths: Sequence[int] = (64, 64, 64),
    activation: str = "tanh",
    name: str | None = None,
  ):
    """Creates the module.

    Args:
      ambient: dimensions (n_1, .., n_m) of the ambient projective spaces.
      monomials: exponents (M, N) int of each defining polynomial.
      widths: widths of the hidden layers.
      activation: a key of `networks.activations.ACTIVATIONS`.
      name: Haiku name.

    Raises:
      ValueError: too many monomials, an unknown activation or a width that is not positive.
    """
    super().__init__(ambient, widths, activation, name)
    self.groups = _by_multidegree(self.ambient, monomials)
    features = sum(len(group) * (len(group) - 1) for group in self.groups.values())
    if features > _MOST_FEATURES:
      raise ValueError(
        f"the polynomials have {sum(map(len, self.groups.values()))} monomials, which makes "
        f"{features:,} products, "
        f"more than {_MOST_FEATURES:,}: use algebraic(degree=4) or phi_mlp here"
      )

  def __call__(self, x: chex.Array | jets.Jet) -> chex.Array | jets.Jet:
    """Evaluates phi.

    Args:
      x: (..., 2N) real, [Re z, Im z] in any scaling of each factor, or the Jet of these
        coordinates, of type (2, 2) of shape (P, 2N).

    Returns:
      (...) real, or the Jet of it.
    """
    groups = [(d, group) for d, group in self.groups.items() if len(group) > 1]
    embedding = embeddings.SpectralEmbedding(self.ambient)
    if isinstance(x, jets22.Jet22):
      products = [_products(self.ambient, *group, x) for group in groups]
      features = products22.features([*embedding.products(x), *products])
    else:
      products = [monomial_products(self.ambient, *group, x) for group in groups]
      features = jets.concatenate([embedding(x), *products])
    return mlp.MLP((*self.widths, 1), self.activation, zero_last=True)(features)[..., 0]


def monomial_products(
  ambient: Sequence[int], degrees: Sequence[int], exponents: np.ndarray, x: chex.Array | jets.Jet
) -> chex.Array | jets.Jet:
  """c_AB m_A conj(m_B) / prod_i |z^(i)|^(2 d_i), A < B: all real parts, then all imaginary parts.

  c_AB makes the mean of |.|^2 over the Fubini-Study measure of the ambient space 1 / ((n + 1) (n +
  2)), that of z_i conj(z_j) / |z|^2 on P^n, i < j; n is the largest dimension of a factor that the
  monomials depend on.

  Args:
    ambient: (n_1, .., n_m).
    degrees: (d_1, .., d_m), the multidegree of the monomials.
    exponents: (M, N) int, static.
    x: (..., 2N) real, [Re z, Im z], or the Jet of these coordinates.

  Returns:
    (..., M (M - 1)), an array or a jet, like x.
  """
  ambient, degrees, exponents, x = _used(ambient, degrees, exponents, x)
  rows = monomial_rows(exponents, ambient, x)
  left, right, scale = _pairs(ambient, exponents, jets.dtype(x))
  # All rows at once: picked again for each entry, they are most of what is to be compiled.
  lefts, rights = rows[..., left], rows[..., right]
  entry = lambda i, j: _entry(scale, lefts[i], rights[i], lefts[j], rights[j])
  products = pack_hermitian_rows(entry, x)
  return products * _inverse_norms(ambient, degrees, x) if isinstance(x, jets.Jet) else products


def _products(ambient, degrees, exponents, x: jets22.Jet22) -> products22.Products:
  """`monomial_products` from a jet of type (2, 2)."""
  ambient, degrees, exponents, x = _used(ambient, degrees, exponents, x)
  left, right, scale = _pairs(ambient, exponents, jets.dtype(x))
  place = np.full((len(exponents),) * 2, len(left))
  place[left, right] = place[right, left] = np.arange(len(left))
  sign = np.tri(len(exponents), k=-1) - np.tri(len(exponents), k=-1).T

  def pair(of_left, of_right):
    split = lambda c: (Complex(c.re[..., index], c.im[..., index]) for index in (left, right))
    return _entry(scale, *split(of_left), *split(of_right))

  def form(weights):
    # Diagonal entries are picked from the zeros at the end.
    end = jnp.zeros((*weights.shape[:-1], 1), weights.dtype)
    of = lambda w: jnp.concatenate([scale * w, end], axis=-1)[..., place]
    re, im = (of(w) for w in jnp.split(weights, 2, axis=-1))
    return Complex(re, sign.astype(im.dtype) * im)

  return products22.Products(
    monomial_rows(exponents, ambient, x),
    gauge.log_norm(x, ambient, degrees),
    pair,
    form,
  )


def _used(ambient, degrees, exponents, x):
  """The same without the factors that do not appear."""
  used = [f for f, d in enumerate(degrees) if d]
  real, imaginary = zip(*[gauge.factors(ambient)[f] for f in used])
  exponents = np.concatenate([exponents[:, part] for part in real], axis=1)
  x = jets.concatenate([x[..., part] for part in (*real, *imaginary)])
  return [ambient[f] for f in used], [degrees[f] for f in used], exponents, x


def _pairs(ambient, exponents, dtype):
  """A and B of the pairs A < B, and half of c_AB."""
  left, right = np.triu_indices(len(exponents), 1)
  return left, right, _scales(ambient, exponents[left] + exponents[right]).astype(dtype)


def _entry(scale, left_i: Complex, right_i: Complex, left_j: Complex, right_j: Complex) -> Complex:
  """d_i dbar_j of the features, from the derivatives of m_A and m_B."""
  m, m_t = left_i * right_j.conj(), right_i * left_j.conj()
  # d of the real part is (m + m_t) / 2, of the imaginary part (m - m_t) / (2 i): m is Hermitian
  # in value only.
  return Complex(
    jnp.concatenate([scale * (m.re + m_t.re), scale * (m.im - m_t.im)], axis=-1),
    jnp.concatenate([scale * (m.im + m_t.im), scale * (m_t.re - m.re)], axis=-1),
  )


def _by_multidegree(ambient, monomials) -> dict[tuple[int, ...], np.ndarray]:
  """Multidegree -> the monomials of all polynomials that have it, without repetition."""
  groups = {}
  for exponents in monomials:
    exponents = np.asarray(exponents, int)
    degrees = tuple(int(exponents[0, real].sum()) for real, _ in gauge.factors(ambient))
    groups[degrees] = np.unique(
      np.concatenate([groups.get(degrees, exponents[:0]), exponents]), axis=0
    )
  return groups


def _scales(ambient, powers: np.ndarray) -> np.ndarray:
  """Half of c_AB, for the exponents of m_A m_B."""
  n = max(ambient)
  return 0.5 / np.sqrt((n + 1) * (n + 2) * monomial_means(ambient, powers))


def _inverse_norms(ambient, degrees, x: jets.Jet) -> jets.Jet:
  """prod_i |z^(i)|^(-2 d_i) in the gauge |z^(i)| = 1, (..., 1)."""
  powers = -jnp.asarray(degrees, jets.dtype(x))[:, None]
  return jets.activate("exp", jets.linear(jets.log(squared_norms(ambient, x)), powers))
