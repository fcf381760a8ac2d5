"""Stand-ins for what lies outside of the suite: over the wire, and as strict as the original."""
