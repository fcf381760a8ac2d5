"""The log of each lobby: every change as an event with a `seq`, written in the transaction of the change."""
