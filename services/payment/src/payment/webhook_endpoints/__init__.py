"""Outgoing webhooks: events for other systems, stored with the change that they report, and sent to subscribed URLs."""
