"""TODO-MEASURE"""

from trainer.config import default_config


def get_config():
  config = default_config()
  config.variety.ambient = (3,)
  config.variety.polynomials = "z0^4 + z1^4 + z2^4 + z3^4"
  return config
