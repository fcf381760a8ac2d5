"""The ledger: balanced movements of money, and whether all of them add up."""
