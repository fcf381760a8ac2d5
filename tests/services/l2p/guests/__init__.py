"""Guests of one lobby."""
