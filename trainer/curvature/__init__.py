"""Connection, curvature and Chern forms of Hermitian metrics.

Three ways lead to a metric g and its Riemann tensor R at points:

  a potential's jet   potential.py makes rows at points of a variety, for networks with jets and
                      without; tensors.py makes connection and curvature of them: fast, Kaehler.
  a function g(u)     autodiff.py, of local coordinates: any metric, covariant derivatives to any
                      order, the Laplacian, and how far from Kaehler it is.
  values of g         differences.py, at points around: any network, nothing more to compile.

What follows from g and R alone is the same for all (`tensors.components` has the jets' in the
layout): contractions.py, Ricci, scalar and sectional curvatures; chern.py, Chern forms and
densities, by the products in forms.py. Open tensors.py first, or autodiff.py for a metric of your
own. It imports geometry, points and networks, and every room from metric on may import it.
"""
