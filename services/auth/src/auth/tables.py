"""All tables of `auth_db`: those of `models`, and those that a feature keeps beside its code."""

from auth.models import Model
from auth.passkeys import models as passkeys
from auth.second_factors import models as second_factors

FEATURES = (passkeys, second_factors)
"""Importing them is what makes their tables known."""

metadata = Model.metadata
