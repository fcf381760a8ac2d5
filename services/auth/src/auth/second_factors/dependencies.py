"""What routes ask of the second factors."""

from typing import Annotated

from auth.second_factors.codes import SecondFactors
from webcommon.app.state import component

SecondFactorsDep = Annotated[SecondFactors, component(SecondFactors)]
"""What second factors are made and checked with."""
