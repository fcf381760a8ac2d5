"""Creates missing roles, databases and grants, repairs drifted ones, and leaves the rest alone."""

from quartet.provision.access_rules import container_access_rules, embedded_access_rules
from quartet.provision.plan import AdminConnection, Plan, ServicePlan
from quartet.provision.run import Report, provision

__all__ = [
    "AdminConnection",
    "Plan",
    "Report",
    "ServicePlan",
    "container_access_rules",
    "embedded_access_rules",
    "provision",
]
