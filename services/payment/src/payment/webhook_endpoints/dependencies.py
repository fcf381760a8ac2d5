"""What the routes of webhook endpoints ask for."""

from typing import Annotated

from payment.webhook_endpoints.addresses import AddressPolicy
from payment.webhook_endpoints.signatures import EndpointSecrets
from webcommon.app.state import component

AddressPolicyDep = Annotated[AddressPolicy, component(AddressPolicy)]
EndpointSecretsDep = Annotated[EndpointSecrets, component(EndpointSecrets)]
