"""Stand-ins for outside services: over the wire, and as strict as the real ones."""
