"""Curvature of Kaehler metrics from the derivatives of their potential."""
