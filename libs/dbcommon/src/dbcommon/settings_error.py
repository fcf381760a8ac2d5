"""The one exception for settings that are wrong or missing."""


class SettingsError(Exception):
    """Settings are wrong: a line for each, naming the variable and what to do. No line holds a password."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = list(lines)
