"""TODO-MEASURE"""

from trainer.config import default_config


def get_config():
  config = default_config()
  config.variety.ambient = (2,)
  config.variety.polynomials = "z0^3 + z1^3 + z2^3"
  return config
