"""Cluster-robust statistics of sampled points: those of one slice are correlated."""

import jax
import numpy as np

from trainer.sampling.sampler import Sampler


def sample(variety, num_points, seed=0):
  """(sampler, points) with whole blocks, at least num_points, as numpy arrays."""
  sampler = Sampler(variety)
  count = -(-num_points // sampler.points_per_block)
  blocks = [sampler.block(jax.random.key(seed), i) for i in range(count)]
  return sampler, jax.tree.map(lambda *parts: np.concatenate(parts), *blocks)


def mean(values, points_per_slice):
  """(mean, standard error) of values (B,) in clusters."""
  slices = values.reshape(-1, points_per_slice).mean(axis=1)
  return slices.mean(), slices.std(ddof=1) / np.sqrt(len(slices))


def ratio(numerator, denominator, points_per_slice):
  """(sum numerator / sum denominator, standard error) in clusters."""
  value = numerator.sum() / denominator.sum()
  _, error = mean(numerator - value * denominator, points_per_slice)
  return value, error / denominator.mean()
