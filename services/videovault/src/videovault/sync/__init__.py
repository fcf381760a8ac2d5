"""Devices that were offline: their operations go up and are merged, everybody's changes come down."""
