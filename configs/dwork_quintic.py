"""TODO-MEASURE"""

from trainer.config import default_config


def get_config(psi: str = "0.5"):
  config = default_config()
  config.variety.ambient = (4,)
  config.variety.polynomials = "z0^5 + z1^5 + z2^5 + z3^5 + z4^5 - 5*psi*z0*z1*z2*z3*z4"
  config.variety.parameters.psi = psi
  return config
