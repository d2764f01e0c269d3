"""What fields on a manifold need of a trained metric: points with their volumes, and functions.

Open background.py first: points, the metric there and quadrature weights, spread over the devices.
functions.py has the functions f_AB = s_A conj(s_B) / norm with their gradients and Laplacians,
products.py matrices of their products, calibrate.py the weights for which the integral of a
Laplacian vanishes, least_squares.py Poisson's equation; charged.py does so for complex functions of
one charge under phases. Spectra, harmonic forms and bundles are made of these.
"""
