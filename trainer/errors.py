"""The error that a user's mistake raises."""


class UserError(ValueError):
  """A mistake in what the user asked for: one clear line saying what is wrong and what to do.

  Attributes:
    status: with which a command exits.
  """

  status = 1
