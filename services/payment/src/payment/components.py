"""The objects that all requests of Payment share."""

from dataclasses import dataclass

from payment.stripe_api.client import StripeApi
from webcommon.accounts.provisioning.service import UserProvisioner


@dataclass(frozen=True, kw_only=True)
class Components:
    """Each is asked for by its type (`webcommon.app.state.component`)."""

    provisioner: UserProvisioner
    stripe: StripeApi
