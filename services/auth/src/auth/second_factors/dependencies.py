"""What routes ask of the second factors."""

from typing import Annotated

from auth.second_factors.codes import SecondFactors
from webcommon.state import kept_as

SecondFactorsDep = Annotated[SecondFactors, kept_as("second_factors")]
"""What second factors are made and checked with."""
