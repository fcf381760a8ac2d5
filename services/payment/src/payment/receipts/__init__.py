"""Receipts of paid orders, as a page and as a PDF."""
