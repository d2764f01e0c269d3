"""TODO-MEASURE"""

from trainer.config import default_config


def get_config():
  config = default_config()
  config.variety.ambient = (5,)
  config.variety.polynomials = "z0^6 + z1^6 + z2^6 + z3^6 + z4^6 + z5^6"
  return config
