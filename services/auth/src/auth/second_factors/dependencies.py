"""Dependencies on second factors."""

from typing import Annotated

from auth.second_factors.codes import SecondFactors
from webcommon.app.state import component

SecondFactorsDep = Annotated[SecondFactors, component(SecondFactors)]
"""The keys of second factors."""
