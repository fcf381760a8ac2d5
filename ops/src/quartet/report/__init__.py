"""`quartet report`: what somebody who helps needs to know of a system, without its secrets."""
