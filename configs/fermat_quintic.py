"""TODO-MEASURE"""

from trainer.config import default_config


def get_config():
  config = default_config()
  config.variety.ambient = (4,)
  config.variety.polynomials = "z0^5 + z1^5 + z2^5 + z3^5 + z4^5"
  return config
