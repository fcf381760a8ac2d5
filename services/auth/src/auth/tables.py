"""All tables of `auth_db`: those of `models`, and those that a feature keeps beside its code."""

from auth.google import models as google
from auth.models import Model
from auth.passkeys import models as passkeys
from auth.second_factors import models as second_factors
from auth.standard_clients import models as standard_clients

FEATURES = (google, passkeys, second_factors, standard_clients)
"""Importing them is what makes their tables known."""

metadata = Model.metadata
